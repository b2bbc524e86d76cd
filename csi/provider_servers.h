#pragma once

// The servers of the providers: one gRPC server per provider name, on `<dir>/<name>.sock` in every
// directory.
//
// Not thread-safe: one owner calls Open and Stop, once each. All references must outlive it.

#include <memory>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "agent/mount/mount_service.h"
#include "agent/rpc/local_server.h"
#include "csi/provider_service.h"

namespace nodekeep {

class ProviderServers {
 public:
  struct NamedProvider {
    std::string name;
    std::string runtime_name;  // ProviderEntry::runtime_name
  };
  struct Options {
    std::vector<std::string> directories;
    std::vector<NamedProvider> providers;
    std::string version;
    Duration mount_budget = std::chrono::seconds(90);
    std::size_t max_reply_bytes = kMaxReplyBytes;  // ProviderService::Options
    ExceptionReporter on_exception{};
  };

  ProviderServers(Options options, MountService& mounts, WorkerPool& pool, const Clock& clock,
                  Logger& log);
  ~ProviderServers();

  // Binds every socket. After an error none is left behind. Errors: those of UnixListener::Bind.
  Status Open();
  // Removes the sockets, refuses new mounts, and waits for those in flight until `deadline`; the
  // remaining ones return UNAVAILABLE.
  void Stop(SteadyTime deadline);

  std::vector<std::string> SocketPaths() const;

 private:
  // One provider name. The server is declared last: it is destroyed before the service it calls.
  struct Served {
    std::unique_ptr<ProviderService> service;
    std::unique_ptr<LocalServer> server;
  };

  const Options options_;
  MountService& mounts_;
  WorkerPool& pool_;
  const Clock& clock_;
  Logger& log_;
  std::vector<Served> served_;
};

}  // namespace nodekeep
