#pragma once

// JSON values as the bytes of a Secret, by the rules that External Secrets' providers share.

#include <cstddef>
#include <string_view>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/query/secret_map.h"

namespace nodekeep {

// How a provider reads numbers, which decides how they are written.
enum class JsonNumbers {
  kFloat,    // as float64: 1.50 is 1.5, 12345678901234567890 is 12345678901234567000
  kLiteral,  // as written
};

// Strings as they are, null as "", floats without exponent, objects and lists as compact JSON.
// Errors: kInvalid, a number out of the range of float64.
Result<SecretBytes> ValueText(const Json& value, JsonNumbers numbers);

inline constexpr std::size_t kMaxCompactJsonBytes = 64u << 20;

enum class HtmlInJson { kEscaped, kPlain };  // '<', '>' and '&' as \u003c or as they are

// Compact JSON with sorted keys, as Go writes it. Errors: kInvalid, a number out of the range of
// float64; kTooLarge, more than about `max_bytes`.
Result<SecretBytes> CompactJson(const Json& value, JsonNumbers numbers, HtmlInJson html,
                                std::size_t max_bytes = kMaxCompactJsonBytes);

// The members of the JSON object `text`: strings as they are, null as "", everything else as it is
// written, white space included. `null` has no members; of duplicate keys the last wins. Errors:
// kInvalid.
Result<SecretMap> JsonToMap(std::string_view text);

}  // namespace nodekeep
