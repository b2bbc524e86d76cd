#include "agent/http/curl_client.h"

#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/http/curl_transfer.h"
#include "tests/fakes/http_server.h"
#include "tests/fakes/temp_dir.h"

namespace {

// Simulates a name server that does not respond: names under this domain resolve only when the
// test allows it.
constexpr std::string_view kHangingDomain = ".hanging.test";
nodekeep::Mutex resolver_mutex;
std::condition_variable_any resolver_changed;
int resolving = 0;
bool resolver_released = false;

}  // namespace

// Replaces the C library's function, for curl too; all other names need no name server.
extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                           addrinfo** result) {
  const std::string_view name(node == nullptr ? "" : node);
  if (name.ends_with(kHangingDomain)) {
    nodekeep::MutexLock lock(resolver_mutex);
    ++resolving;
    resolver_changed.notify_all();
    resolver_changed.wait(lock, [] { return resolver_released; });
    --resolving;
    resolver_changed.notify_all();
  }
  return EAI_NONAME;
}

namespace nodekeep {
namespace {

HttpRequest Get(std::string url) {
  HttpRequest request;
  request.url = std::move(url);
  return request;
}

std::vector<HttpRequest> GetMany(const std::string& url, int count) {
  std::vector<HttpRequest> requests;
  for (int i = 0; i < count; ++i) requests.push_back(Get(fmt::format("{}/{}", url, i)));
  return requests;
}

CurlClient::Options Quick() {
  CurlClient::Options options;
  options.connect_timeout = std::chrono::milliseconds(900);
  return options;
}

void HangUntilClientLeaves(const HttpServer::Request&, HttpServer::Connection& connection) {
  connection.AwaitClientClose();
}

// Responds with the request's target.
void Echo(const HttpServer::Request& request, HttpServer::Connection& connection) {
  connection.Write(HttpServer::Reply(200, request.target));
}

}  // namespace

TEST_CASE("curl: method, target, headers and body go out as given") {
  struct Row {
    std::string name, method, body, want_length;
  };
  const Row rows[] = {
      {"plain read", "GET", "", "absent"},
      {"read with a body", "GET", "{\"a\":1}", "7"},
      {"a method of the backend's own", "LIST", "", "absent"},
      {"a method of the backend's own with a body", "LIST", "x", "1"},
      {"write", "POST", "abc", "3"},
      {"write of nothing", "POST", "", "0"},
      {"put", "PUT", "abc", "3"},
      {"delete", "DELETE", "", "absent"},
      {"a body for which curl would send Expect", "PUT", std::string(3u << 20, 'b'), "3145728"},
  };
  HttpServer server(HttpServer::Always(HttpServer::Reply(200, "ok")));
  CurlClient client{{}};
  for (const Row& row : rows) {
    INFO(row.name);
    HttpRequest request = Get(server.url() + "/v1/a%2Fb/../c?list=true");
    request.method = row.method;
    request.body = SecretBytes(row.body);
    request.headers.push_back({"X-Vault-Token", SecretBytes("s.token")});
    request.headers.push_back({"X-Empty", SecretBytes("")});
    Result<HttpResponse> response = client.Send({}, std::move(request));
    REQUIRE(response.ok());
    const HttpServer::Request seen = server.requests().back();
    CHECK(seen.method == row.method);
    CHECK(seen.target == "/v1/a%2Fb/../c?list=true");
    CHECK(seen.body == row.body);
    CHECK(seen.headers.at("x-vault-token") == "s.token");
    CHECK(seen.headers.at("x-empty") == "");
    CHECK(seen.headers.count("expect") == 0);
    CHECK(seen.headers.count("content-type") == 0);
    const auto length = seen.headers.find("content-length");
    CHECK((length == seen.headers.end() ? "absent" : length->second) == row.want_length);
  }
}

TEST_CASE("curl: a response with any status is a successful exchange") {
  struct Row {
    std::string name, method, raw;
    int status;
    std::string body;
  };
  const Row rows[] = {
      {"ok", "GET", HttpServer::Reply(200, "hello", "X-Id: 7\r\n"), 200, "hello"},
      {"not found", "GET", HttpServer::Reply(404, "no", "X-Id: 7\r\n"), 404, "no"},
      {"server error", "GET", HttpServer::Reply(500, "", "X-Id: 7\r\n"), 500, ""},
      {"a redirect is not followed", "GET",
       HttpServer::Reply(307, "", "Location: http://127.0.0.1:1/\r\nX-Id: 7\r\n"), 307, ""},
      {"chunks", "GET",
       "HTTP/1.1 200 OK\r\nX-ID: 7\r\nTransfer-Encoding: "
       "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
       200, "abcde"},
      {"an interim answer first", "GET",
       "HTTP/1.1 103 Early\r\nX-Id: 6\r\n\r\n" + HttpServer::Reply(200, "x", "X-Id:  7 \r\n"), 200,
       "x"},
      {"head has a length but no body", "HEAD",
       "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Id: 7\r\n\r\n", 200, ""},
      {"bytes of every kind", "GET",
       HttpServer::Reply(200, std::string("a\0\xff\r\n", 5), "X-Id: 7\r\n"), 200,
       std::string("a\0\xff\r\n", 5)},
  };
  CurlClient client{{}};
  for (const Row& row : rows) {
    INFO(row.name);
    HttpServer server(HttpServer::Always(row.raw));
    HttpRequest request = Get(server.url());
    request.method = row.method;
    Result<HttpResponse> response = client.Send({}, std::move(request));
    REQUIRE(response.ok());
    CHECK(response->status == row.status);
    CHECK(response->body.Reveal() == row.body);
    CHECK(response->Header("x-id") == "7");
    CHECK(server.requests().size() == 1);
  }
}

TEST_CASE("curl: errors name the host and the step, and nothing from the request") {
  struct Row {
    std::string name;
    HttpServer::Handler handler;
    ErrorCode want;
    std::string words;
  };
  const auto then_close = [](std::string raw) -> HttpServer::Handler {
    return [raw](const HttpServer::Request&, HttpServer::Connection& connection) {
      connection.Write(raw);
      connection.Close();
    };
  };
  const Row rows[] = {
      {"cut before the headers", then_close(""), ErrorCode::kTransient, "closed without one"},
      {"cut inside the headers", then_close("HTTP/1.1 200 OK\r\nContent-Le"), ErrorCode::kTransient,
       "answer of"},
      {"cut inside the body", then_close("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"),
       ErrorCode::kTransient, "cut after 5 bytes"},
      {"cut before the last byte",
       then_close("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123456789"), ErrorCode::kTransient,
       "cut after 9 bytes"},
      {"cut inside a chunk",
       then_close("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nab"),
       ErrorCode::kTransient, "answer of"},
      {"not HTTP", then_close("SSH-2.0-OpenSSH_9.2\r\n\r\n"), ErrorCode::kTransient, ""},
      {"announced too large", then_close("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\nx"),
       ErrorCode::kTooLarge, "limit of 100 bytes"},
      {"too large without saying so",
       then_close("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" +
                  std::string(101, 'x')),
       ErrorCode::kTooLarge, "limit of 100 bytes"},
      {"endless headers",
       [](const HttpServer::Request&, HttpServer::Connection& connection) {
         connection.Write("HTTP/1.1 200 OK\r\n");
         while (connection.Write("X-Filler: " + std::string(1000, 'x') + "\r\n")) {
         }
       },
       ErrorCode::kTooLarge, "limit of"},
      {"hangs", HangUntilClientLeaves, ErrorCode::kTransient,
       "wait for the answer of http://127.0.0.1"},
      {"stops in the middle",
       [](const HttpServer::Request&, HttpServer::Connection& connection) {
         connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
         connection.AwaitClientClose();
       },
       ErrorCode::kTransient, "read the answer of http://127.0.0.1"},
  };
  CurlClient client{{}};
  for (const Row& row : rows) {
    INFO(row.name);
    HttpServer server(row.handler);
    HttpRequest request = Get(server.url() + "/path-s3cret?q=s3cret");
    request.headers.push_back({"Authorization", SecretBytes("s3cret")});
    request.body = SecretBytes("s3cret");
    request.max_response_bytes = 100;
    request.timeout = std::chrono::seconds(2);
    Result<HttpResponse> response = client.Send({}, std::move(request));
    REQUIRE(!response.ok());
    INFO(response.error().message());
    CHECK(response.error().code() == row.want);
    CHECK(response.error().message().find(row.words) != std::string::npos);
    CHECK(response.error().message().find(server.url()) != std::string::npos);
    CHECK(response.error().message().find("s3cret") == std::string::npos);
  }
}

TEST_CASE("curl: the headers of a response are limited in number and size") {
  const auto repeat = [](int count, const std::string& text) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
  };
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n";
  struct Row {
    std::string name, raw, words;  // words "" = it is accepted
  };
  const Row rows[] = {
      {"many", HttpServer::Reply(200, "x", repeat(200, "a: b\r\n")), ""},
      {"too many", HttpServer::Reply(200, "x", repeat(300, "a: b\r\n")),
       "more headers than the limit of 256"},
      {"too many without values", HttpServer::Reply(200, "x", repeat(300, "a:\r\n")),
       "more headers than the limit of 256"},
      {"long", HttpServer::Reply(200, "x", "a: " + std::string(30'000, 'b') + "\r\n"), ""},
      {"too long", HttpServer::Reply(200, "x", "a: " + std::string(40'000, 'b') + "\r\n"),
       "larger than the limit of 32768 bytes"},
      {"too many of interim responses",
       repeat(3, "HTTP/1.1 103 Early\r\n" + repeat(100, "a: b\r\n") + "\r\n") +
           HttpServer::Reply(200, "x"),
       "more headers than the limit of 256"},
      {"too many trailers", chunked + repeat(300, "a: b\r\n") + "\r\n",
       "more headers than the limit of 256"},
  };
  CurlClient client{{}};
  for (const Row& row : rows) {
    INFO(row.name);
    HttpServer server(HttpServer::Always(row.raw));
    const Result<HttpResponse> response = client.Send({}, Get(server.url()));
    REQUIRE(response.ok() == row.words.empty());
    if (response.ok()) continue;
    INFO(response.error().message());
    CHECK(response.error().code() == ErrorCode::kTooLarge);
    CHECK(response.error().message().find(row.words) != std::string::npos);
  }
}

TEST_CASE("curl: answers use the share of their namespace while they are received and held") {
  std::atomic<bool> announces = true;
  HttpServer server([&](const HttpServer::Request& request, HttpServer::Connection& connection) {
    const std::string body(std::stoul(request.target.substr(1)), 'x');
    if (announces) {
      connection.Write(HttpServer::Reply(200, body));
    } else {
      connection.Write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body);
      connection.Close();
    }
  });
  constexpr std::size_t kKilo = 1000;
  std::vector<std::string> refused;
  SharedResource bytes({.name = "answer_bytes",
                        .capacity = 400 * kKilo * kBytesPerAnswerByte,
                        .on_refusal = [&](std::string_view, const std::string& namespace_name) {
                          refused.push_back(namespace_name);
                        }});
  CurlClient::Options options;
  options.answer_bytes = &bytes;
  CurlClient client(options);
  const auto send = [&](const std::string& namespace_name, std::size_t size) {
    return client.Send(Context().WithNamespace(namespace_name),
                       Get(fmt::format("{}/{}", server.url(), size)));
  };
  for (const bool announced : {true, false}) {
    INFO((announced ? "with" : "without") << " Content-Length");
    announces = announced;
    refused.clear();
    {
      const auto first = send("a", 150 * kKilo);
      REQUIRE(first.ok());
      CHECK(bytes.used() >= 150 * kKilo * kBytesPerAnswerByte);
      const auto second = send("a", 150 * kKilo);
      REQUIRE(!second.ok());
      CHECK(second.error().code() == ErrorCode::kThrottled);
      CHECK(second.error().message().find("the answers that namespace a is reading use more than "
                                          "its share of the node's memory") != std::string::npos);
      CHECK(refused == std::vector<std::string>{"a"});
      CHECK(send("b", 100 * kKilo).ok());
      INFO("the node's own requests are not limited");
      CHECK(send("", 1000 * kKilo).ok());
    }
    CHECK(bytes.used() == 0);
    CHECK(send("a", 150 * kKilo).ok());
  }
}

TEST_CASE("curl: an unreachable backend is a transient error with the reason") {
  CurlClient client{{}};
  int port = 0;
  {
    HttpServer gone(Echo);
    port = gone.port();
  }
  struct Row {
    std::string name, url, unix_socket, want;
  };
  const Row rows[] = {
      {"no listener", fmt::format("http://127.0.0.1:{}", port), "",
       fmt::format("connect to http://127.0.0.1:{}: connection refused", port)},
      {"no such socket", "http://localhost/", "/nonexistent/agent.sock",
       "connect to unix:/nonexistent/agent.sock: no such file or directory"},
      {"no such name", "https://vault.invalid:8200/", "",
       "resolve https://vault.invalid:8200: could not resolve host: vault.invalid"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    HttpRequest request = Get(row.url);
    request.unix_socket = row.unix_socket;
    Result<HttpResponse> response = client.Send({}, std::move(request));
    REQUIRE(!response.ok());
    CHECK(response.error().code() == ErrorCode::kTransient);
    CHECK(response.error().message() == row.want);
  }
}

TEST_CASE("curl: a request open to header or URL injection is refused before it is sent") {
  struct Row {
    std::string name;
    std::function<void(HttpRequest&)> spoil;
    std::string words;
  };
  const Row rows[] = {
      {"line break in a value",
       [](HttpRequest& r) {
         r.headers.push_back({"X-Role", SecretBytes("s3cret\r\nX-Evil: 1")});
       },
       "the value of header X-Role holds a line break"},
      {"NUL in a value",
       [](HttpRequest& r) {
         r.headers.push_back({"X-Role", SecretBytes(std::string_view("s3cret\0x", 8))});
       },
       "the value of header X-Role holds a line break or a NUL byte"},
      {"line break in a name",
       [](HttpRequest& r) {
         r.headers.push_back({"X\r\nY", SecretBytes("s3cret")});
       },
       "a header name is not valid"},
      {"blank in the method", [](HttpRequest& r) { r.method = "GET /other"; },
       "the method is not an HTTP token"},
      {"password in the URL", [](HttpRequest& r) { r.url = "http://bob:s3cret@127.0.0.1:1/"; },
       "user name or password"},
      {"another scheme", [](HttpRequest& r) { r.url = "file:///etc/passwd"; },
       "must start with http:// or https://"},
      {"no URL at all", [](HttpRequest& r) { r.url = "\x01?token=s3cret"; }, "is not valid"},
      {"NUL in the URL", [](HttpRequest& r) { r.url = std::string("http://a/\0b", 11); },
       "is not valid"},
  };
  HttpServer server(Echo);
  CurlClient client{{}};
  for (const Row& row : rows) {
    INFO(row.name);
    HttpRequest request = Get(server.url());
    row.spoil(request);
    Result<HttpResponse> response = client.Send({}, std::move(request));
    REQUIRE(!response.ok());
    INFO(response.error().message());
    CHECK(response.error().code() == ErrorCode::kInvalid);
    CHECK(response.error().message().find(row.words) != std::string::npos);
    CHECK(response.error().message().find("s3cret") == std::string::npos);
  }
  CHECK(server.connections() == 0);
}

TEST_CASE("curl: the caller's deadline and the request's timeout are different errors") {
  HttpServer server(HangUntilClientLeaves);
  CurlClient client{{}};
  const Context context =
      Context().WithDeadline(std::chrono::steady_clock::now() + std::chrono::milliseconds(500));
  Result<HttpResponse> late = client.Send(context, Get(server.url()));
  REQUIRE(!late.ok());
  CHECK(late.error().code() == ErrorCode::kDeadlineExceeded);

  HttpRequest request = Get(server.url());
  request.timeout = std::chrono::milliseconds(500);
  Result<HttpResponse> timed_out = client.Send({}, std::move(request));
  REQUIRE(!timed_out.ok());
  CHECK(timed_out.error().code() == ErrorCode::kTransient);
  CHECK(timed_out.error().message() ==
        fmt::format("wait for the answer of {}: no answer within 500ms", server.url()));
}

TEST_CASE("curl: a cancelled caller returns at once and the connection is closed") {
  HttpServer server(HangUntilClientLeaves);
  CurlClient client{{}};
  std::stop_source stop;
  const Context context = Context().WithStop(stop.get_token());
  std::vector<Result<HttpResponse>> results;
  std::jthread caller([&] { results = client.SendAll(context, GetMany(server.url(), 3)); });
  server.AwaitRequests(3);
  stop.request_stop();
  // Neither the server nor a timeout ends these requests: only the stop can.
  caller.join();
  server.AwaitAllClosed();
  REQUIRE(results.size() == 3);
  for (const auto& result : results) {
    REQUIRE(!result.ok());
    CHECK(result.error().code() == ErrorCode::kCancelled);
  }

  Result<HttpResponse> after = client.Send(context, Get(server.url()));
  REQUIRE(!after.ok());
  CHECK(after.error().code() == ErrorCode::kCancelled);
}

TEST_CASE("curl: a cancelled caller does not affect the others") {
  HttpServer hanging(HangUntilClientLeaves);
  HttpServer server(Echo);
  CurlClient client{{}};
  std::stop_source stop;
  std::jthread leaver(
      [&] { (void)client.Send(Context().WithStop(stop.get_token()), Get(hanging.url())); });
  hanging.AwaitRequests(1);
  CHECK(client.Send({}, Get(server.url() + "/before")).ok());
  stop.request_stop();
  leaver.join();
  CHECK(client.Send({}, Get(server.url() + "/after")).ok());
  CHECK(server.connections() == 1);
}

TEST_CASE("curl: a name server that does not respond does not delay other requests") {
  HttpServer server(Echo);
  {
    CurlClient client(Quick());
    std::stop_source stop;
    Result<HttpResponse> cancelled = HttpResponse();
    Result<HttpResponse> timed_out = HttpResponse();
    std::jthread first([&] {
      cancelled = client.Send(Context().WithStop(stop.get_token()), Get("http://a.hanging.test/"));
    });
    {
      MutexLock lock(resolver_mutex);
      resolver_changed.wait(lock, [] { return resolving == 1; });
    }
    stop.request_stop();
    first.join();
    std::jthread second([&] { timed_out = client.Send({}, Get("http://b.hanging.test/")); });
    second.join();
    // The resolver threads still hang, but the loop works.
    CHECK(client.Send({}, Get(server.url())).ok());
    CHECK(cancelled.error().code() == ErrorCode::kCancelled);
    CHECK(timed_out.error().code() == ErrorCode::kTransient);
    CHECK(timed_out.error().message() ==
          "resolve http://b.hanging.test:80: no answer within 900ms");
  }
  MutexLock lock(resolver_mutex);
  CHECK(resolving == 2);
  resolver_released = true;
  resolver_changed.notify_all();
  resolver_changed.wait(lock, [] { return resolving == 0; });
}

TEST_CASE("curl: a connection is reused for the next request") {
  HttpServer server(Echo);
  CurlClient client{{}};
  for (int i = 0; i < 50; ++i) REQUIRE(client.Send({}, Get(server.url())).ok());
  CHECK(server.connections() == 1);
}

TEST_CASE("curl: a kept connection that the server has closed is replaced transparently") {
  HttpServer server([](const HttpServer::Request& request, HttpServer::Connection& connection) {
    connection.Write(HttpServer::Reply(200, request.target));
    connection.Close();  // without "Connection: close"
  });
  CurlClient client{{}};
  for (int i = 0; i < 10; ++i) REQUIRE(client.Send({}, Get(server.url())).ok());
  CHECK(server.connections() == 10);
}

TEST_CASE(
    "curl: an at_most_once request is not sent again when a connection ends without a response") {
  HttpServer server([](const HttpServer::Request& request, HttpServer::Connection& connection) {
    if (request.target == "/mint") return connection.Close();
    connection.Write(HttpServer::Reply(200, request.target));
  });
  CurlClient client{{}};
  REQUIRE(client.Send({}, Get(server.url())).ok());
  HttpRequest mint = Get(server.url() + "/mint");
  mint.method = "POST";
  mint.at_most_once = true;
  Result<HttpResponse> reply = client.Send({}, std::move(mint));
  REQUIRE(!reply.ok());
  CHECK(reply.error().code() == ErrorCode::kTransient);
  const std::vector<HttpServer::Request> requests = server.requests();
  CHECK(std::ranges::count(requests, "/mint", &HttpServer::Request::target) == 1);
}

TEST_CASE("curl: idle connections are closed even without another request") {
  HttpServer server(Echo);
  CurlClient::Options options;
  options.idle_timeout = std::chrono::milliseconds(50);
  CurlClient client(options);
  REQUIRE(client.Send({}, Get(server.url())).ok());
  server.AwaitAllClosed();
  REQUIRE(client.Send({}, Get(server.url())).ok());
  CHECK(server.connections() == 2);
}

TEST_CASE("curl: many callers share few connections, and each gets its own responses") {
  HttpServer server(Echo);
  CurlClient::Options options;
  options.max_connections_per_host = 16;
  CurlClient client(options);
  std::atomic<int> right = 0;
  std::vector<std::jthread> callers;
  for (int caller = 0; caller < 64; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 5; ++round) {
        const std::string base = fmt::format("/{}/{}", caller, round);
        const auto results = client.SendAll({}, GetMany(server.url() + base, 10));
        for (int i = 0; i < 10; ++i) {
          if (results[i].ok() && results[i]->body.Reveal() == fmt::format("{}/{}", base, i)) {
            ++right;
          }
        }
      }
    });
  }
  callers.clear();
  CHECK(right == 64 * 5 * 10);
  CHECK(server.connections() <= 16);
}

TEST_CASE("curl: results of a mixed batch are in the order of the requests") {
  HttpServer server(Echo);
  CurlClient client{{}};
  std::vector<HttpRequest> requests;
  requests.push_back(Get(server.url() + "/first"));
  requests.push_back(Get("ftp://127.0.0.1/"));
  requests.push_back(Get(server.url() + "/third"));
  const auto results = client.SendAll({}, std::move(requests));
  REQUIRE(results.size() == 3);
  REQUIRE(results[0].ok());
  CHECK(results[0]->body.Reveal() == "/first");
  CHECK(results[1].error().code() == ErrorCode::kInvalid);
  REQUIRE(results[2].ok());
  CHECK(results[2]->body.Reveal() == "/third");
  CHECK(client.SendAll({}, {}).empty());
}

TEST_CASE("curl: a unix socket is used instead of the URL's host") {
  HttpServer::Options options;
  options.unix_path = fmt::format("/tmp/nodekeep-http-test-{}.sock", getpid());
  HttpServer server(Echo, options);
  CurlClient client{{}};
  HttpRequest request = Get("http://vault.example/v1/x");
  request.unix_socket = options.unix_path;
  Result<HttpResponse> response = client.Send({}, std::move(request));
  REQUIRE(response.ok());
  CHECK(response->body.Reveal() == "/v1/x");
  CHECK(server.requests().back().headers.at("host") == "vault.example");
}

TEST_CASE("curl: a unix socket in a pod's volume is refused, also behind a link") {
  TempDir files;
  files.Write("pods/u1/volumes/kubernetes.io~empty-dir/v/keep", "");
  HttpServer::Options options;
  options.unix_path = files / "pods/u1/volumes/kubernetes.io~empty-dir/v/s";
  HttpServer server(Echo, options);
  std::filesystem::create_symlink(options.unix_path, files / "link");
  CurlClient client{{}};
  for (const std::string& path : {options.unix_path, files / "link"}) {
    INFO(path);
    HttpRequest request = Get("http://localhost/v1/x");
    request.unix_socket = path;
    const Result<HttpResponse> response = client.Send({}, std::move(request));
    REQUIRE_FALSE(response.ok());
    CHECK(response.error().code() == ErrorCode::kInvalid);
    CHECK(response.error().message().find("it is in a volume of a pod") != std::string::npos);
  }
  CHECK(server.connections() == 0);
}

TEST_CASE("curl: a connection to a unix socket is not used for another socket") {
  TempDir files;
  CurlClient client{{}};
  for (const std::string name : {"one", "two"}) {
    HttpServer::Options options;
    options.unix_path = files / name;
    HttpServer server(
        [&](const HttpServer::Request&, HttpServer::Connection& connection) {
          connection.Write(HttpServer::Reply(200, name));
        },
        options);
    for (int i = 0; i < 3; ++i) {
      HttpRequest request = Get("http://localhost/");
      request.unix_socket = options.unix_path;
      const Result<HttpResponse> response = client.Send({}, std::move(request));
      REQUIRE(response.ok());
      CHECK(response->body.Reveal() == name);
    }
  }
}

TEST_CASE("curl: destroying the client ends requests in flight") {
  HttpServer server(HangUntilClientLeaves);
  std::vector<Result<HttpResponse>> results;
  auto client = std::make_unique<CurlClient>(CurlClient::Options());
  std::jthread caller(
      [&, raw = client.get()] { results = raw->SendAll({}, GetMany(server.url(), 4)); });
  server.AwaitRequests(4);
  client.reset();
  caller.join();
  REQUIRE(results.size() == 4);
  for (const auto& result : results) CHECK(result.error().code() == ErrorCode::kShuttingDown);
}

}  // namespace nodekeep
