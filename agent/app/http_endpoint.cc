#include "agent/app/http_endpoint.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <list>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/file_descriptor.h"

namespace nodekeep {
namespace {

constexpr std::string_view kThread = "http-endpoint";
// New connections per round. Less than the maximum, so that one gets its turn before others can
// close it.
constexpr std::size_t kAcceptsPerRound = 64;
// After the response, for the client to close the connection.
constexpr std::chrono::seconds kLinger{1};
constexpr std::size_t kMaxHead = 8192;
// A response of /metrics has up to some hundred KiB.
constexpr std::size_t kMaxScrapes = 4;
// After a temporary failure to accept, such as ENOMEM.
constexpr std::chrono::milliseconds kAcceptPause{100};

constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kPrometheusText = "text/plain; version=0.0.4; charset=utf-8";

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

// Empty when the address cannot be listened on.
FileDescriptor ListenAt(const HostAndPort& parts) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(parts.host.c_str(), std::to_string(parts.port).c_str(), &wanted, &found) != 0) {
    return FileDescriptor();
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(found, &freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    FileDescriptor listener(
        socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, one->ai_protocol));
    const int on = 1;
    const int off = 0;
    setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (one->ai_family == AF_INET6) {
      setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(listener.get(), one->ai_addr, one->ai_addrlen) == 0 &&
        listen(listener.get(), SOMAXCONN) == 0) {
      return listener;
    }
  }
  return FileDescriptor();
}

int PortOf(int listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

struct Response {
  int status = 200;
  std::string_view reason = "OK";
  std::string_view type = kText;
  std::string body;
  std::string_view headers{};  // further ones, each with its line end
};

std::string Serialize(const Response& response, bool with_body) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n{}",
      response.status, response.reason, response.type, response.body.size(), response.headers,
      with_body ? response.body : "");
}

struct RequestLine {
  std::string_view method;
  std::string_view path;  // without the query
};

// Empty when the text does not begin with a request line of HTTP/1.
RequestLine ReadRequestLine(std::string_view text) {
  const std::string_view line = text.substr(0, text.find("\r\n"));
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last ||
      !line.substr(last + 1).starts_with("HTTP/1.")) {
    return {};
  }
  const std::string_view target = line.substr(first + 1, last - first - 1);
  return {line.substr(0, first), target.substr(0, target.find('?'))};
}

struct Connection {
  enum class State { kReading, kWaitsForMetrics, kWriting, kClosing };

  FileDescriptor socket;
  SteadyTime deadline;
  State state = State::kReading;
  std::string head;  // of the request, as far as it was received
  bool with_body = true;
  bool is_scrape = false;
  std::string response;
  std::size_t sent = 0;
};

class PollingEndpoint final : public HttpEndpoint {
 public:
  PollingEndpoint(FileDescriptor listener, Handlers handlers, Options options)
      : handlers_(std::move(handlers)),
        options_(options),
        listener_(std::move(listener)),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        port_(PortOf(listener_.get())),
        thread_([this](std::stop_token stop) {
          RunGuarded(kThread, stop, SystemClock(), handlers_.on_exception, [&] { Run(stop); });
        }) {}

