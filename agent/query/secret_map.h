#pragma once

#include <map>
#include <string>

#include "agent/base/secret_bytes.h"

namespace nodekeep {

// The keys and values of a Secret, or of what becomes one.
using SecretMap = std::map<std::string, SecretBytes>;

}  // namespace nodekeep
