#pragma once

// The origin of a request: the key for connections, rate limits and circuit breakers, and the part
// of a URL that error texts may contain.

#include <string>

#include "agent/base/result.h"
#include "agent/http/http_client.h"

namespace nodekeep {

struct Origin {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address without brackets
  int port = 0;
  std::string text;  // "https://vault.example:8200", "unix:/run/vault.sock"; never a secret
};

// Errors: kInvalid when the URL is not an http or https URL, or contains a user name (credentials
// in URLs end up in logs).
Result<Origin> ParseOrigin(const HttpRequest& request);

}  // namespace nodekeep
