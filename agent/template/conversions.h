#pragma once

// The lenient conversions of sprig's functions.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/template/call.h"
#include "agent/template/value.h"

namespace nodekeep::go {

// A kString: the text itself, what a String method prints, or %v. Errors: kTooLarge.
Result<Value> TextOf(Call& call, const Value& value);
// The items of a list as text, nil left out; another value as one item. Errors: kTooLarge.
Result<std::vector<Value>> TextsOf(Call& call, const Value& value);

// Never fail: anything but a number is 0. Text is read with the base of its prefix (010 is octal),
// its decimals are dropped; a float64 is truncated.
std::int64_t ToInt64(const Value& value);
double ToFloat64(const Value& value);
// As on amd64: the least integer for NaN and what does not fit.
std::int64_t TruncateToInt64(double value);

struct ParsedInteger {
  std::int64_t value = 0;  // 0 for bad syntax; the nearest for a number that does not fit
  bool ok = false;
};
// strconv.ParseInt(text, base, 64). `base`: 8, 10, or 0 for the base of the prefix.
ParsedInteger ParseInteger(std::string_view text, unsigned base);

// Of standard Base64, with padding.
Value Base64Text(const SecretBytes& bytes);
// Where Go's decoder finds the first fault of text that is not valid Base64.
std::size_t Base64Fault(std::string_view text);

// Whether a condition takes `value` for false: nil, zero, "", an empty list or map.
bool IsEmpty(const Value& value);

}  // namespace nodekeep::go
