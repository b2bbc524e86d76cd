#pragma once

// What the driver reports to the users of a pod, as Kubernetes Events on the pod.

#include <string>
#include <string_view>

#include "csi/volume.h"

namespace nodekeep {

// Thread-safe. Does not block, and errors are not reported to the caller.
class VolumeEvents {
 public:
  virtual ~VolumeEvents() = default;

  enum class Kind { kNormal, kWarning };
  // `reason` is one of the upstream driver's, which users search for: MountRotationComplete,
  // MountRotationFailed, FailedToCreateSecret; or SecretProviderClassWarning, which is ours.
  // `message` must not contain a secret.
  virtual void Record(const Volume& volume, Kind kind, std::string_view reason,
                      const std::string& message) = 0;
};

}  // namespace nodekeep
