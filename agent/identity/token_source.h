#pragma once

// Where a pod's token comes from when the CSI driver did not send one.

#include <string>

#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/secrets/identity.h"

namespace nodekeep {

// Thread-safe.
class TokenSource {
 public:
  virtual ~TokenSource() = default;

  // A token for the identity's service account, bound to its pod if it has one, for `audience` (""
  // = the API server's default audience).
  virtual Result<ServiceAccountToken> Request(const Context& context, const Identity& identity,
                                              const std::string& audience) = 0;
};

}  // namespace nodekeep
