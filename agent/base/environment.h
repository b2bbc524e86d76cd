#pragma once

// Environment variables are injected as a function, so that tests control them.

#include <functional>
#include <string>

namespace nodekeep {

// The value of an environment variable, "" when it is not set.
using Environment = std::function<std::string(const std::string& name)>;

// The variables of this process. Thread-safe, because the agent never changes its environment.
Environment ProcessEnvironment();

}  // namespace nodekeep
