#pragma once

#include <string>

#include "agent/base/clock.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// What signs a request to AWS. Credentials of a role have a session token and an end; those of a
// user have neither.
struct AwsCredentials {
  std::string access_key_id;  // names the key, is sent in clear: no secret
  SecretBytes secret_access_key;
  SecretBytes session_token;           // empty = none
  WallTime expires = WallTime::max();  // max = never
};

}  // namespace nodekeep
