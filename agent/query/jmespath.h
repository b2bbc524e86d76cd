#pragma once

// JMESPath as go-jmespath 0.4 evaluates it: the AWS provider selects the files of a JSON secret
// with it. Numbers are float64, so to_string(a) of 1.50 is "1.5".
// https://jmespath.org/specification.html

#include <cstddef>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

struct JmespathLimits {
  std::size_t expression_bytes = 4u << 10;
  std::size_t document_bytes = 128u << 10;
  // Of the text selected, and of each text that to_string makes.
  std::size_t text_bytes = 1u << 20;
  // Of brackets in the expression.
  int depth = 50;
  // The product of: the lengths of all lists that the expression writes (how often it can repeat
  // the document), its brackets, and the bytes of document and expression.
  std::size_t work = 32u << 20;
};

struct JmespathResult {
  enum class Kind {
    kNull,  // nothing was selected, or null
    kText,
    kOther,  // a number, a boolean, a list or an object
  };
  Kind kind = Kind::kNull;
  SecretBytes text;  // of kText
};

// Errors: kInvalid (the document is not JSON, the expression is not valid, a function is given what
// it does not take); kTooLarge (a limit). Pure, hence thread-safe.
Result<JmespathResult> JmespathSearch(std::string_view json, std::string_view expression,
                                      const JmespathLimits& limits = {});

}  // namespace nodekeep
