#pragma once

// Floating-point numbers read and written as by Go's strconv.

#include <optional>
#include <string>
#include <string_view>

namespace nodekeep {

// strconv.ParseFloat(text, 64): decimal and hexadecimal forms, underscores between digits, inf,
// infinity and nan in any case. Values out of range are infinities or zero. nullopt: not a number.
std::optional<double> ParseGoFloat(std::string_view text);

// strconv.FormatFloat(value, 'f', -1, 64): the shortest digits that parse to the same value, never
// with an exponent; "NaN", "+Inf", "-Inf".
std::string GoFloatWithoutExponent(double value);

}  // namespace nodekeep
