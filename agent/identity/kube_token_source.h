#pragma once

// Pod tokens from the API server's TokenRequest, for clusters whose CSIDriver object sends none.

#include <string>

#include "agent/identity/token_source.h"
#include "agent/kube/kube_client.h"

namespace nodekeep {

// Thread-safe. Tokens are not cached: each mount that needs one requests one. `client` outlives it.
class KubeTokenSource final : public TokenSource {
 public:
  explicit KubeTokenSource(KubeClient& client) : client_(client) {}

  // A token that is valid for 15 minutes and bound to the pod, so that it becomes invalid when the
  // pod is deleted. Errors say what to do: kDenied (the missing permission), kNotFound (the service
  // account or the pod), kConflict (another pod has the pod's name now), kPrecondition (the request
  // does not name a pod), else as KubeClient.
  Result<ServiceAccountToken> Request(const Context& context, const PodIdentity& identity,
                                      const std::string& audience) override;

 private:
  KubeClient& client_;
};

}  // namespace nodekeep
