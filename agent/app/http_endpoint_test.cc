#include "agent/app/http_endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "agent/base/file_descriptor.h"
#include "agent/http/curl_client.h"

namespace nodekeep {
namespace {

const HttpEndpoint::Handlers kHandlers{.metrics = [] { return std::string("nodekeep_up 1\n"); },
                                       .ready = [] { return Status(); }};

// A client that always takes a new connection, because the endpoint closes each one.
struct Client {
  explicit Client(const HttpEndpoint& endpoint, std::string host = "127.0.0.1")
      : url(fmt::format("http://{}:{}", host, endpoint.port())) {}

  Result<HttpResponse> Send(const std::string& path, const std::string& method = "GET") {
    HttpRequest request;
    request.url = url + path;
    request.method = method;
    if (method == "POST") request.body = SecretBytes("x");
    request.bypass_proxy = true;
    request.timeout = std::chrono::seconds(5);
    return http.Send(Context(), std::move(request));
  }
  int StatusOf(const std::string& path, const std::string& method = "GET") {
    const Result<HttpResponse> response = Send(path, method);
    return response.ok() ? response->status : 0;
  }
  std::string BodyOf(const std::string& path) {
    const Result<HttpResponse> response = Send(path);
    return response.ok() ? std::string(response->body.Reveal()) : response.error().message();
  }

