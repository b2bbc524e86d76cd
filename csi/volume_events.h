#pragma once

// What the driver tells a pod's owner, as Kubernetes Events on the pod.

#include <string>
#include <string_view>

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

}  // namespace nodekeep
