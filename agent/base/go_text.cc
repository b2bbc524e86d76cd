#include "agent/base/go_text.h"

#include <algorithm>
#include <array>
#include <limits>

#include "agent/base/json.h"
#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

// The character after the backslash; 0 if `c` has no short escape.
char ShortEscape(char c) {
  constexpr std::string_view kPlain = "\"\\\a\b\f\n\r\t\v";
  constexpr std::string_view kEscaped = "\"\\abfnrtv";
  const std::size_t at = kPlain.find(c);
  return at == std::string_view::npos ? 0 : kEscaped[at];
}

}  // namespace

std::string GoQuote(std::string_view text) {
  constexpr std::size_t kShown = 100;
  const bool cut = text.size() > kShown;
  text = Utf8Prefix(text, kShown);
  std::string quoted = "\"";
  while (!text.empty()) {
    const char c = text[0];
    const auto byte = static_cast<unsigned char>(c);
    const std::size_t length = Utf8SequenceLength(text);
    if (const char escape = ShortEscape(c); escape != 0) {
      quoted += {'\\', escape};
    } else if (length == 0 || byte < 0x20 || byte == 0x7F) {
      quoted += fmt::format("\\x{:02x}", byte);
    } else {
      quoted += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return quoted + (cut ? "...\"" : "\"");
}

Result<bool> ParseGoBool(std::string_view text) {
  constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "TRUE", "true", "True"};
  constexpr std::array<std::string_view, 6> kFalse = {"0", "f", "F", "FALSE", "false", "False"};
  if (std::find(kTrue.begin(), kTrue.end(), text) != kTrue.end()) return true;
  if (std::find(kFalse.begin(), kFalse.end(), text) != kFalse.end()) return false;
  return Error::Format(ErrorCode::kInvalid,
                       "strconv.ParseBool: parsing {}: invalid syntax: use \"true\" or \"false\"",
                       GoQuote(text));
}

Result<std::uint32_t> ParsePermission(std::string_view text) {
  Result<Json> json = ParseJson(text);
  if (!json.ok()) return json.error();
  if (json->is_null()) return 0u;
  const std::optional<std::int64_t> number = IntOf(*json);
  const std::optional<std::string> spelled = ScalarText(*json);
  const bool fits = number.has_value() && *number >= 0 &&
                    *number <= std::numeric_limits<std::uint32_t>::max() && spelled != "-0";
  if (!fits) {
    return Error::Format(ErrorCode::kInvalid,
                         "json: cannot unmarshal {} into Go value of type uint32: use a decimal "
                         "number such as 420 (octal 0644)",
                         GoQuote(text));
  }
  return static_cast<std::uint32_t>(*number);
}

}  // namespace nodekeep
