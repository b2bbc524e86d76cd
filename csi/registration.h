#pragma once

// Makes the driver known to kubelet: serves pluginregistration.Registration on a socket in the
// directory that kubelet watches (docs/protocol/kubernetes.md, "Plugin registration").
//
// Kubelet connects when the socket appears, and again after each of its restarts, so the socket
// stays. It is recreated after a pause, with exponential back-off, when kubelet refuses the driver
// (another driver of the name is still registered) or the socket has been removed or replaced.
//
// Thread-safe.

#include <condition_variable>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/base/thread_guard.h"

namespace nodekeep {

class Registration {
 public:
  struct Options {
    std::string driver_name;
    std::string endpoint;     // the CSI socket as kubelet sees it
    std::string socket_path;  // <kubelet root>/plugins_registry/<driver>-reg.sock
    Duration first_pause = std::chrono::seconds(1);
    Duration longest_pause = std::chrono::seconds(60);
    Duration check_every = std::chrono::seconds(10);  // whether the socket is still there
    std::function<void()> on_registered;              // called on the registration's own thread
    ExceptionReporter on_exception{};                 // for that thread, as "registration"
  };

  Registration(Options options, const Clock& clock, Logger& log);
  // Removes the socket, on which kubelet unregisters the driver.
  ~Registration();

  // Ok once kubelet has registered the driver; else the reason why it has not.
  Status state() const;

 private:
  class Service;

  void Run(std::stop_token stop);
  // Serves until kubelet refuses the driver, the socket is lost or `stop` is requested. Returns
  // whether the driver was registered meanwhile.
  bool ServeOnce(std::stop_token stop);
  void SetState(Status state);

  const Options options_;
  const Clock& clock_;
  Logger& log_;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  Status state_ NODEKEEP_GUARDED_BY(mutex_) = Error(ErrorCode::kPrecondition,
                                                    "kubelet has not asked for the driver yet");
  std::optional<Status> answer_ NODEKEEP_GUARDED_BY(mutex_);  // kubelet's latest, not yet processed

  std::jthread thread_;  // last: stopped first
};

}  // namespace nodekeep
