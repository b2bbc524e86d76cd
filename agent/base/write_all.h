#pragma once

#include <string_view>

namespace nodekeep {

// Calls write(2) until all of `bytes` is written. False, with errno set, on failure.
bool WriteAll(int fd, std::string_view bytes);

}  // namespace nodekeep
