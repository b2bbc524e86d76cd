#pragma once

// SecretProviderClassPodStatus: the object versions in a volume, for users, dashboards and as an
// owner of mirrored Secrets.
//
// Written only when it changes: the first time by one POST, after a restart by a POST that
// conflicts and a GET that shows that nothing has changed. The name is `<pod>-<namespace>-<class>`,
// as with the upstream driver; the status of a second volume of the same class in one pod has the
// volume's name appended (upstream gives both volumes the same status). A name of more than 253
// bytes is shortened and made unique by a digest.
//
// The status is garbage-collected with its owner, the pod.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/base/mutex.h"
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
  std::string target_path;  // identifies the volume
  std::vector<ObjectVersion> objects;
};

// Thread-safe; one volume has one writer at a time.
class PodStatusWriter {
 public:
  // `kube` must outlive this object.
  PodStatusWriter(KubeClient& kube, std::string node_name);

  // Returns the status object as an owner, for Secrets of pods that have no owner. Errors are those
  // of KubeClient; a failed write has the prefix `SecretProviderClassPodStatus <namespace>/<name>`.
  Result<OwnerReference> Write(const Context& context, const PodStatus& status);
  // The volume was unpublished: forgets what was written for it. Sends no request.
  void Forget(const std::string& target_path);

 private:
  struct Written {
    OwnerReference owner;
    std::string text;  // the status that was written, as JSON
  };

  Result<OwnerReference> WriteNamed(const Context& context, const PodStatus& status,
                                    const std::string& name, bool may_be_taken);

  KubeClient& kube_;
  const std::string node_label_;

  Mutex mutex_;
  std::map<std::string, Written> written_ NODEKEEP_GUARDED_BY(mutex_);  // by target path
};

}  // namespace nodekeep
