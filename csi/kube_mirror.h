#pragma once

// VolumeMirror that writes to the API server: the SecretProviderClassPodStatus of the pod, and the
// Secrets of the class's secretObjects.
//
// Thread-safe.

#include <string>

#include "agent/base/clock.h"
#include "agent/kube/kube_client.h"
#include "agent/sink/mirror_writer.h"
#include "csi/pod_source.h"
#include "csi/pod_status.h"
#include "csi/volume_mirror.h"

namespace nodekeep {

class KubeMirror final : public VolumeMirror {
 public:
  struct Options {
    std::string node_name;
    Duration budget = std::chrono::seconds(15);  // for one volume: its publish waits
    Duration recheck = std::chrono::minutes(30);
  };

  // `client`, `pods` and `clock` must outlive this object.
  KubeMirror(Options options, KubeClient& client, PodSource& pods, const Clock& clock);

  Status Converge(const Context& context, const Volume& volume, const SecretProviderClass& spc,
                  const VolumeContent& content) override;
  void Recover(const Volume& volume, const SecretProviderClass& spc) override;
  void Forget(const std::string& target_path) override;

  // Releases Secrets that no pod of this node uses any more. Call it every few seconds, but not
  // before all volumes found on the node have been recovered.
  std::vector<Error> Sweep(const Context& context) { return secrets_.Sweep(context); }
  // The last Sweep before shutdown: includes Secrets in their linger period.
  std::vector<Error> FinalSweep(const Context& context);

 private:
  Result<std::vector<OwnerReference>> OwnersOfPod(const Context& context, const Volume& volume);
  SecretClaim ClaimOf(const Volume& volume, const SecretProviderClass& spc,
                      std::vector<OwnerReference> owners) const;

  const Options options_;
  const Clock& clock_;
  PodSource& pods_;
  PodStatusWriter statuses_;
  MirrorWriter secrets_;
};

}  // namespace nodekeep
