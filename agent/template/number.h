#pragma once

// Numbers as templates write them: all forms of Go's literals but imaginary ones.

#include <string_view>

#include "agent/base/result.h"
#include "agent/template/syntax.h"

namespace nodekeep::go {

// `text`: of a token kNumber. Errors: kInvalid with the text of Go.
Result<Literal> ParseNumber(std::string_view text);

// `text`: of a token kCharConstant, with its quotes. Errors: kInvalid with the text of Go.
Result<Literal> ParseCharConstant(std::string_view text);

}  // namespace nodekeep::go
