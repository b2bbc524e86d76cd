#pragma once

// SecretProviderClassPodStatus: what a volume holds, for users, dashboards and owner references
// (csi.md 2.9).
//
// Written only when it changes (D3): the first time by one POST, after a restart by a POST that
// conflicts and a GET that finds nothing to do. The name is `<pod>-<namespace>-<class>`, as
// upstream; a second volume of the same class in one pod gets one of its own, with the volume
// behind it (D16), and what is longer than 253 bytes is cut and marked with a digest.
//
// Kubernetes deletes the status with its pod, who owns it.

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/kube/kube_client.h"
#include "agent/secrets/bundle.h"
#include "agent/sink/owner_reference.h"

namespace nodekeep {

struct PodStatus {
  std::string namespace_name;
  std::string pod;
  std::string pod_uid;
  std::string class_name;
  std::string volume;       // its name in the pod
  std::string target_path;  // which volume this is
  std::vector<ObjectVersion> objects;
};

// Thread-safe; one volume has one writer at a time.
class PodStatusWriter {
 public:
  // `kube` outlives the writer.
  PodStatusWriter(KubeClient& kube, std::string node_name);

  // Returns the status object as an owner, for Secrets of pods that have none themselves.
  // Errors as KubeClient, `SecretProviderClassPodStatus <namespace>/<name>` before them.
  Result<OwnerReference> Write(const Context& context, const PodStatus& status);
  // The volume is gone.
  void Forget(const std::string& target_path);

 private:
  struct Written {
    OwnerReference owner;
    std::string text;  // of what was written
  };

  Result<OwnerReference> WriteNamed(const Context& context, const PodStatus& status,
                                    const std::string& name, bool may_be_taken);

  KubeClient& kube_;
  const std::string node_label_;

  std::mutex mutex_;
  std::map<std::string, Written> written_;  // by target path; guarded by mutex_
};

}  // namespace nodekeep
