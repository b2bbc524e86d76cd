#include "csi/driver_server.h"

#include "agent/base/mutex.h"

namespace nodekeep {

DriverServer::DriverServer(Options options, VolumeService& volumes, VolumeRegistry& registry,
                           WorkerPool& pool, const Clock& clock, Logger& log)
    : options_(std::move(options)),
      clock_(clock),
      log_(log),
      identity_(options_.driver_name, options_.version, options_.ready),
      node_({.node_name = options_.node_name,
             .budget = options_.budget,
             .on_exception = options_.on_exception},
            volumes, registry, pool, clock) {}

DriverServer::~DriverServer() { Stop(clock_.Now()); }

std::string DriverServer::socket_path() const {
  return options_.kubelet_root + "/plugins/csi-secrets-store/csi.sock";
}

Status DriverServer::Open() {
  auto server = LocalServer::Start({&identity_, &controller_, &node_},
                                   {.on_exception = options_.on_exception}, log_);
  if (!server.ok()) return server.error().Prepend("driver server");
  server_ = *std::move(server);
  if (Status listening = server_->Listen(socket_path()); !listening.ok()) {
    server_.reset();
    return listening.error().Prepend("driver server");
  }
  log_.Info("serving", {{"driver", options_.driver_name}, {"socket", socket_path()}});
  auto registration = std::make_unique<Registration>(
      Registration::Options{.driver_name = options_.driver_name,
                            .endpoint = socket_path(),
                            .socket_path = options_.kubelet_root + "/plugins_registry/" +
                                           options_.driver_name + "-reg.sock",
                            .on_registered = options_.on_registered,
                            .on_exception = options_.on_exception},
      clock_, log_);
  MutexLock lock(mutex_);
  registration_ = std::move(registration);
  return {};
}

Status DriverServer::Ready() const {
  {
    // Under the lock, so that Stop does not destroy the registration meanwhile; state() is a copy.
    MutexLock lock(mutex_);
    if (registration_ == nullptr) return Error(ErrorCode::kPrecondition, "driver server: stopped");
    if (Status registered = registration_->state(); !registered.ok()) return registered;
  }
  return options_.ready();
}

void DriverServer::Stop(SteadyTime deadline) {
  std::unique_ptr<Registration> registration;
  {
    MutexLock lock(mutex_);
    registration = std::move(registration_);
  }
  registration.reset();  // waits for its thread, so without the lock
  if (server_ == nullptr) return;
  server_->StopListening();
  node_.Stop(deadline);
  server_.reset();
}

}  // namespace nodekeep
