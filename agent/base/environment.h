#pragma once

// Environment variables come in as a function, so that a test says what is set.

#include <functional>
#include <string>

namespace nodekeep {

// The value of an environment variable, "" when it is not set.
using Environment = std::function<std::string(const std::string& name)>;

// This process's own. Safe from any thread: nobody here changes the environment.
Environment ProcessEnvironment();

}  // namespace nodekeep
