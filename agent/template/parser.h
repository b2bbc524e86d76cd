#pragma once

// Parses templates.

#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/template/syntax.h"

namespace nodekeep::go {

struct ParseInput {
  std::string_view name;  // of the template, also the one executed
  std::string_view text;
  std::string_view left;
  std::string_view right;
  int depth = 0;  // nesting of blocks in each other, and of parentheses
};

// The tree refers to `input.text`. Errors: kInvalid with the text of Go; kTooLarge for the depth.
Result<SyntaxTree> ParseTemplate(const ParseInput& input);

}  // namespace nodekeep::go
