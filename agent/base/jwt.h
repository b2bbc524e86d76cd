#pragma once

// Claims of a Kubernetes service account token.

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace nodekeep {

// Claims that are missing from the token are empty.
struct JwtClaims {
  std::string service_account_uid;
  std::string namespace_;
  std::string service_account;
  std::string pod_uid;
  std::string subject;
  std::optional<WallTime> expires;
};

// Reads the payload WITHOUT checking the signature: use it to choose a cache key or a renewal time,
// never for authorization. Supports the claims of bound tokens (`kubernetes.io`) and of tokens in
// Secrets (`kubernetes.io/serviceaccount/...`). Errors are kInvalid and never quote the token.
Result<JwtClaims> ReadJwtClaims(std::string_view token);

}  // namespace nodekeep
