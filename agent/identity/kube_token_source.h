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

  // A token of 15 minutes; bound to the pod, if there is one, so that it ends with it. Errors say
  // which permission is missing, or what does not exist: kDenied, kNotFound, kConflict (the pod's
  // name belongs to another pod by now), kPrecondition (no service account), those of KubeClient.
  Result<ServiceAccountToken> Request(const Context& context, const Identity& identity,
                                      const std::string& audience) override;

 private:
  KubeClient& client_;
};

}  // namespace nodekeep