  const std::string url;
  CurlClient http{{}};
};

// A connection that speaks raw bytes.
class RawConnection {
 public:
  explicit RawConnection(int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
  }
  bool Write(std::string_view bytes) {
    return send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  // Everything that comes until the server closes the connection.
  std::string ReadAll() {
    std::string all;
    char chunk[4096];
    while (true) {
      const ssize_t got = recv(socket_.get(), chunk, sizeof chunk, 0);
      if (got <= 0) return all;
      all.append(chunk, static_cast<std::size_t>(got));
    }
  }

 private:
  FileDescriptor socket_;
};

}  // namespace

TEST_CASE("http: health, readiness and metrics are served at their own and upstream's paths") {
  std::atomic<bool> ready = true;
  HttpEndpoint::Handlers handlers = kHandlers;
  handlers.ready = [&]() -> Status {
    if (ready) return {};
    return Error(ErrorCode::kPrecondition, "the sockets are not open yet");
  };
  auto endpoint = HttpEndpoint::Start("127.0.0.1:0", handlers);
  REQUIRE(endpoint.ok());
  Client client(**endpoint);
  struct Row {
    std::string path;
    int when_ready, when_not;
    std::string body_when_not;
  };
  const Row rows[] = {
      {"/healthz", 200, 200, "ok\n"},
      {"/healthz?verbose", 200, 200, "ok\n"},
      {"/live", 200, 200, "ok\n"},
      {"/readyz", 200, 503, "the sockets are not open yet\n"},
      {"/health/ready", 200, 503, "the sockets are not open yet\n"},
      {"/metrics", 200, 200, "nodekeep_up 1\n"},
      {"/", 404, 404, "no such page\n"},
      {"/debug", 404, 404, "no such page\n"},
  };
  for (const Row& row : rows) {
    INFO(row.path);
    ready = true;
    CHECK(client.StatusOf(row.path) == row.when_ready);
    ready = false;
    CHECK(client.StatusOf(row.path) == row.when_not);
    CHECK(client.BodyOf(row.path) == row.body_when_not);
  }
  CHECK(client.Send("/metrics")->Header("content-type") ==
        "text/plain; version=0.0.4; charset=utf-8");
  CHECK(client.Send("/metrics", "HEAD")->body.empty());
  CHECK(client.StatusOf("/metrics", "HEAD") == 200);
  CHECK(client.StatusOf("/metrics", "POST") == 405);
}

TEST_CASE("http: a request that is not one is refused, and a long one") {
  auto endpoint = HttpEndpoint::Start("127.0.0.1:0", kHandlers);
  REQUIRE(endpoint.ok());
  struct Row {
    std::string name, sent, begins;
  };
  const Row rows[] = {
      {"no spaces", "hello\r\n\r\n", "HTTP/1.1 400 "},
      {"another protocol", "GET /healthz SSH/2.0\r\n\r\n", "HTTP/1.1 400 "},
      {"TLS", std::string("\x16\x03\x01\x00\xa5\r\n\r\n", 9), "HTTP/1.1 400 "},
      {"empty", "\r\n\r\n", "HTTP/1.1 400 "},
      {"long", "GET /healthz HTTP/1.1\r\nX: " + std::string(100'000, 'x'), "HTTP/1.1 431 "},
      {"HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.1 200 "},
      {"two in one packet", "GET /healthz HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
       "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n"
       "Connection: close\r\n\r\nok\n"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    RawConnection connection((*endpoint)->port());
    connection.Write(row.sent);
    const std::string got = connection.ReadAll();
    CHECK(got.starts_with(row.begins));
    CHECK(got.find("nodekeep_up") == std::string::npos);
  }
}

TEST_CASE("http: slow clients do not delay health") {
  auto endpoint = HttpEndpoint::Start("127.0.0.1:0", kHandlers);
  REQUIRE(endpoint.ok());
  Client client(**endpoint);
  std::vector<std::unique_ptr<RawConnection>> slow;
  for (int i = 0; i < 64; ++i) slow.push_back(std::make_unique<RawConnection>((*endpoint)->port()));
  for (const char byte : std::string_view("GET /")) {
    for (const auto& connection : slow) CHECK(connection->Write({&byte, 1}));
    CHECK(client.StatusOf("/healthz") == 200);
    CHECK(client.StatusOf("/readyz") == 200);
    CHECK(client.StatusOf("/metrics") == 200);
  }
  // They are not cut off either.
  CHECK(slow.front()->Write("healthz HTTP/1.1\r\n\r\n"));
  CHECK(slow.front()->ReadAll().starts_with("HTTP/1.1 200 "));
}

TEST_CASE("http: clients that read no response delay neither health nor the stop") {
  HttpEndpoint::Handlers handlers = kHandlers;
  std::atomic<int> rendered = 0;
  handlers.metrics = [&] {
    ++rendered;
    return std::string(16u << 20, 'x');  // more than the socket buffers take
  };
  auto endpoint = HttpEndpoint::Start("127.0.0.1:0", handlers);
  REQUIRE(endpoint.ok());
  Client client(**endpoint);
  std::vector<std::unique_ptr<RawConnection>> slow;
  for (int i = 0; i < 64; ++i) {
    slow.push_back(std::make_unique<RawConnection>((*endpoint)->port()));
    CHECK(slow.back()->Write("GET /metrics HTTP/1.1\r\n\r\n"));
  }
  while (rendered < 4) CHECK(client.StatusOf("/healthz") == 200);
  CHECK(client.StatusOf("/healthz") == 200);
  CHECK(rendered == 4);  // the others are not in memory
  slow.front() = nullptr;
  while (rendered < 5) CHECK(client.StatusOf("/healthz") == 200);
}

TEST_CASE("http: a connection is closed at its deadline, however active it is") {
  auto endpoint =
      HttpEndpoint::Start("127.0.0.1:0", kHandlers, {.deadline = std::chrono::milliseconds(100)});
  REQUIRE(endpoint.ok());
  RawConnection silent((*endpoint)->port());
  RawConnection active((*endpoint)->port());
  CHECK(silent.ReadAll().empty());
  while (active.Write("x")) std::this_thread::yield();
}

TEST_CASE("http: above the maximum of connections, a new one closes the oldest") {
  auto endpoint = HttpEndpoint::Start("127.0.0.1:0", kHandlers,
                                      {.deadline = std::chrono::hours(1), .max_connections = 8});
  REQUIRE(endpoint.ok());
  std::vector<std::unique_ptr<RawConnection>> open;
  for (int i = 0; i < 9; ++i) open.push_back(std::make_unique<RawConnection>((*endpoint)->port()));
  CHECK(open[0]->ReadAll().empty());
  CHECK(open[1]->Write("GET /healthz HTTP/1.1\r\n\r\n"));
  CHECK(open[1]->ReadAll().starts_with("HTTP/1.1 200 "));
}

TEST_CASE("http: an address that cannot be bound is an error that names it") {
  auto first = HttpEndpoint::Start("127.0.0.1:0", kHandlers);
  REQUIRE(first.ok());
  for (const std::string& address : {"127.0.0.1:" + std::to_string((*first)->port()),
                                     std::string("192.0.2.1:9466"), std::string("nowhere")}) {
    INFO(address);
    auto second = HttpEndpoint::Start(address, kHandlers);
    REQUIRE_FALSE(second.ok());
    CHECK(second.error().message().find(address) != std::string::npos);
  }
}

TEST_CASE("http: silent clients do not prevent the endpoint from stopping") {
  auto endpoint = HttpEndpoint::Start("127.0.0.1:0", kHandlers);
  REQUIRE(endpoint.ok());
  Client client(**endpoint);
  RawConnection silent((*endpoint)->port());
  CHECK(client.StatusOf("/healthz") == 200);
  endpoint->reset();
  CHECK(silent.ReadAll().empty());
  CHECK(client.StatusOf("/healthz") == 0);
}

bool HasIpv6() {
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in6 loopback{};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_addr = in6addr_loopback;
  const bool bound = bind(fd, reinterpret_cast<const sockaddr*>(&loopback), sizeof loopback) == 0;
  close(fd);
  return bound;
}

TEST_CASE("http: an IPv6 address is served") {
  auto endpoint = HttpEndpoint::Start("[::1]:0", kHandlers);
  if (!HasIpv6()) {
    CHECK_FALSE(endpoint.ok());
    return;
  }
  REQUIRE(endpoint.ok());
  Client client(**endpoint, "[::1]");
  CHECK(client.StatusOf("/healthz") == 200);
}

TEST_CASE("http: an exception returns 500 without its text, and is reported") {
  std::atomic<bool> throws = true;
  std::vector<std::string> reports;
  {
    HttpEndpoint::Handlers handlers = kHandlers;
    handlers.metrics = [&] {
      if (throws) throw std::runtime_error("canary");
      return std::string("up 1\n");
    };
    handlers.on_exception = [&](std::string_view thread, std::string_view error) {
      reports.push_back(std::string(thread) + ": " + std::string(error));
    };
    auto endpoint = HttpEndpoint::Start("127.0.0.1:0", handlers);
    REQUIRE(endpoint.ok());
    Client client(**endpoint);
    const Result<HttpResponse> response = client.Send("/metrics");
    REQUIRE(response.ok());
    CHECK(response->status == 500);
    CHECK(response->body.Reveal() == "unexpected exception; see the agent's log\n");
    for (const auto& [name, value] : response->headers) {
      CHECK(value.find("canary") == std::string::npos);
    }
    throws = false;
    CHECK(client.BodyOf("/metrics") == "up 1\n");
  }
  CHECK(reports == std::vector<std::string>{"http-endpoint: canary"});
}

}  // namespace nodekeep
