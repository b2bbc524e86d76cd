#pragma once

// Where a pod's token comes from when the CSI driver did not send one.

#include <string>

#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/secrets/pod_identity.h"

namespace nodekeep {

// Thread-safe.
class TokenSource {
 public:
  virtual ~TokenSource() = default;

  // A token for the pod's service account, bound to the pod, for `audience` ("" = the API server's
  // default audience).
  virtual Result<ServiceAccountToken> Request(const Context& context, const PodIdentity& identity,
                                              const std::string& audience) = 0;
};

}  // namespace nodekeep
