#pragma once

// What a volume's content is copied to in the cluster: the Secrets of spec.secretObjects and the
// SecretProviderClassPodStatus (csi.md 2.9, 2.10).

#include "agent/base/context.h"
#include "agent/base/result.h"
#include "csi/secret_provider_class.h"
#include "csi/volume.h"
#include "csi/volume_source.h"

namespace nodekeep {

// Thread-safe.
class VolumeMirror {
 public:
  virtual ~VolumeMirror() = default;

  // Makes the cluster agree with what is, or is about to be, in the volume; costs nothing when it
  // does. An error names the object and the fix.
  virtual Status Converge(const Context& context, const Volume& volume,
                          const SecretProviderClass& spc, const VolumeContent& content) = 0;
  // Says that a volume found after a restart uses what its class asks for, without writing.
  virtual void Recover(const Volume& volume, const SecretProviderClass& spc) = 0;
  // There is no volume at this target path any more, or there never was. Asks nobody.
  virtual void Forget(const std::string& target_path) = 0;
};

}  // namespace nodekeep
