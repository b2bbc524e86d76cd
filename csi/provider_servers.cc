#include "csi/provider_servers.h"

namespace nodekeep {

ProviderServers::ProviderServers(Options options, MountService& mounts, WorkerPool& pool,
                                 const Clock& clock, Logger& log)
    : options_(std::move(options)), mounts_(mounts), pool_(pool), clock_(clock), log_(log) {}

ProviderServers::~ProviderServers() { Stop(clock_.Now()); }

Status ProviderServers::Open() {
  for (const auto& [name, runtime_name] : options_.providers) {
    Served served;
    served.service = std::make_unique<ProviderService>(
        ProviderService::Options{.provider = name,
                                 .runtime_name = runtime_name,
                                 .version = options_.version,
                                 .budget = options_.mount_budget,
                                 .max_reply_bytes = options_.max_reply_bytes,
                                 .on_exception = options_.on_exception},
        mounts_, pool_, clock_);
    auto server =
        LocalServer::Start({served.service.get()}, {.on_exception = options_.on_exception}, log_);
    if (!server.ok()) {
      Stop(clock_.Now());
      return server.error().Prepend("provider \"{}\"", name);
    }
    served.server = *std::move(server);
    served_.push_back(std::move(served));
    for (const std::string& directory : options_.directories) {
      const std::string path = directory + "/" + name + ".sock";
      if (Status listening = served_.back().server->Listen(path); !listening.ok()) {
        Stop(clock_.Now());
        return listening;
      }
      log_.Info("serving", {{"provider", name}, {"socket", path}});
    }
  }
  return {};
}

void ProviderServers::Stop(SteadyTime deadline) {
  for (Served& served : served_) {
    served.service->StopAccepting();
    served.server->StopListening();
  }
  for (Served& served : served_) {
    served.service->Drain(deadline);
    served.server->Shutdown();
  }
  served_.clear();
}

std::vector<std::string> ProviderServers::SocketPaths() const {
  std::vector<std::string> paths;
  for (const Served& served : served_) {
    for (std::string& path : served.server->paths()) paths.push_back(std::move(path));
  }
  return paths;
}

}  // namespace nodekeep
