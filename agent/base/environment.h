#pragma once

#include <string>

#include "agent/base/secret_bytes.h"

namespace nodekeep {

// The text of an environment variable that holds a credential; empty = not set. Such variables are
// no settings: the configuration, which can be printed, holds no secret.
SecretBytes EnvironmentSecret(const std::string& name);

}  // namespace nodekeep
