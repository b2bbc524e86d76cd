#pragma once

// Where a request goes: the part of it that one connection, one rate limit and one circuit breaker
// belong to, and that error texts may name.

#include <string>

#include "agent/base/result.h"
#include "agent/http/http_client.h"

namespace nodekeep {

struct Origin {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address without brackets
  int port = 0;
  std::string text;  // "https://vault.example:8200", "unix:/run/vault.sock"; never holds a secret
};

// Errors: kInvalid when the URL is no http or https URL, or carries a user name (a credential in a
// URL ends up in logs).
Result<Origin> ParseOrigin(const HttpRequest& request);

}  // namespace nodekeep
