#pragma once

// Error texts in which a template's name stands. Go makes them with fmt: a "%" in the name acts as
// a verb, and the text comes out garbled, as upstream's does.

#include <initializer_list>
#include <string>
#include <string_view>

namespace nodekeep::go {

// fmt.Sprintf of texts, without limits.
std::string ErrorText(std::string_view format, std::initializer_list<std::string_view> texts);

// `text` to stand for itself within a format.
std::string WithDoubledPercent(std::string_view text);

}  // namespace nodekeep::go
