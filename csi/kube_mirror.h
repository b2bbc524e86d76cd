#pragma once

// VolumeMirror over the API server: the pod's status object, and the Secrets that the class asks
// for.
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
    Duration budget = std::chrono::seconds(15);  // of one volume: a publish waits for it
    Duration recheck = std::chrono::minutes(30);
  };

  KubeMirror(Options options, KubeClient& client, PodSource& pods, const Clock& clock);

  Status Converge(const Context& context, const Volume& volume, const SecretProviderClass& spc,
                  const VolumeContent& content) override;
  void Recover(const Volume& volume, const SecretProviderClass& spc) override;
  void Forget(const std::string& target_path) override;

  // Gives up Secrets that no pod of this node needs any more: call it every few seconds, and not
  // before every volume that was found on the node has been recovered.
  std::vector<Error> Sweep(const Context& context) { return secrets_.Sweep(context); }
  // The last Sweep: also gives up what would have lingered.
  std::vector<Error> Leave(const Context& context);

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
