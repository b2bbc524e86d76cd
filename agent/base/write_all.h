#pragma once

#include <string_view>

namespace nodekeep {

// write(2) until everything is out. False, with errno, when something is not.
bool WriteAll(int fd, std::string_view bytes);

}  // namespace nodekeep
