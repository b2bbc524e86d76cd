#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/query/jmespath.h"

namespace nodekeep {

// The names that stand for the functions to_string and abs in a checked expression.
inline constexpr std::string_view kJmespathToString = "nodekeep_to_string";
inline constexpr std::string_view kJmespathAbs = "nodekeep_abs";

// Refuses the characters and functions that go-jmespath 0.4 does not know but jsoncons does, and
// malformed expressions, and those over the limits. Returns the expression with these two renamed.
// `document_bytes`: of the document that it will be applied to.
Result<std::string> CheckedJmespath(std::string_view expression, std::size_t document_bytes,
                                    const JmespathLimits& limits);

}  // namespace nodekeep
