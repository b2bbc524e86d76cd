#include "providers/akeyless/keys.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <catch2/catch_test_macros.hpp>
#include <memory>

#include "agent/base/clock.h"
#include "tests/fakes/certificates.h"

namespace nodekeep::akeyless {
namespace {

struct RequestFree {
  void operator()(X509_REQ* request) const { X509_REQ_free(request); }
};
using Request = std::unique_ptr<X509_REQ, RequestFree>;

Request ReadRequest(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  Request request(PEM_read_bio_X509_REQ(bio, nullptr, nullptr, nullptr));
  BIO_free(bio);
  return request;
}

// The names of the request, as OpenSSL prints them.
std::string PrintedNames(X509_REQ* request) {
  STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request);
  BIO* bio = BIO_new(BIO_s_mem());
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i) {
    X509V3_EXT_print(bio, sk_X509_EXTENSION_value(extensions, i), 0, 0);
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  return text;
}

}  // namespace

TEST_CASE("keys: a certificate request is signed by its key and holds the names") {
  for (const std::string type : {"", "rsa2048", "ec256", "ec384", "ed25519"}) {
    INFO(type);
    Result<CertificateKey> made = MakeCertificateKey(
        type, "web.shop", {"web.shop", "10.0.0.1", "ops@shop"}, {"spiffe://a/b"});
    REQUIRE(made.ok());
    CHECK(made->private_pem.Reveal().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    const Request request = ReadRequest(made->request_pem);
    REQUIRE(request);
    CHECK(X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())) == 1);
    char name[64] = "";
    X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(request.get()), NID_commonName, name,
                              sizeof name);
    CHECK(std::string(name) == "web.shop");
    CHECK(PrintedNames(request.get()) ==
          "DNS:web.shop, IP Address:10.0.0.1, email:ops@shop, URI:spiffe://a/b");
  }
}

TEST_CASE("keys: a name with special characters is still one name") {
  Result<CertificateKey> made = MakeCertificateKey("ec256", "", {"x;IP:1.2.3.4", "@section"}, {});
  REQUIRE(made.ok());
  const std::string names = PrintedNames(ReadRequest(made->request_pem).get());
  CHECK(names == "DNS:x;IP:1.2.3.4, email:@section");
}

TEST_CASE("keys: each key is new, and the error for an unknown type lists the known ones") {
  CHECK(MakeSshKey("ec256")->public_text != MakeSshKey("ec256")->public_text);
  for (const bool ssh : {true, false}) {
    const Error error =
        ssh ? MakeSshKey("dsa").error() : MakeCertificateKey("dsa", "x", {}, {}).error();
    CHECK(error.code() == ErrorCode::kInvalid);
    CHECK(error.message().find("ed25519") != std::string::npos);
  }
}

