#pragma once

// Floating-point numbers as Go's strconv writes them.

#include <string>

namespace nodekeep::go {

// strconv.FormatFloat(value, verb, precision, 64). `verb`: one of e E f g G b x X; `precision` -1:
// the shortest digits that parse to the same value.
std::string FormatFloat(double value, char verb, int precision);

}  // namespace nodekeep::go
