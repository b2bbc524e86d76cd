#pragma once

#include <string_view>

namespace nodekeep {

// The project's version as CMakeLists.txt states it: "0.1.0".
std::string_view Version();

}  // namespace nodekeep
