#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "agent/http/curl_client.h"
#include "tests/fakes/certificates.h"
#include "tests/fakes/http_server.h"

namespace nodekeep {
namespace {

// Names that only a proxy knows.
constexpr char kPlain[] = "http://vault.test:8200";
constexpr char kTls[] = "https://vault.test:8200";

// A client whose proxy for both schemes is `proxy`.
CurlClient::Options Through(const std::string& proxy, Duration limit = std::chrono::minutes(2)) {
  CurlClient::Options options;
  options.connect_timeout = limit;
  options.environment = [proxy](const std::string& name) {
    return name == "HTTPS_PROXY" || name == "HTTP_PROXY" ? proxy : std::string();
  };
  return options;
}

HttpRequest Get(std::string url) {
  HttpRequest request;
  request.url = std::move(url);
  return request;
}

void Echo(const HttpServer::Request& request, HttpServer::Connection& connection) {
  connection.Write(HttpServer::Reply(200, request.target));
}

void Close(const HttpServer::Request&, HttpServer::Connection& connection) { connection.Close(); }

std::string GonePort() {
  HttpServer gone(Echo);
  return std::to_string(gone.port());
}

}  // namespace

TEST_CASE("curl proxy: the environment's proxy is used, except where it is bypassed") {
  HttpServer proxy(Echo);
  HttpServer server(Echo);
  CurlClient client(Through("http://al%40ice:secret@127.0.0.1:" + std::to_string(proxy.port())));
  Result<HttpResponse> proxied = client.Send({}, Get(std::string(kPlain) + "/x"));
  REQUIRE(proxied.ok());
  CHECK(proxied->body.Reveal() == std::string(kPlain) + "/x");
  CHECK(proxy.requests().back().headers.at("proxy-authorization") == "Basic YWxAaWNlOnNlY3JldA==");

  struct Row {
    std::string name, url;
    bool bypass;
  };
  const Row rows[] = {{"asked to bypass", server.url(), true},
                      {"loopback by address", server.url(), false}};
  for (const Row& row : rows) {
    INFO(row.name);
    HttpRequest direct = Get(row.url + "/x");
    direct.bypass_proxy = row.bypass;
    Result<HttpResponse> answer = client.Send({}, std::move(direct));
    REQUIRE(answer.ok());
    CHECK(answer->body.Reveal() == "/x");
    CHECK(proxy.requests().size() == 1);
  }
}

TEST_CASE("curl proxy: with bypass_proxy no proxy is asked") {
  HttpServer proxy(Echo);
  CurlClient client(Through(proxy.url()));
  HttpRequest direct = Get("http://no-such-host.invalid/x");
  direct.bypass_proxy = true;
  CHECK_FALSE(client.Send({}, std::move(direct)).ok());
  CHECK(proxy.connections() == 0);
}

TEST_CASE("curl proxy: what curl itself would read of the environment plays no part") {
  HttpServer proxy(Echo);
  // The environment changes only while no client with threads exists.
  setenv("http_proxy", proxy.url().c_str(), 1);
  setenv("all_proxy", proxy.url().c_str(), 1);
  {
    CurlClient client(Through(""));
    CHECK_FALSE(client.Send({}, Get("http://no-such-host.invalid/x")).ok());
  }
  CHECK(proxy.connections() == 0);
  unsetenv("http_proxy");
  unsetenv("all_proxy");
  // NO_PROXY of curl is not read either.
  setenv("no_proxy", "*", 1);
  {
    CurlClient other(Through(proxy.url()));
    CHECK(other.Send({}, Get(kPlain)).ok());
  }
  unsetenv("no_proxy");
}

TEST_CASE("curl proxy: a failing proxy is what the error names, with the variable it is from") {
  const auto answering = [](const std::string& raw) {
    return std::make_shared<HttpServer>(HttpServer::Always(raw));
  };
  HttpServer::Options silent;
  silent.silent = true;
  struct Row {
    std::string name;
    std::shared_ptr<HttpServer> proxy;  // null = nothing listens
    std::string credentials, url, want;
  };
  const Row rows[] = {
      {"down, https", nullptr, "", kTls,
       "connect to PROXY for https://vault.test:8200: connection refused"},
      {"down, http", nullptr, "", kPlain,
       "connect to PROXY for http://vault.test:8200: connection refused"},
      {"down, with a password", nullptr, "alice:secret@", kTls,
       "connect to PROXY for https://vault.test:8200: connection refused"},
      {"asks for authentication, https", answering(HttpServer::Reply(407, "")), "", kTls,
       "request to https://vault.test:8200: PROXY asks for authentication (407): write "
       "USER:PASSWORD@ before the host in HTTPS_PROXY"},
      {"asks for authentication, http", answering(HttpServer::Reply(407, "")), "", kPlain,
       "request to http://vault.test:8200: PROXY asks for authentication (407): write "
       "USER:PASSWORD@ before the host in HTTP_PROXY"},
      {"refuses the password", answering(HttpServer::Reply(407, "")), "alice:secret@", kTls,
       "request to https://vault.test:8200: PROXY refuses the user and password (407) of "
       "HTTPS_PROXY"},
      {"refuses the host", answering(HttpServer::Reply(403, "")), "", kTls,
       "request to https://vault.test:8200: PROXY refuses to connect to it (HTTP 403): allow the "
       "host there, or list it in NO_PROXY to reach it directly"},
      {"cannot reach the host", answering(HttpServer::Reply(502, "")), "", kTls,
       "request to https://vault.test:8200: PROXY cannot connect to it (HTTP 502): allow the host "
       "there, or list it in NO_PROXY to reach it directly"},
      {"closes the connection", std::make_shared<HttpServer>(Close), "", kTls,
       "wait for PROXY to connect to https://vault.test:8200: proxy CONNECT aborted"},
      {"hangs", std::make_shared<HttpServer>(Echo, silent), "", kTls,
       "wait for PROXY to connect to https://vault.test:8200: no answer within 900ms"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const std::string port = row.proxy ? std::to_string(row.proxy->port()) : GonePort();
    const Duration limit = row.name == "hangs" ? Duration(900) : Duration(std::chrono::minutes(2));
    CurlClient client(Through("http://" + row.credentials + "127.0.0.1:" + port, limit));
    Result<HttpResponse> answer = client.Send({}, Get(row.url));
    REQUIRE(!answer.ok());
    const std::string variable = row.url == kTls ? "HTTPS_PROXY" : "HTTP_PROXY";
    std::string want = row.want;
    want.replace(want.find("PROXY"), 5,
                 "the proxy http://127.0.0.1:" + port + " (from " + variable + ")");
    CHECK(answer.error().message() == want);
    CHECK(answer.error().code() == ErrorCode::kTransient);
  }
}

TEST_CASE("curl proxy: a name that does not resolve is the proxy's") {
  CurlClient client(Through("http://proxy.invalid:3128"));
  Result<HttpResponse> answer = client.Send({}, Get(kTls));
  REQUIRE(!answer.ok());
  CHECK(answer.error().message() ==
        "resolve the proxy http://proxy.invalid:3128 (from HTTPS_PROXY) for "
        "https://vault.test:8200: could not resolve proxy: proxy.invalid");
}

TEST_CASE("curl proxy: a request that would use an unusable value fails before it is sent") {
  CurlClient client(Through("ftp://alice:secret@proxy"));
  Result<HttpResponse> answer = client.Send({}, Get(kTls));
  REQUIRE(!answer.ok());
  CHECK(answer.error().code() == ErrorCode::kInvalid);
  CHECK(answer.error().message().starts_with("request to https://vault.test:8200: HTTPS_PROXY "));
  CHECK(answer.error().message().find("secret") == std::string::npos);
}

// The proxy answers CONNECT, and the server behind it does not speak TLS.
TEST_CASE("curl proxy: behind the proxy, the server is what the error names") {
  HttpServer proxy([](const HttpServer::Request&, HttpServer::Connection& connection) {
    connection.Write("HTTP/1.1 200 Connection established\r\n\r\n");
    connection.Write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    connection.AwaitClientClose();
  });
  CurlClient client(Through(proxy.url()));
  Result<HttpResponse> answer = client.Send({}, Get(kTls));
  REQUIRE(!answer.ok());
  INFO(answer.error().message());
  CHECK(answer.error().message().starts_with("TLS handshake with https://vault.test:8200: "));
}

TEST_CASE("curl proxy: an answer of the server that a proxy passes on is the server's") {
  HttpServer proxy(HttpServer::Always(HttpServer::Reply(403, "no")));
  CurlClient client(Through(proxy.url()));
  Result<HttpResponse> answer = client.Send({}, Get(kPlain));
  REQUIRE(answer.ok());
  CHECK(answer->status == 403);
}

TEST_CASE("curl proxy: a SOCKS proxy that is down is what the error names") {
  CurlClient client(Through("socks5://127.0.0.1:" + GonePort()));
  Result<HttpResponse> answer = client.Send({}, Get(kTls));
  REQUIRE(!answer.ok());
  CHECK(answer.error().message().starts_with("connect to the proxy socks5h://127.0.0.1:"));
}

}  // namespace nodekeep
