#pragma once

// Environment variables come in as a function, so that a test says what is set.

#include <functional>
#include <string>

#include "agent/base/secret_bytes.h"

namespace nodekeep {

// The value of an environment variable, "" when it is not set.
using Environment = std::function<std::string(const std::string& name)>;

// This process's own. Safe from any thread: nobody here changes the environment.
Environment ProcessEnvironment();

// The text of an environment variable that holds a credential; empty = not set. Such variables are
// no settings: the configuration, which can be printed, holds no secret.
SecretBytes EnvironmentSecret(const std::string& name);

}  // namespace nodekeep
