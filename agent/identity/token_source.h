#pragma once

// A source of pod tokens, for requests that the CSI driver sent without one.

#include <string>

#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/secrets/identity.h"

namespace nodekeep {

// Thread-safe.
class TokenSource {
 public:
  virtual ~TokenSource() = default;

  // Returns a token for the identity's service account and `audience` ("" = the API server's
  // default audience), bound to its pod if it has one.
  virtual Result<ServiceAccountToken> Request(const Context& context, const Identity& identity,
                                              const std::string& audience) = 0;
};

}  // namespace nodekeep
