#pragma once

// The driver door: the CSI socket, and kubelet's acquaintance once everything behind it is ready.
//
// Not thread-safe; what it serves is. Open and Stop are called once, by the owner.

#include <memory>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "agent/rpc/local_server.h"
#include "csi/identity_service.h"
#include "csi/node_service.h"
#include "csi/registration.h"

namespace nodekeep {

class DriverDoor {
 public:
  struct Options {
    std::string driver_name;
    std::string node_name;
    std::string kubelet_root;
    std::string version;
    Duration budget = std::chrono::seconds(90);
    std::function<Status()> ready;        // what else a publish needs; thread-safe
    std::function<void()> on_registered;  // from a thread of the door
    ExceptionReporter on_exception{};
  };

  DriverDoor(Options options, VolumeRoad& road, VolumeRegistry& registry, WorkerPool& pool,
             const Clock& clock, Logger& log);
  ~DriverDoor();

  // Binds the CSI socket, then offers the driver to kubelet. On an error nothing is left behind.
  Status Open();
  // Ok while kubelet knows the driver and a publish can be expected to succeed.
  Status Ready() const;
  // Takes the driver back from kubelet first, so that no new publish arrives; answers those in
  // flight until `deadline`, the rest with UNAVAILABLE, which kubelet repeats to our successor.
  void Stop(SteadyTime deadline);

  // <kubelet root>/plugins/csi-secrets-store/csi.sock, where upstream has it.
  std::string socket_path() const;

 private:
  const Options options_;
  const Clock& clock_;
  Logger& log_;
  IdentityService identity_;
  ControllerService controller_;
  NodeService node_;
  // After the services they call; the registration goes first.
  std::unique_ptr<LocalServer> server_;
  std::unique_ptr<Registration> registration_;
};

}  // namespace nodekeep
