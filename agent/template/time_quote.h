#pragma once

#include <string>
#include <string_view>

namespace nodekeep::go {

// A text in double quotes as Go's time package prints it in errors: bytes that are not printable
// ASCII as \x and two digits.
std::string TimeQuote(std::string_view text);

}  // namespace nodekeep::go
