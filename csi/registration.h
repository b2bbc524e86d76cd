#pragma once

// Makes the driver known to kubelet: serves pluginregistration.Registration on a socket in the
// directory that kubelet watches (docs/protocol/kubernetes.md, "Plugin registration").
//
// Kubelet calls us when the socket appears, and again whenever it restarts, so the socket stays.
// After a refusal (another driver of the name is still registered), or when somebody has removed
// or replaced the socket, it is made anew with growing pauses.
//
// Thread-safe.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/log.h"
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
    std::function<void()> on_registered;              // from the registration's own thread
    ExceptionReporter on_exception{};                 // of that thread, "registration"
  };

  Registration(Options options, const Clock& clock, Logger& log);
  // Removes the socket, by which kubelet forgets the driver.
  ~Registration();

  // Ok once kubelet has taken the driver in; else what is in the way.
  Status state() const;

 private:
  class Service;

  void Run(std::stop_token stop);
  // Serves until kubelet refuses, the socket is lost or `stop`. False: it was not registered.
  bool ServeOnce(std::stop_token stop);
  void SetState(Status state);

  const Options options_;
  const Clock& clock_;
  Logger& log_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  Status state_ = Error(ErrorCode::kPrecondition, "kubelet has not asked for the driver yet");
  std::optional<Status> answer_;  // kubelet's latest, not yet looked at

  std::jthread thread_;  // last: stopped first
};

}  // namespace nodekeep
