#pragma once

// Copies of a volume's content in the cluster: the Secrets of spec.secretObjects and the
// SecretProviderClassPodStatus.

#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/secrets/secret_provider_class.h"
#include "csi/volume.h"
#include "csi/volume_source.h"

namespace nodekeep {

// Thread-safe.
class VolumeMirror {
 public:
  virtual ~VolumeMirror() = default;

  // Writes the objects for the content that is, or is about to be, in the volume; sends no request
  // when nothing has changed. Errors name the object and say what to do.
  virtual Status Converge(const Context& context, const Volume& volume,
                          const SecretProviderClass& spc, const VolumeContent& content) = 0;
  // Records the Secrets that a volume found after a restart uses, without writing them.
  virtual void Recover(const Volume& volume, const SecretProviderClass& spc) = 0;
  // To be called when the volume at this target path is gone or was never published. Sends no
  // request.
  virtual void Forget(const std::string& target_path) = 0;
};

}  // namespace nodekeep
