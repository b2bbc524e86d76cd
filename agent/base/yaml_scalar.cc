// Converts a YAML scalar to a string, integer or boolean by the rules of yaml.v3's resolve and
// decode.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "agent/base/yaml.h"

namespace nodekeep {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// strconv.ParseInt with base 0; yaml.v3 removes the underscores before.
std::optional<std::int64_t> ParseWhole(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char prefix = text[1];
    base = prefix == 'x' || prefix == 'X' ? 16 : prefix == 'b' || prefix == 'B' ? 2 : 8;
    const bool has_letter = base != 8 || prefix == 'o' || prefix == 'O';
    text.remove_prefix(has_letter ? 2 : 1);
  }
  std::uint64_t size = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), size, base);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (size > kMax + (negative ? 1 : 0)) return std::nullopt;
  return static_cast<std::int64_t>(negative ? 0 - size : size);
}

// A float without fraction, such as 1e3, 420.0 and, because it is not a valid octal number, 08.
std::optional<std::int64_t> ParseWholeFloat(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  if (text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  if (value != std::trunc(value) || value >= kLimit || value < -kLimit) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

Error ExpectedScalar(const YamlNode& node, std::string_view wanted) {
  const std::string_view found = node.IsSequence()  ? "a list"
                                 : node.IsMapping() ? "a map"
                                 : node.IsNull()    ? "nothing"
                                 : node.quoted      ? "a quoted text"
                                                    : "something else";
  return YamlError(node, fmt::format("expected {}, found {}", wanted, found));
}

template <std::size_t N>
bool IsOneOf(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

}  // namespace

Result<std::string> YamlText(const YamlNode& node) {
  if (!node.IsScalar() && !node.IsNull()) return ExpectedScalar(node, "a text");
  return node.text;
}

Result<std::int64_t> YamlInt(const YamlNode& node) {
  const bool may_be_number =
      node.IsScalar() && !node.quoted && !node.text.empty() &&
      (IsDigit(node.text[0]) || node.text[0] == '+' || node.text[0] == '-' || node.text[0] == '.');
  if (!may_be_number) return ExpectedScalar(node, "a whole number");
  std::string plain = node.text;
  plain.erase(std::remove(plain.begin(), plain.end(), '_'), plain.end());
  if (const auto number = ParseWhole(plain)) return *number;
  if (const auto number = ParseWholeFloat(plain)) return *number;
  return ExpectedScalar(node, "a whole number");
}

Result<bool> YamlBool(const YamlNode& node) {
  if (!node.IsScalar()) return ExpectedScalar(node, "true or false");
  constexpr std::array<std::string_view, 3> kTrue = {"true", "True", "TRUE"};
  constexpr std::array<std::string_view, 3> kFalse = {"false", "False", "FALSE"};
  // yaml.v3 resolves the YAML 1.1 words as strings and then accepts them as booleans, even quoted.
  constexpr std::array<std::string_view, 8> kOldTrue = {"y",   "Y",  "yes", "Yes",
                                                        "YES", "on", "On",  "ON"};
  constexpr std::array<std::string_view, 8> kOldFalse = {"n",  "N",   "no",  "No",
                                                         "NO", "off", "Off", "OFF"};
  if (IsOneOf(node.text, kOldTrue) || (!node.quoted && IsOneOf(node.text, kTrue))) return true;
  if (IsOneOf(node.text, kOldFalse) || (!node.quoted && IsOneOf(node.text, kFalse))) return false;
  return ExpectedScalar(node, "true or false");
}

}  // namespace nodekeep
