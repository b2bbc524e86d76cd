#pragma once

// JSON as Go's encoding/json reads it into an interface and writes it from one.

#include <string_view>

#include "agent/base/result.h"
#include "agent/template/call.h"
#include "agent/template/value.h"

namespace nodekeep::go {

struct ParsedJson {
  Value value;  // with nil for numbers that do not fit
  // The text of Go's error for such a number; "" if all fit.
  std::string failure;
};

// Numbers become float64; of equal keys the last counts; invalid UTF-8 and lone surrogates become
// U+FFFD. Errors: kInvalid with the text of Go; kTooLarge.
Result<ParsedJson> ParseJsonValue(Call& call, std::string_view text);

struct JsonStyle {
  bool escape_html = true;  // < > & as \u003c \u003e \u0026
  bool pretty = false;      // two blanks per level
};

// Errors: kInvalid with the text of Go, for infinities and NaN; kTooLarge.
Result<SecretBytes> WriteJsonValue(Call& call, const Value& value, const JsonStyle& style);

}  // namespace nodekeep::go
