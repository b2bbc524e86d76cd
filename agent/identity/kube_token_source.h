#pragma once

// Pod tokens from the API server's TokenRequest, for clusters whose CSIDriver object sends none.

#include <string>

#include "agent/identity/token_source.h"
#include "agent/kube/kube_client.h"

namespace nodekeep {

// Thread-safe. Keeps no token: each mount that needs one asks for one. `client` outlives it.
class KubeTokenSource final : public TokenSource {
 public:
  explicit KubeTokenSource(KubeClient& client) : client_(client) {}

  // A token of 15 minutes, bound to the pod: it dies with it (dialects.md 3.2). Errors say which
  // permission is missing, or what is not there: kDenied, kNotFound, kConflict (the pod's name
  // belongs to another pod by now), kPrecondition (the request names no pod), those of KubeClient.
  Result<ServiceAccountToken> Request(const Context& context, const PodIdentity& identity,
                                      const std::string& audience) override;

 private:
  KubeClient& client_;
};

}  // namespace nodekeep