  ~PollingEndpoint() override {
    thread_.request_stop();
    const std::uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof one);
    thread_.join();
  }

  int port() const override { return port_; }

 private:
  using State = Connection::State;

  void Run(std::stop_token stop) {
    while (!stop.stop_requested()) {
      Await();
      AcceptAll();
      for (Connection& connection : connections_) Advance(connection);
      RenderMetrics();
      const SteadyTime now = std::chrono::steady_clock::now();
      std::erase_if(connections_, [now](const Connection& connection) {
        return connection.socket.get() < 0 || connection.deadline <= now;
      });
    }
  }

  // Waits until something can be done.
  void Await() {
    SteadyTime until = SteadyTime::max();
    if (accept_after_ > std::chrono::steady_clock::now()) until = accept_after_;
    std::vector<pollfd> waits = {{wake_.get(), POLLIN, 0}};
    if (until == SteadyTime::max()) waits.push_back({listener_.get(), POLLIN, 0});
    for (const Connection& connection : connections_) {
      until = std::min(until, connection.deadline);
      // Not one that waits for its metrics: its end would be reported again and again.
      if (connection.state == State::kWaitsForMetrics) continue;
      const short events = connection.state == State::kWriting ? POLLOUT : POLLIN;
      waits.push_back({connection.socket.get(), events, 0});
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    int timeout = -1;
    if (until != SteadyTime::max()) timeout = static_cast<int>(std::max<long>(left.count(), 0));
    if (CanRender()) timeout = 0;
    poll(waits.data(), waits.size(), timeout);
  }

  void AcceptAll() {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (now < accept_after_) return;
    for (std::size_t i = 0; i < kAcceptsPerRound; ++i) {
      FileDescriptor peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (peer.get() >= 0) {
        if (connections_.size() >= options_.max_connections) connections_.pop_front();
        connections_.push_back({.socket = std::move(peer), .deadline = now + options_.deadline});
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        // The listener stays readable, so without a pause this loop would spin.
        accept_after_ = now + kAcceptPause;
        return;
      } else if (errno != ECONNABORTED && errno != EINTR) {
        return;
      }
    }
  }

  // Does what can be done without waiting. A connection that is over has no socket afterwards.
  void Advance(Connection& connection) {
    if (connection.state == State::kReading) Read(connection);
    if (connection.state == State::kWriting) Write(connection);
    if (connection.state == State::kClosing) Drain(connection);
  }

  void Read(Connection& connection) {
    char chunk[1024];
    while (connection.head.find("\r\n\r\n") == std::string::npos) {
      if (connection.head.size() > kMaxHead) {
        return Respond(connection, {.status = 431,
                                    .reason = "Request Header Fields Too Large",
                                    .body = "the request is too long\n"});
      }
      const ssize_t got = recv(connection.socket.get(), chunk, sizeof chunk, 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (got <= 0) return Close(connection);
      connection.head.append(chunk, static_cast<std::size_t>(got));
    }
    Answer(connection);
  }

  void Answer(Connection& connection) {
    const RequestLine line = ReadRequestLine(connection.head);
    connection.with_body = line.method != "HEAD";
    if (line.method.empty()) {
      return Respond(connection,
                     {.status = 400, .reason = "Bad Request", .body = "not an HTTP request\n"});
    }
    if (line.method != "GET" && line.method != "HEAD") {
      return Respond(connection, {.status = 405,
                                  .reason = "Method Not Allowed",
                                  .body = "only GET and HEAD\n",
                                  .headers = "Allow: GET, HEAD\r\n"});
    }
    if (line.path == "/healthz" || line.path == "/live") {
      return Respond(connection, {.body = "ok\n"});
    }
    if (line.path == "/readyz" || line.path == "/health/ready") {
      return Respond(connection, Handled([this]() -> Response {
                       const Status ready = handlers_.ready();
                       if (ready.ok()) return {.body = "ok\n"};
                       return {.status = 503,
                               .reason = "Service Unavailable",
                               .body = ready.error().message() + "\n"};
                     }));
    }
    if (line.path == "/metrics") {
      connection.state = State::kWaitsForMetrics;
      return;
    }
    Respond(connection, {.status = 404, .reason = "Not Found", .body = "no such page\n"});
  }

  // At most one response per round, after all health paths, because it takes the longest.
  void RenderMetrics() {
    if (!CanRender()) return;
    const auto first = std::find_if(connections_.begin(), connections_.end(), [](const auto& one) {
      return one.state == State::kWaitsForMetrics;
    });
    first->is_scrape = true;
    Respond(*first, Handled([this]() -> Response {
      return {.type = kPrometheusText, .body = handlers_.metrics()};
    }));
    Advance(*first);
  }

  bool CanRender() const {
    std::size_t waiting = 0;
    std::size_t in_memory = 0;
    for (const Connection& connection : connections_) {
      waiting += connection.state == State::kWaitsForMetrics ? 1 : 0;
      in_memory += connection.is_scrape && connection.state == State::kWriting ? 1 : 0;
    }
    return waiting > 0 && in_memory < kMaxScrapes;
  }

  // The response of `handler`; the text of an exception is not disclosed to the client.
  Response Handled(const std::function<Response()>& handler) {
    Response response = {.status = 500,
                         .reason = "Internal Server Error",
                         .body = "unexpected exception; see the agent's log\n"};
    RunReported(kThread, handlers_.on_exception, [&] { response = handler(); });
    return response;
  }

  void Respond(Connection& connection, const Response& response) {
    connection.response = Serialize(response, connection.with_body);
    connection.state = State::kWriting;
  }

  void Write(Connection& connection) {
    while (connection.sent < connection.response.size()) {
      const ssize_t sent =
          send(connection.socket.get(), connection.response.data() + connection.sent,
               connection.response.size() - connection.sent, MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (sent < 0) return Close(connection);
      connection.sent += static_cast<std::size_t>(sent);
    }
    connection.response = std::string();
    shutdown(connection.socket.get(), SHUT_WR);
    connection.state = State::kClosing;
    connection.deadline =
        std::min<SteadyTime>(connection.deadline, std::chrono::steady_clock::now() + kLinger);
  }

  // Closing with bytes unread, such as a body, would reset the connection, and the client could
  // lose the response.
  void Drain(Connection& connection) {
    char ignored[1024];
    const ssize_t got = recv(connection.socket.get(), ignored, sizeof ignored, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) Close(connection);
  }

  static void Close(Connection& connection) { connection.socket = FileDescriptor(); }

  const Handlers handlers_;
  const Options options_;
  const FileDescriptor listener_;
  const FileDescriptor wake_;
  const int port_;

  // Endpoint's thread only.
  std::list<Connection> connections_;  // oldest first
  SteadyTime accept_after_{};

  std::jthread thread_;  // last: stopped first
};

}  // namespace

Result<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(const std::string& address,
                                                          Handlers handlers, Options options) {
  const Result<HostAndPort> parts = Split(address);
  if (!parts.ok()) return parts.error();
  FileDescriptor listener = ListenAt(*parts);
  if (listener.get() < 0) {
    return Error::Format(ErrorCode::kConflict,
                         "http address {}: cannot listen: is the port in use, or the host not "
                         "an address of this machine? set http.address, or off",
                         address);
  }
  return std::unique_ptr<HttpEndpoint>(
      std::make_unique<PollingEndpoint>(std::move(listener), std::move(handlers), options));
}

}  // namespace nodekeep
