#include <arpa/inet.h>
#include <dlfcn.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/file_descriptor.h"
#include "agent/base/on_exit.h"
#include "agent/base/pem.h"
#include "agent/http/curl_client.h"
#include "tests/fakes/certificates.h"
#include "tests/fakes/http_server.h"
#include "tests/fakes/temp_dir.h"

namespace {

std::string system_directory;  // "" = the real one

}  // namespace

// Replaces OpenSSL's function, for curl too, so that a test decides what the system's directory of
// trusted certificates holds.
extern "C" int X509_STORE_load_path(X509_STORE* store, const char* path) {
  using Function = int (*)(X509_STORE*, const char*);
  const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "X509_STORE_load_path"));
  return real(store, system_directory.empty() ? path : system_directory.c_str());
}

namespace nodekeep {
namespace {

void Echo(const HttpServer::Request& request, HttpServer::Connection& connection) {
  connection.Write(HttpServer::Reply(200, request.target));
}

// Shared, because creating an authority takes time and the tests only read it.
const TestAuthority& Authority() {
  static const TestAuthority authority("server authority");
  return authority;
}
const TestAuthority& ClientAuthority() {
  static const TestAuthority authority("client authority");
  return authority;
}

HttpServer::Options Serving(const std::vector<std::string>& names, bool asks_for_certificate) {
  HttpServer::Options options;
  options.tls = HttpServer::Tls{Authority().Issue("server", names),
                                asks_for_certificate ? ClientAuthority().certificate_pem() : ""};
  return options;
}

HttpRequest Get(const HttpServer& server, TlsSettings tls) {
  HttpRequest request;
  request.url = server.url() + "/x";
  request.tls = std::make_shared<const TlsSettings>(std::move(tls));
  return request;
}

TlsSettings With(std::vector<std::pair<std::string TlsSettings::*, std::string>> fields,
                 bool skip_verify = false) {
  TlsSettings tls;
  for (const auto& [field, value] : fields) tls.*field = value;
  tls.skip_verify = skip_verify;
  return tls;
}

TlsSettings TrustingServer() {
  TlsSettings tls;
  tls.ca_pem = Authority().certificate_pem();
  return tls;
}

}  // namespace

TEST_CASE("curl TLS: only the settings decide which servers are trusted") {
  const TempDir files;
  const TestAuthority other_authority("other authority");
  const std::string ca = files.Write("ca.pem", Authority().certificate_pem());
  const std::string other = files.Write("other.pem", other_authority.certificate_pem());
  files.Write("dir/a.pem", other_authority.certificate_pem());
  files.Write("dir/b.crt", "text before\n" + Authority().certificate_pem());
  files.Write("volume/..2024/ca.crt", Authority().certificate_pem());
  std::filesystem::create_symlink("..2024", files.path() + "/volume/..data");
  std::filesystem::create_symlink("..data/ca.crt", files.path() + "/volume/ca.crt");
  struct Row {
    std::string name;
    TlsSettings tls;
    std::string fix;  // "" = works
  };
  const std::string kSetCa = "set nodekeep/ca to the CA certificate that signed it";
  static constexpr TlsParameterNames kNames = {.ca = "nodekeep/ca", .server_name = "nodekeep/name"};
  std::vector<Row> rows = {
      {"file", With({{&TlsSettings::ca_file, ca}}), ""},
      {"directory", With({{&TlsSettings::ca_directory, files.path() + "/dir"}}), ""},
      {"a mounted ConfigMap", With({{&TlsSettings::ca_directory, files.path() + "/volume"}}), ""},
      {"text", With({{&TlsSettings::ca_pem, Authority().certificate_pem()}}), ""},
      {"file wins over directory",
       With({{&TlsSettings::ca_file, other}, {&TlsSettings::ca_directory, files.path() + "/dir"}}),
       kSetCa},
      {"directory wins over text",
       With({{&TlsSettings::ca_directory, files.path() + "/dir"},
             {&TlsSettings::ca_pem, other_authority.certificate_pem()}}),
       ""},
      {"another authority", With({{&TlsSettings::ca_pem, other_authority.certificate_pem()}}),
       kSetCa},
      {"the system's store", {}, kSetCa},
      {"no check", With({}, true), ""},
      {"no check, with another authority",
       With({{&TlsSettings::ca_pem, other_authority.certificate_pem()}}, true), ""},
      {"another name",
       With({{&TlsSettings::ca_file, ca}, {&TlsSettings::server_name, "other.test"}}),
       "use a name that it holds in the address, or set nodekeep/name to one"},
  };
  HttpServer server(Echo, Serving({"IP:127.0.0.1", "DNS:vault.test"}, false));
  CurlClient client{{}};
  for (Row& row : rows) {
    INFO(row.name);
    HttpRequest request = Get(server, std::move(row.tls));
    request.tls_names = &kNames;
    Result<HttpResponse> response = client.Send({}, std::move(request));
    if (row.fix.empty()) {
      REQUIRE(response.ok());
      CHECK(response->body.Reveal() == "/x");
      continue;
    }
    REQUIRE(!response.ok());
    INFO(response.error().message());
    CHECK(response.error().code() == ErrorCode::kInvalid);
    CHECK(response.error().message().find("certificate is not trusted") != std::string::npos);
    CHECK(response.error().message().ends_with(": " + row.fix));
  }
}

TEST_CASE(
    "curl TLS: a server name is checked in place of the host, which the request still names") {
  HttpServer server(Echo, Serving({"DNS:vault.test"}, false));
  CurlClient client{{}};
  Result<HttpResponse> by_address = client.Send({}, Get(server, TrustingServer()));
  REQUIRE(!by_address.ok());
  CHECK(by_address.error().code() == ErrorCode::kInvalid);

  TlsSettings tls = TrustingServer();
  tls.server_name = "vault.test";
  Result<HttpResponse> by_name = client.Send({}, Get(server, tls));
  REQUIRE(by_name.ok());
  CHECK(by_name->body.Reveal() == "/x");
  CHECK(server.requests().back().headers.at("host") == fmt::format("127.0.0.1:{}", server.port()));
}

TEST_CASE("curl TLS: unusable settings are an error that names the file") {
  const TempDir files;
  const CertificatePair pair = ClientAuthority().Issue("client", {});
  const std::string certificate = files.Write("client.pem", pair.certificate_pem);
  const std::string key = files.Write("client.key", pair.key_pem);
  const std::string stray = files.Write("dir/README", "not a certificate\n");
  files.Write("dir/ca.pem", Authority().certificate_pem());
  std::filesystem::create_directory(files.path() + "/empty");
  const std::string encrypted = files.Write("encrypted.key",
                                            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n"
                                            "-----END ENCRYPTED PRIVATE KEY-----\n");
  const std::string strange_key = files.Write("strange.key", MakePrivateKeyPem());
  struct Row {
    std::string name;
    TlsSettings tls;
    std::string words;
  };
  const Row rows[] = {
      {"certificate without key", With({{&TlsSettings::client_cert_file, certificate}}),
       "both client cert and client key must be provided"},
      {"key without certificate", With({{&TlsSettings::client_key_file, key}}),
       "both client cert and client key must be provided"},
      {"no such file", With({{&TlsSettings::ca_file, "/nonexistent/ca.pem"}}),
       "CA file \"/nonexistent/ca.pem\": No such"},
      {"not PEM", With({{&TlsSettings::ca_file, stray}}),
       "CA file \"" + stray + "\" holds no PEM certificate"},
      {"stray file in a directory", With({{&TlsSettings::ca_directory, files.path() + "/dir"}}),
       "CA directory \"" + files.path() + "/dir\": one of its files holds no PEM certificate"},
      {"empty directory", With({{&TlsSettings::ca_directory, files.path() + "/empty"}}),
       "holds no file"},
      {"no such directory", With({{&TlsSettings::ca_directory, "/nonexistent"}}),
       "CA directory \"/nonexistent\""},
      {"text that is not PEM", With({{&TlsSettings::ca_pem, "abc"}}),
       "the CA text holds no PEM certificate"},
      {"certificate given as key",
       With({{&TlsSettings::client_cert_file, certificate},
             {&TlsSettings::client_key_file, certificate}}),
       "holds no PEM private key"},
      {"encrypted key",
       With({{&TlsSettings::client_cert_file, certificate},
             {&TlsSettings::client_key_file, encrypted}}),
       "is encrypted"},
      {"key of another certificate",
       With({{&TlsSettings::client_cert_file, certificate},
             {&TlsSettings::client_key_file, strange_key}}),
       "the client cert or key cannot be used"},
  };
  HttpServer server(Echo, Serving({"IP:127.0.0.1"}, true));
  CurlClient client{{}};
  for (const Row& row : rows) {
    INFO(row.name);
    Result<HttpResponse> response = client.Send({}, Get(server, row.tls));
    REQUIRE(!response.ok());
    INFO(response.error().message());
    CHECK(response.error().code() == ErrorCode::kInvalid);
    CHECK(response.error().message().find(row.words) != std::string::npos);
    CHECK(response.error().message().find(server.url()) != std::string::npos);
  }
  CHECK(server.requests().empty());
}

TEST_CASE("curl TLS: a client certificate is accepted, a missing one is named in the error") {
  const TempDir files;
  const CertificatePair pair = ClientAuthority().Issue("client", {});
  HttpServer server(Echo, Serving({"IP:127.0.0.1"}, true));
  CurlClient client{{}};
  TlsSettings tls = TrustingServer();
  Result<HttpResponse> without = client.Send({}, Get(server, tls));
  REQUIRE(!without.ok());
  INFO(without.error().message());
  CHECK(without.error().code() == ErrorCode::kInvalid);
  CHECK(without.error().message().find("refuses our client certificate") != std::string::npos);

  tls.client_cert_file = files.Write("client.pem", pair.certificate_pem);
  tls.client_key_file = files.Write("client.key", pair.key_pem);
  Result<HttpResponse> with = client.Send({}, Get(server, tls));
  REQUIRE(with.ok());
  CHECK(with->body.Reveal() == "/x");
}

TEST_CASE("curl TLS: a connection is reused only with the settings that opened it") {
  const TempDir files;
  const CertificatePair alice = ClientAuthority().Issue("alice", {});
  const CertificatePair bob = ClientAuthority().Issue("bob", {});
  HttpServer server(Echo, Serving({"IP:127.0.0.1"}, true));
  CurlClient client{{}};

  TlsSettings tls_alice = TrustingServer();
  tls_alice.client_cert_file = files.Write("alice.pem", alice.certificate_pem);
  tls_alice.client_key_file = files.Write("alice.key", alice.key_pem);
  TlsSettings tls_bob = TrustingServer();
  tls_bob.client_cert_file = files.Write("bob.pem", bob.certificate_pem);
  tls_bob.client_key_file = files.Write("bob.key", bob.key_pem);
  for (int round = 0; round < 3; ++round) {
    REQUIRE(client.Send({}, Get(server, tls_alice)).ok());
    REQUIRE(client.Send({}, Get(server, tls_bob)).ok());
  }
  CHECK(server.connections() == 2);

  INFO("a certificate is public: without its key the connection must not be reused");
  TlsSettings thief = tls_alice;
  thief.client_key_file = files.Write("thief.key", MakePrivateKeyPem());
  const std::size_t served = server.requests().size();
  Result<HttpResponse> stolen = client.Send({}, Get(server, thief));
  REQUIRE(!stolen.ok());
  CHECK(stolen.error().code() == ErrorCode::kInvalid);
  CHECK(server.requests().size() == served);

  INFO("nor without a certificate, nor with skip_verify");
  CHECK(!client.Send({}, Get(server, TrustingServer())).ok());
  TlsSettings unchecked = tls_alice;
  unchecked.skip_verify = true;
  REQUIRE(client.Send({}, Get(server, unchecked)).ok());
  REQUIRE(client.Send({}, Get(server, tls_alice)).ok());
  const auto requests = server.requests();
  CHECK(requests[requests.size() - 2].connection != requests[0].connection);
  CHECK(requests.back().connection == requests[0].connection);
}

TEST_CASE("curl TLS: a rotated file is used by the next request") {
  const TempDir files;
  const TestAuthority other_authority("other authority");
  HttpServer server(Echo, Serving({"IP:127.0.0.1"}, true));
  CurlClient client{{}};
  const CertificatePair first = ClientAuthority().Issue("client", {});
  TlsSettings tls;
  tls.ca_file = files.Write("ca.pem", Authority().certificate_pem());
  tls.client_cert_file = files.Write("client.pem", first.certificate_pem);
  tls.client_key_file = files.Write("client.key", first.key_pem);
  REQUIRE(client.Send({}, Get(server, tls)).ok());
  REQUIRE(client.Send({}, Get(server, tls)).ok());
  CHECK(server.connections() == 1);

  const CertificatePair second = ClientAuthority().Issue("client", {});
  files.Write("client.pem", second.certificate_pem);
  files.Write("client.key", second.key_pem);
  REQUIRE(client.Send({}, Get(server, tls)).ok());
  CHECK(server.connections() == 2);

  files.Write("ca.pem", other_authority.certificate_pem());
  Result<HttpResponse> distrusted = client.Send({}, Get(server, tls));
  REQUIRE(!distrusted.ok());
  CHECK(distrusted.error().code() == ErrorCode::kInvalid);
}

TEST_CASE("curl TLS: a new connection resumes the session of an earlier one with equal settings") {
  HttpServer server(
      [](const HttpServer::Request& request, HttpServer::Connection& connection) {
        connection.Write(HttpServer::Reply(200, request.target, "Connection: close\r\n"));
        connection.Close();
      },
      Serving({"IP:127.0.0.1"}, false));
  CurlClient client{{}};
  for (int i = 0; i < 5; ++i) REQUIRE(client.Send({}, Get(server, TrustingServer())).ok());
  CHECK(server.connections() == 5);
  CHECK(server.resumed_sessions() == 4);

  INFO("other settings start a new session");
  TlsSettings unchecked = TrustingServer();
  unchecked.skip_verify = true;
  REQUIRE(client.Send({}, Get(server, unchecked)).ok());
  CHECK(server.resumed_sessions() == 4);
}

TEST_CASE("curl TLS: a handshake that never finishes times out") {
  HttpServer::Options options = Serving({"IP:127.0.0.1"}, false);
  options.silent = true;
  HttpServer server(Echo, options);
  CurlClient::Options quick;
  quick.connect_timeout = std::chrono::milliseconds(900);
  CurlClient client(quick);
  Result<HttpResponse> response = client.Send({}, Get(server, TrustingServer()));
  REQUIRE(!response.ok());
  CHECK(response.error().code() == ErrorCode::kTransient);
  CHECK(response.error().message() ==
        fmt::format("TLS handshake with {}: no answer within 900ms", server.url()));
}

TEST_CASE("curl TLS: an alert from the server is an error of the request, not of the server") {
  struct Row {
    std::string name;
    int alert;
  };
  const Row rows[] = {{"a name that it does not have", 112},
                      {"handshake failure", 40},
                      {"a name for which it finds no certificate", 80}};
  for (const Row& row : rows) {
    INFO(row.name);
    HttpServer::Options options = Serving({"DNS:vault.test"}, false);
    options.tls->alert = row.alert;
    HttpServer server(Echo, options);
    CurlClient client{{}};
    TlsSettings tls = TrustingServer();
    tls.server_name = "vault.test";
    Result<HttpResponse> response = client.Send({}, Get(server, tls));
    REQUIRE(!response.ok());
    INFO(response.error().message());
    CHECK(response.error().code() == ErrorCode::kTransient);
    CHECK(response.error().message().starts_with("TLS handshake with " + server.url() +
                                                 ": the server ended it with an alert"));
    CHECK(response.error().of_request());
  }
}

TEST_CASE("curl TLS: with trusted certificates of its own, the system's directory is not trusted") {
  const TempDir files;
  const TestAuthority other("other authority");
  const CertificatePtr certificate = ReadPemCertificate(Authority().certificate_pem());
  REQUIRE(certificate);
  files.Write(fmt::format("{:08x}.0", X509_subject_name_hash(certificate.get())),
              Authority().certificate_pem());
  const OnExit restore([] { system_directory.clear(); });
  system_directory = files.path();
  HttpServer server(Echo, Serving({"IP:127.0.0.1"}, false));
  CurlClient client{{}};
  CHECK(client.Send({}, Get(server, {})).ok());
  for (auto field : {&TlsSettings::ca_pem, &TlsSettings::ca_file}) {
    const bool is_file = field == &TlsSettings::ca_file;
    const std::string pem = other.certificate_pem();
    const Result<HttpResponse> refused =
        client.Send({}, Get(server, With({{field, is_file ? files.Write("ca.pem", pem) : pem}})));
    REQUIRE(!refused.ok());
    CHECK(refused.error().code() == ErrorCode::kInvalid);
  }
}

TEST_CASE("curl TLS: the scheme that the server does not speak is named") {
  const auto reply = [](std::string_view body) {
    return HttpServer::Always(HttpServer::Reply(400, body));
  };
  struct Row {
    std::string name;
    HttpServer::Handler handler;
    std::string want;  // "" = an ordinary answer
  };
  const std::string use_https =
      "wait for the answer of http://HOST: the server expects TLS: use "
      "https://HOST";
  const Row rows[] = {
      {"Go", reply("Client sent an HTTP request to an HTTPS server.\n"), use_https},
      {"nginx", reply("<html><center>The plain HTTP request was sent to HTTPS port</center>"),
       use_https},
      {"an alert in place of an answer", HttpServer::Always("\x15\x03\x01\x02\x02\x46"),
       "read the answer of http://HOST: it is not HTTP: if the server expects TLS, use https://"},
      {"another 400", reply("no such field"), ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    HttpServer server(row.handler);
    CurlClient client{{}};
    HttpRequest request;
    request.url = server.url() + "/x";
    Result<HttpResponse> response = client.Send({}, std::move(request));
    CHECK(response.ok() == row.want.empty());
    if (response.ok()) continue;
    std::string want = row.want;
    for (std::size_t at = 0; (at = want.find("HOST")) != std::string::npos;) {
      want.replace(at, 4, fmt::format("127.0.0.1:{}", server.port()));
    }
    CHECK(response.error().message() == want);
  }
}

TEST_CASE("curl TLS: a server that answers a handshake with plain HTTP is named as such") {
  // Its answer to the first line of anything, as servers without TLS give it.
  const FileDescriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(listen(listener.get(), 1) == 0);
  REQUIRE(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  std::jthread server([&] {
    const FileDescriptor client(accept(listener.get(), nullptr, nullptr));
    constexpr std::string_view kAnswer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    CHECK(write(client.get(), kAnswer.data(), kAnswer.size()) > 0);
    char ignored[4096];
    while (read(client.get(), ignored, sizeof ignored) > 0) continue;
  });
  CurlClient client{{}};
  HttpRequest request;
  request.url = fmt::format("https://127.0.0.1:{}/", ntohs(address.sin_port));
  Result<HttpResponse> response = client.Send({}, std::move(request));
  REQUIRE(!response.ok());
  CHECK(response.error().code() == ErrorCode::kTransient);
  INFO(response.error().message());
  CHECK(response.error().message().ends_with(
      ": the server speaks plain HTTP there: use its TLS port, or http://"));
}

TEST_CASE("curl TLS: a server without TLS is a transient error") {
  HttpServer server(Echo);
  CurlClient client{{}};
  HttpRequest request;
  request.url = fmt::format("https://127.0.0.1:{}/", server.port());
  Result<HttpResponse> response = client.Send(
      Context().WithDeadline(std::chrono::steady_clock::now() + std::chrono::milliseconds(200)),
      std::move(request));
  REQUIRE(!response.ok());
  CHECK(response.error().IsTransient());
}

}  // namespace nodekeep
