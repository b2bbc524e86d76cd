#include "agent/cloud/signed_jwt.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <catch2/catch_test_macros.hpp>
#include <memory>

#include "agent/base/codecs.h"
#include "tests/fakes/certificates.h"

namespace nodekeep {
namespace {

Json Object(std::string_view text) {
  Result<Json> json = ParseJson(text);
  REQUIRE(json.ok());
  return *json;
}

// Verifies the signature with OpenSSL and the public key of the certificate.
bool Verifies(std::string_view token, const std::string& certificate_pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size())), &BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  REQUIRE(certificate != nullptr);
  const std::size_t dot = token.rfind('.');
  Result<SecretBytes> signature = Base64UrlDecode(token.substr(dot + 1));
  REQUIRE(signature.ok());
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr,
                       X509_get0_pubkey(certificate.get()));
  return EVP_DigestVerify(
             context.get(), reinterpret_cast<const unsigned char*>(signature->Reveal().data()),
             signature->size(), reinterpret_cast<const unsigned char*>(token.data()), dot) == 1;
}

TEST_CASE("signed jwt: header and claims are present, and the signature verifies") {
  const CertificatePair pair = MakeRsaPair("app");
  Result<SecretBytes> token = SignJwtRs256(Object(R"({"kid":"k1"})"), Object(R"({"iss":"app"})"),
                                           SecretBytes(pair.certificate_pem + pair.key_pem));
  REQUIRE(token.ok());
  const std::string_view text = token->Reveal();
  CHECK(text.find('=') == std::string_view::npos);
  const std::size_t dot = text.find('.');
  CHECK(Base64UrlDecode(text.substr(0, dot))->Reveal() ==
        R"({"alg":"RS256","kid":"k1","typ":"JWT"})");
  CHECK(Base64UrlDecode(text.substr(dot + 1, text.rfind('.') - dot - 1))->Reveal() ==
        R"({"iss":"app"})");
  CHECK(Verifies(text, pair.certificate_pem));
  CHECK_FALSE(Verifies(text, MakeRsaPair("other").certificate_pem));
}

TEST_CASE("signed jwt: an unusable RSA key is refused without quoting it") {
  const CertificatePair pair = MakeRsaPair("app");
  const std::string encrypted =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBvTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQI\n"
      "-----END ENCRYPTED PRIVATE KEY-----\n";
  for (const std::string& pem : {std::string(), std::string("garbage"), pair.certificate_pem,
                                 pair.key_pem.substr(0, 200), MakePrivateKeyPem(), encrypted}) {
    Result<SecretBytes> token = SignJwtRs256(Object("{}"), Object("{}"), SecretBytes(pem));
    REQUIRE_FALSE(token.ok());
    CHECK(token.error().code() == ErrorCode::kInvalid);
    CHECK(token.error().message() == "the private key is not an unencrypted RSA key in PEM");
  }
}

TEST_CASE("signed jwt: the thumbprint of a certificate matches openssl x509 -fingerprint") {
  // The SHA-256 fingerprint was computed with openssl, then encoded in base64url.
  const std::string certificate = R"(-----BEGIN CERTIFICATE-----
MIIBgDCCASegAwIBAgIUBZ95SY6pCg6IdTz4YP2kv+05gsAwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKdGh1bWJwcmludDAgFw0yNjExMjQxMjQ4NDBaGA8yMTI2MTAz
MTEyNDg0MFowFTETMBEGA1UEAwwKdGh1bWJwcmludDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABCJyAA7VqlPCKBVs8gL+ra1/4C1BB0iKuVpcXVM6DoTCXnPtzzNs
7z6w76PC/CFZL1kH6mzlPUOOUQ0M4/hYmoyjUzBRMB0GA1UdDgQWBBQ24NYIwwFo
A/Q4Nx9ccE4YwrlkKjAfBgNVHSMEGDAWgBQ24NYIwwFoA/Q4Nx9ccE4YwrlkKjAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIDx+kgxlsZMHzeQf0s6r
bcuybLIybxBdAXMFCoRLLBR6AiBw8GQdGDHAAiYGs14X2deCREhNFtEP4+2XX9ZG
u9tZ0Q==
-----END CERTIFICATE-----
)";
  Result<std::string> thumbprint = CertificateThumbprint(SecretBytes(certificate));
  REQUIRE(thumbprint.ok());
  CHECK(*thumbprint == "un1tH8Y1m1azMMid9qrPN-wEN7pqS9cDyAeK8nZnqU4");
  CHECK_FALSE(CertificateThumbprint(SecretBytes("no certificate")).ok());
}

}  // namespace
}  // namespace nodekeep
