#include "agent/rpc/local_server.h"

#include <fcntl.h>
#include <grpc/grpc.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

// All calls have ended before; this only bounds how long connections may linger.
constexpr std::chrono::milliseconds kCloseConnections{500};

constexpr std::chrono::milliseconds kIdle{10'000};

}  // namespace

// The connections of one server, so that Shutdown can close them.
//
// A gRPC server that shuts down ends newly arriving requests as CANCELLED, which clients treat as
// final. With a closed connection they end as UNAVAILABLE, and clients retry.
//
// Holds a duplicate of each descriptor until the connection has ended. Thread-safe.
class LocalServer::Connections {
 public:
  ~Connections() {
    for (int fd : copies_) close(fd);
  }

  void Add(int fd) {
    MutexLock lock(mutex_);
    std::erase_if(copies_, [](int copy) {
      pollfd state{copy, 0, 0};
      if (poll(&state, 1, 0) != 1) return false;
      close(copy);
      return true;
    });
    if (const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0); copy >= 0) copies_.push_back(copy);
  }

  // The peer can still read the data that was already sent.
  void Cut() {
    MutexLock lock(mutex_);
    for (int fd : copies_) shutdown(fd, SHUT_RDWR);
  }

 private:
  Mutex mutex_;
  std::vector<int> copies_ NODEKEEP_GUARDED_BY(mutex_);
};

LocalServer::LocalServer(Options options, Logger& log)
    : options_(std::move(options)), log_(log), connections_(std::make_unique<Connections>()) {}

Result<std::unique_ptr<LocalServer>> LocalServer::Start(const std::vector<grpc::Service*>& services,
                                                        Options options, Logger& log) {
  // Never released: otherwise gRPC shuts down with its last server, and waits up to ten seconds for
  // one of its pollers.
  [[maybe_unused]] static const bool held = (grpc_init(), true);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  for (grpc::Service* service : services) builder.RegisterService(service);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_request_bytes));
  builder.SetMaxSendMessageSize(static_cast<int>(options.max_reply_bytes));
  if (options.close_idle) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, static_cast<int>(kIdle.count()));
  }
  std::unique_ptr<LocalServer> server(new LocalServer(std::move(options), log));
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    return Error(ErrorCode::kInternal, "cannot start a gRPC server");
  }
  if (auto* health = server->server_->GetHealthCheckService()) health->SetServingStatus(true);
  return server;
}

LocalServer::~LocalServer() { Shutdown(); }

Status LocalServer::Listen(const std::string& path) {
  auto listener = UnixListener::Bind(
      path,
      [connections = connections_.get(), server = server_.get()](int fd) {
        connections->Add(fd);
        grpc::AddInsecureChannelFromFd(server, fd);
      },
      log_, options_.on_exception);
  if (!listener.ok()) return listener.error();
  listeners_.push_back(*std::move(listener));
  return {};
}

void LocalServer::StopListening() {
  listeners_.clear();
  if (server_ == nullptr) return;
  if (auto* health = server_->GetHealthCheckService()) health->SetServingStatus(false);
}

void LocalServer::Shutdown() {
  StopListening();
  if (server_ == nullptr) return;
  connections_->Cut();
  server_->Shutdown(std::chrono::system_clock::now() + kCloseConnections);
  server_.reset();
}

std::vector<std::string> LocalServer::paths() const {
  std::vector<std::string> all;
  for (const auto& listener : listeners_) all.push_back(listener->path());
  return all;
}

}  // namespace nodekeep
