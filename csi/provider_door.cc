#include "csi/provider_door.h"

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_posix.h>

#include <algorithm>

namespace nodekeep {
namespace {

// After Drain everything has been answered; this only bounds how long connections may linger.
constexpr std::chrono::milliseconds kCloseConnections{500};

}  // namespace

std::unique_ptr<grpc::Server> StartLocalServer(grpc::Service& service) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  // A class with ten thousand objects is a request of about a megabyte.
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxReplyBytes));
  builder.SetMaxSendMessageSize(static_cast<int>(2 * kMaxReplyBytes));
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server && server->GetHealthCheckService() != nullptr) {
    server->GetHealthCheckService()->SetServingStatus(true);
  }
  return server;
}

UnixListener::OnConnection FeedTo(grpc::Server& server) {
  return [&server](int fd) { grpc::AddInsecureChannelFromFd(&server, fd); };
}

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
    served_.push_back(std::move(served));
    for (const std::string& directory : options_.directories) {
      auto listener = UnixListener::Bind(directory + "/" + name + ".sock",
                                         FeedTo(*served_.back().server), log_);
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
