#pragma once

#include <string>

#include "agent/base/clock.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// AWS credentials for signing requests. Credentials of a role have a session token and expire;
// those of a user have no session token and do not expire.
struct AwsCredentials {
  std::string access_key_id;  // sent in clear text; not a secret
  SecretBytes secret_access_key;
  SecretBytes session_token;           // empty = none
  WallTime expires = WallTime::max();  // max = never
};

}  // namespace nodekeep
