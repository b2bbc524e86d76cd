#pragma once

// The provider door: one gRPC server per provider name, on `<dir>/<name>.sock` in every directory.
//
// Not thread-safe; the sockets it serves are. Open and Stop are called once, by the owner.

#include <memory>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "agent/rpc/local_server.h"
#include "csi/mount_road.h"
#include "csi/provider_service.h"

namespace nodekeep {

class ProviderDoor {
 public:
  struct Options {
    std::vector<std::string> directories;
    std::vector<std::string> providers;
    std::string version;
    Duration mount_budget = std::chrono::seconds(90);
    ExceptionReporter on_exception{};
  };

  ProviderDoor(Options options, MountRoad& road, WorkerPool& pool, const Clock& clock,
               Logger& log);
  ~ProviderDoor();

  // Binds every socket. On an error none is left behind.
  Status Open();
  // Removes the sockets, refuses new mounts, and waits for those in flight until `deadline`; what
  // is left then is answered UNAVAILABLE.
  void Stop(SteadyTime deadline);

  std::vector<std::string> SocketPaths() const;

 private:
  // One provider name. Members in build order: the server ends before the service it calls.
  struct Served {
    std::unique_ptr<ProviderService> service;
    std::unique_ptr<LocalServer> server;
  };

  const Options options_;
  MountRoad& road_;
  WorkerPool& pool_;
  const Clock& clock_;
  Logger& log_;
  std::vector<Served> served_;
};

}  // namespace nodekeep