TEST_CASE("keys: an SSH key has the name of its type") {
  struct Row {
    std::string type, begins;
  };
  const Row rows[] = {
      {"", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"},
      {"ed25519", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"},
      {"rsa2048", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ"},
      {"ec256", "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBB"},
      {"ec384", "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhB"}};
  for (const Row& row : rows) {
    INFO(row.type);
    Result<SshKey> key = MakeSshKey(row.type);
    REQUIRE(key.ok());
    CHECK(key->public_text.starts_with(row.begins));
    CHECK(key->private_text.Reveal().starts_with(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ"));
    CHECK(key->private_text.Reveal().ends_with("\n-----END OPENSSH PRIVATE KEY-----\n"));
  }
}

TEST_CASE("keys: a key that cannot sign is refused") {
  CHECK(SignChallenge(SecretBytes("no key"), "x").error().code() == ErrorCode::kInvalid);
  CHECK(SignChallenge(SecretBytes(MakeCertificateKey("ed25519", "x", {}, {})->private_pem.Reveal()),
                      "x")
            .error()
            .code() == ErrorCode::kInvalid);
  CHECK(SignChallenge(SecretBytes(MakePrivateKeyPem()), "x").ok());
}

constexpr char kForever[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBOjCB7aADAgECAhRZh9kJcggtp0KGk5+dJ13a57JAujAFBgMrZXAwEjEQMA4G\n"
    "A1UEAwwHZm9yZXZlcjAgFw0yNjExMjQxNDU3MTZaGA85OTY2MTAzMDE0NTcxNlow\n"
    "EjEQMA4GA1UEAwwHZm9yZXZlcjAqMAUGAytlcAMhAKf8wugaVkccuUNRGNJAW+Es\n"
    "93euJn/Im0GnrLd/KTUYo1MwUTAdBgNVHQ4EFgQUsnpr1kaV9kPJWhu8sDXwuqar\n"
    "vQkwHwYDVR0jBBgwFoAUsnpr1kaV9kPJWhu8sDXwuqarvQkwDwYDVR0TAQH/BAUw\n"
    "AwEB/zAFBgMrZXADQQAZKNmkj7M6qczFQCuheVPjSQXtmflWcPm9N2kz/r1z26YT\n"
    "NCW/Gsi9Vprmkk3SUt5TVxWfFD4q7MGoVmVWfjAD\n"
    "-----END CERTIFICATE-----\n";

TEST_CASE("keys: the end of a certificate's validity") {
  const TestAuthority authority("issuer");
  const CertificatePair pair = authority.Issue("web", {"DNS:web"});
  CHECK(PemCertificateEnd(pair.certificate_pem).ok());
  // Valid until the year 9966, which the clock's nanoseconds cannot represent.
  Result<WallTime> end = PemCertificateEnd(kForever);
  REQUIRE(end.ok());
  CHECK(*end > SystemClock().Wall() + std::chrono::hours(100 * 365 * 24));
  CHECK(PemCertificateEnd("").error().code() == ErrorCode::kInvalid);
  CHECK(PemCertificateEnd(pair.key_pem).error().code() == ErrorCode::kInvalid);
}

// Certificates that ssh-keygen made with a throw-away key: one valid until 2030-01-02 03:04:05 UTC,
// one without expiry.
TEST_CASE("keys: the end of an SSH certificate's validity") {
  Result<WallTime> end = SshCertificateEnd(
      "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIAX"
      "igXTCk2AHnOAk4nlXZFuqNfwpiWCqY3HTHxmT3eebAAAAIEn33MQbR/uu8sUm3fDkY5t00sR6wexXTP1xO+QY0e2"
      "/AAAAAAAAAAAAAAABAAAAAmlkAAAADwAAAAN3ZWIAAAAEcm9vdAAAAABndIWAAAAAAHDdVSUAAAAAAAAAggAAABV"
      "wZXJtaXQtWDExLWZvcndhcmRpbmcAAAAAAAAAF3Blcm1pdC1hZ2VudC1mb3J3YXJkaW5nAAAAAAAAABZwZXJtaXQ"
      "tcG9ydC1mb3J3YXJkaW5nAAAAAAAAAApwZXJtaXQtcHR5AAAAAAAAAA5wZXJtaXQtdXNlci1yYwAAAAAAAAAAAAA"
      "AMwAAAAtzc2gtZWQyNTUxOQAAACBGXJQsynOZuk6rW0ydqWaUXGv1aXuFeaAiss9OyBBtQAAAAFMAAAALc3NoLWV"
      "kMjU1MTkAAABAsPQZ8wGt5EZpwtfpB5zmvjaZOkUMHHnUH2DZBJN5qgGRduZIshMvqh5q7YJZtKdk1anYBEHKsm1"
      "UscVeEkybDw==");
  REQUIRE(end.ok());
  CHECK(FormatTime(*end) == "2030-01-02T03:04:05.000Z");
  CHECK(
      SshCertificateEnd(
          "ssh-rsa-cert-v01@openssh.com AAAAHHNzaC1yc2EtY2VydC12MDFAb3BlbnNzaC5jb20AAAAgZLB5Kg+mz6s"
          "MFvtOb+4ArDOoQsO+vj72UF7VprLW/78AAAADAQABAAAAgQC3M7aQP56KwxUSv7dxM+ZN8rqzsijhc05Llgq2m2+"
          "2Y1DTS0PeLKCo9KIvT+nzmyWz+igPsgmuKZmTHrxMzHlxhwkNgoPi6JSCajYR82wwMtF90ChhMOfb++hdh7uwo5P"
          "P3DLfy6pUlqcdcSL8J78BT5as31aX4TY2XXiMREO1kQAAAAAAAAAAAAAAAQAAAAJpZAAAAA8AAAADd2ViAAAABHJ"
          "vb3QAAAAAAAAAAP//////////AAAAAAAAAIIAAAAVcGVybWl0LVgxMS1mb3J3YXJkaW5nAAAAAAAAABdwZXJtaXQ"
          "tYWdlbnQtZm9yd2FyZGluZwAAAAAAAAAWcGVybWl0LXBvcnQtZm9yd2FyZGluZwAAAAAAAAAKcGVybWl0LXB0eQA"
          "AAAAAAAAOcGVybWl0LXVzZXItcmMAAAAAAAAAAAAAADMAAAALc3NoLWVkMjU1MTkAAAAggrO1A0YQzXnyEFDZ9wo"
          "qSMaX+7hqnUFVJcP/+Vk+2jwAAABTAAAAC3NzaC1lZDI1NTE5AAAAQMyIv1A4FJQKED/UB21AAsErgCqJKuaKH5p"
          "UKKs6fkLfn6dScBaP8kRqGiw6W2kAz1ZFagmqYElIk0BbkpDDNgA=")
          .ok());
  for (const char* bad :
       {"", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519-cert-v01@openssh.com !",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="}) {
    INFO(bad);
    CHECK(SshCertificateEnd(bad).error().code() == ErrorCode::kInvalid);
  }
}

}  // namespace nodekeep::akeyless
