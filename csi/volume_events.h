#pragma once

// What the driver tells a pod's owner, as Kubernetes Events on the pod.

#include <string>
#include <string_view>

#include "agent/base/log.h"
#include "csi/volume.h"

namespace nodekeep {

// Thread-safe. Never waits and never fails the caller.
class VolumeEvents {
 public:
  virtual ~VolumeEvents() = default;

  enum class Kind { kNormal, kWarning };
  // `reason` is one of the words that users grep for: MountRotationComplete, MountRotationFailed,
  // FailedToCreateSecret. `message` holds no secret.
  virtual void Record(const Volume& volume, Kind kind, std::string_view reason,
                      const std::string& message) = 0;
};

// Into the agent's own log.
class LoggedVolumeEvents final : public VolumeEvents {
 public:
  explicit LoggedVolumeEvents(Logger& log) : log_(log) {}
  void Record(const Volume& volume, Kind kind, std::string_view reason,
              const std::string& message) override {
    const LogLevel level = kind == Kind::kWarning ? LogLevel::kWarn : LogLevel::kInfo;
    log_.Write(level, Context(), reason, {{"pod", volume.Text()}, {"message", message}});
  }

 private:
  Logger& log_;
};

}  // namespace nodekeep
