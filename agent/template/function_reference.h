#pragma once

#include <string>

namespace nodekeep {

// docs/template-functions.md: all template functions with their examples, and what those give.
std::string FunctionReference();

}  // namespace nodekeep
