#include "csi/provider_door.h"

#include <fcntl.h>
#include <grpc/grpc.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

namespace nodekeep {
namespace {

// After Drain everything has been answered; this only bounds how long connections may linger.
constexpr std::chrono::milliseconds kCloseConnections{500};

// A connection keeps the last bytes it received, tokens among them, until it receives others. An
// idle one is closed for that reason; clients connect again by themselves.
constexpr std::chrono::milliseconds kIdle{10'000};

}  // namespace

std::unique_ptr<grpc::Server> StartLocalServer(grpc::Service& service) {
  // Held until the process ends: when the last server goes, the library shuts down, and that waits
  // for a poller of its own for up to ten seconds.
  [[maybe_unused]] static const bool held = (grpc_init(), true);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  // A class with ten thousand objects is a request of about a megabyte.
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxReplyBytes));
  builder.SetMaxSendMessageSize(static_cast<int>(2 * kMaxReplyBytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, static_cast<int>(kIdle.count()));
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server && server->GetHealthCheckService() != nullptr) {
    server->GetHealthCheckService()->SetServingStatus(true);
  }
  return server;
}

UnixListener::OnConnection FeedTo(grpc::Server& server) {
  return [&server](int fd) { grpc::AddInsecureChannelFromFd(&server, fd); };
}

// The connections of one server, so that they can be cut.
//
// A gRPC server that shuts down lets requests that arrive meanwhile end as CANCELLED, which the
// driver takes for an answer. When the connection is gone they end as UNAVAILABLE, and the driver
// asks again.
//
// Holds a copy of each descriptor until the connection has ended. Thread-safe.
class ProviderDoor::Connections {
 public:
  ~Connections() {
    for (int fd : copies_) close(fd);
  }

  void Add(int fd) {
    std::lock_guard lock(mutex_);
    std::erase_if(copies_, [](int copy) {
      pollfd state{copy, 0, 0};
      if (poll(&state, 1, 0) != 1) return false;
      close(copy);
      return true;
    });
    if (const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0); copy >= 0) copies_.push_back(copy);
  }

  // What has been sent can still be read by the peer.
  void Cut() {
    std::lock_guard lock(mutex_);
    for (int fd : copies_) shutdown(fd, SHUT_RDWR);
  }

 private:
  std::mutex mutex_;
  std::vector<int> copies_;
};

ProviderDoor::ProviderDoor(Options options, MountRoad& road, WorkerPool& pool, const Clock& clock,
                           Logger& log)
    : options_(std::move(options)), road_(road), pool_(pool), clock_(clock), log_(log) {}

ProviderDoor::~ProviderDoor() { Stop(clock_.Now()); }

Status ProviderDoor::Open() {
  for (const std::string& name : options_.providers) {
    Served served;
    served.service = std::make_unique<ProviderService>(name, options_.version, road_, pool_, clock_,
                                                       options_.mount_budget);
    served.server = StartLocalServer(*served.service);
    if (served.server == nullptr) {
      Stop(clock_.Now());
      return Error::Format(ErrorCode::kInternal, "provider {}: cannot start a gRPC server", name);
    }
    served.connections = std::make_unique<Connections>();
    served_.push_back(std::move(served));
    const auto feed = [connections = served_.back().connections.get(),
                       to_server = FeedTo(*served_.back().server)](int fd) {
      connections->Add(fd);
      to_server(fd);
    };
    for (const std::string& directory : options_.directories) {
      auto listener = UnixListener::Bind(directory + "/" + name + ".sock", feed, log_);
      if (!listener.ok()) {
        const Error error = listener.error();
        Stop(clock_.Now());
        return error;
      }
      log_.Info("serving", {{"provider", name}, {"socket", (*listener)->path()}});
      served_.back().listeners.push_back(*std::move(listener));
    }
  }
  return {};
}

void ProviderDoor::Stop(SteadyTime deadline) {
  for (Served& served : served_) {
    served.service->StopAccepting();
    served.listeners.clear();
    if (served.server && served.server->GetHealthCheckService() != nullptr) {
      served.server->GetHealthCheckService()->SetServingStatus(false);
    }
  }
  for (Served& served : served_) {
    served.service->Drain(deadline);
    if (served.connections) served.connections->Cut();
    if (served.server) served.server->Shutdown(std::chrono::system_clock::now() + kCloseConnections);
  }
  served_.clear();
}

std::vector<std::string> ProviderDoor::SocketPaths() const {
  std::vector<std::string> paths;
  for (const Served& served : served_) {
    for (const auto& listener : served.listeners) paths.push_back(listener->path());
  }
  return paths;
}

}  // namespace nodekeep
