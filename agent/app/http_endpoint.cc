#include "agent/app/http_endpoint.h"

#include <httplib.h>

#include <atomic>
#include <charconv>
#include <exception>
#include <thread>

namespace nodekeep {
namespace {

constexpr std::string_view kThread = "http-endpoint";
constexpr std::size_t kWorkers = 2;
// A slow client occupies one of the two workers.
constexpr std::chrono::seconds kClientTimeout{2};
constexpr std::size_t kMaxRequestBody = 1024;

constexpr char kText[] = "text/plain; charset=utf-8";
constexpr char kPrometheusText[] = "text/plain; version=0.0.4; charset=utf-8";

struct HostAndPort {
  std::string host;
  int port = 0;
};

Result<HostAndPort> Split(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  HostAndPort parts;
  if (colon != std::string::npos) {
    const char* end = address.data() + address.size();
    const auto read = std::from_chars(address.data() + colon + 1, end, parts.port);
    if (read.ec == std::errc() && read.ptr == end && parts.port >= 0 && parts.port <= 65535) {
      parts.host = address.substr(0, colon);
      if (parts.host.starts_with('[') && parts.host.ends_with(']')) {
        parts.host = parts.host.substr(1, parts.host.size() - 2);
      }
      if (parts.host.empty()) parts.host = "0.0.0.0";
      return parts;
    }
  }
  return Error::Format(ErrorCode::kInvalid, "http address \"{}\": write host:port", address);
}

class HttplibEndpoint final : public HttpEndpoint {
 public:
  explicit HttplibEndpoint(Handlers handlers) : handlers_(std::move(handlers)) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kWorkers); };
    // Not httplib's default, SO_REUSEPORT, with which two agents would silently share a port.
    server_.set_socket_options([](socket_t socket) {
      const int on = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    });
    server_.set_keep_alive_max_count(1);
    server_.set_read_timeout(kClientTimeout);
    server_.set_write_timeout(kClientTimeout);
    server_.set_payload_max_length(kMaxRequestBody);
    // The library's default response would disclose the exception's text to the client.
    server_.set_exception_handler(
        [this](const httplib::Request&, httplib::Response& response, std::exception_ptr thrown) {
          RunReported(kThread, handlers_.on_exception, [&] { std::rethrow_exception(thrown); });
          response.status = 500;
          response.set_content("unexpected exception; see the agent's log\n", kText);
        });
    for (const char* path : {"/healthz", "/live"}) {
      server_.Get(path, [](const httplib::Request&, httplib::Response& response) {
        response.set_content("ok\n", kText);
      });
    }
    for (const char* path : {"/readyz", "/health/ready"}) {
      server_.Get(path, [this](const httplib::Request&, httplib::Response& response) {
        const Status ready = handlers_.ready();
        response.status = ready.ok() ? 200 : 503;
        response.set_content(ready.ok() ? "ok\n" : ready.error().message() + "\n", kText);
      });
    }
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(handlers_.metrics(), kPrometheusText);
    });
  }

  ~HttplibEndpoint() override {
    thread_.request_stop();
    AwaitRunning();
    server_.stop();
  }

  Status Listen(const std::string& address) {
    const Result<HostAndPort> parts = Split(address);
    if (!parts.ok()) return parts.error();
    if (parts->port == 0) {
      port_ = server_.bind_to_any_port(parts->host.c_str());
    } else if (server_.bind_to_port(parts->host.c_str(), parts->port)) {
      port_ = parts->port;
    }
    if (port_ <= 0) {
      return Error::Format(ErrorCode::kConflict,
                           "http address {}: cannot listen: is the port in use, or the host not "
                           "an address of this machine? set http.address, or off",
                           address);
    }
    ended_ = false;
    thread_ = std::jthread([this](std::stop_token stop) {
      RunGuarded(kThread, stop, SystemClock(), handlers_.on_exception,
                 [&] { server_.listen_after_bind(); });
      ended_ = true;
    });
    AwaitRunning();
    return {};
  }

  int port() const override { return port_; }

 private:
  // stop() has no effect before the loop runs, and the destructor would then wait forever.
  void AwaitRunning() {
    while (!server_.is_running() && !ended_) std::this_thread::yield();
  }

  const Handlers handlers_;
  int port_ = -1;
  std::atomic<bool> ended_ = true;
  httplib::Server server_;
  std::jthread thread_;  // last: joined first
};

}  // namespace

Result<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(const std::string& address,
                                                          Handlers handlers) {
  auto endpoint = std::make_unique<HttplibEndpoint>(std::move(handlers));
  if (Status listening = endpoint->Listen(address); !listening.ok()) return listening.error();
  return std::unique_ptr<HttpEndpoint>(std::move(endpoint));
}

}  // namespace nodekeep
