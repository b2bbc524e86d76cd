#pragma once

// The server of the CSI driver: the CSI socket and its registration with kubelet.
//
// One owner calls Open and Stop, once each; Ready may be called on any thread, also meanwhile. All
// references must outlive it.

#include <memory>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "agent/rpc/local_server.h"
#include "csi/identity_service.h"
#include "csi/node_service.h"
#include "csi/registration.h"

namespace nodekeep {

class DriverServer {
 public:
  struct Options {
    std::string driver_name;
    std::string node_name;
    std::string kubelet_root;
    std::string version;
    Duration budget = std::chrono::seconds(90);
    std::function<Status()> ready;        // further preconditions of a publish; thread-safe
    std::function<void()> on_registered;  // called on the registration's thread
    ExceptionReporter on_exception{};
  };

  DriverServer(Options options, VolumeService& volumes, VolumeRegistry& registry, WorkerPool& pool,
               const Clock& clock, Logger& log);
  ~DriverServer();

  // Binds the CSI socket, then starts the registration with kubelet. After an error nothing is left
  // behind. Errors: those of UnixListener::Bind.
  Status Open();
  // Ok while the driver is registered and a publish can be expected to succeed.
  Status Ready() const;
  // Ends the registration first, so that no new publish arrives. Publishes in flight may finish
  // until `deadline`; the rest return UNAVAILABLE, so that kubelet retries with the next agent.
  void Stop(SteadyTime deadline);

  // <kubelet root>/plugins/csi-secrets-store/csi.sock, the same path as upstream.
  std::string socket_path() const;

 private:
  const Options options_;
  const Clock& clock_;
  Logger& log_;
  IdentityService identity_;
  ControllerService controller_;
  NodeService node_;
  // Declared after the services that they call; the registration is destroyed first.
  std::unique_ptr<LocalServer> server_;

  mutable Mutex mutex_;
  std::unique_ptr<Registration> registration_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep
