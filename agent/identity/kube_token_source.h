#pragma once

// Pod tokens from the TokenRequest API, for clusters whose CSIDriver object does not request any.

#include <string>

#include "agent/identity/token_source.h"
#include "agent/kube/kube_client.h"

namespace nodekeep {

// Thread-safe. Tokens are not cached: each mount that needs one requests one. `client` must outlive
// this object.
class KubeTokenSource final : public TokenSource {
 public:
  explicit KubeTokenSource(KubeClient& client) : client_(client) {}

  // Requests a token for 15 minutes, bound to the pod if there is one, so that it ends with the
  // pod. Errors name the missing permission or object: kDenied, kNotFound, kConflict (another pod
  // has that name now), kPrecondition (no service account), those of KubeClient.
  Result<ServiceAccountToken> Request(const Context& context, const Identity& identity,
                                      const std::string& audience) override;

 private:
  KubeClient& client_;
};

}  // namespace nodekeep
