#include "agent/template/yaml_resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "agent/base/go_number.h"
#include "agent/template/go_time.h"

namespace nodekeep::go {
namespace {

using ScalarType = YamlScalar::Type;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

const YamlScalar* FindWord(std::string_view text) {
  static const std::map<std::string_view, YamlScalar> words = [] {
    std::map<std::string_view, YamlScalar> table;
    for (const std::string_view word :
         {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}) {
      table[word] = {.type = ScalarType::kBool, .boolean = true};
    }
    for (const std::string_view word :
         {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}) {
      table[word] = {.type = ScalarType::kBool, .boolean = false};
    }
    for (const std::string_view word : {"", "~", "null", "Null", "NULL"}) {
      table[word] = {.type = ScalarType::kNull};
    }
    for (const std::string_view word : {".nan", ".NaN", ".NAN"}) {
      table[word] = {.type = ScalarType::kFloat, .real = std::nan("")};
    }
    for (const std::string_view word : {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"}) {
      table[word] = {.type = ScalarType::kFloat, .real = HUGE_VAL};
    }
    for (const std::string_view word : {"-.inf", "-.Inf", "-.INF"}) {
      table[word] = {.type = ScalarType::kFloat, .real = -HUGE_VAL};
    }
    return table;
  }();
  const auto found = words.find(text);
  return found == words.end() ? nullptr : &found->second;
}

// What strconv.ParseInt and ParseUint read with base 0, without underscores.
std::optional<YamlScalar> ParseInteger(std::string_view text) {
  const bool has_sign = text.starts_with('-') || text.starts_with('+');
  const bool is_negative = text.starts_with('-');
  if (has_sign) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char letter = static_cast<char>(text[1] | 0x20);
    base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
    text.remove_prefix(base == 8 && letter != 'o' ? 1 : 2);
  }
  std::uint64_t size = 0;
  const char* const end = text.data() + text.size();
  const auto [at, failure] = std::from_chars(text.data(), end, size, base);
  if (failure != std::errc() || at != end) return std::nullopt;
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (size <= kMax + (is_negative ? 1 : 0)) {
    const std::uint64_t bits = is_negative ? 0 - size : size;
    return YamlScalar{.type = ScalarType::kInt, .integer = static_cast<std::int64_t>(bits)};
  }
  if (has_sign) return std::nullopt;
  return YamlScalar{.type = ScalarType::kUint, .unsigned_integer = size};
}

std::size_t SkipDigits(std::string_view text, std::size_t at) {
  while (at < text.size() && IsDigit(text[at])) ++at;
  return at;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool LooksLikeFloat(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  std::size_t at = SkipDigits(text, 0);
  const bool has_whole = at > 0;
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = at + 1;
    at = SkipDigits(text, fraction);
    if (!has_whole && at == fraction) return false;
  } else if (!has_whole) {
    return false;
  }
  if (at == text.size()) return true;
  if (text[at] != 'e' && text[at] != 'E') return false;
  ++at;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  return at < text.size() && SkipDigits(text, at) == text.size();
}

std::optional<YamlScalar> ParseFloat(std::string_view text) {
  const std::optional<double> value = ParseGoFloat(text);
  if (!value || std::isinf(*value)) return std::nullopt;
  return YamlScalar{.type = ScalarType::kFloat, .real = *value};
}

bool IsTimestamp(std::string_view text) {
  constexpr std::array<std::string_view, 4> kLayouts = {"2006-1-2T15:4:5.999999999Z07:00",
                                                        "2006-1-2t15:4:5.999999999Z07:00",
                                                        "2006-1-2 15:4:5.999999999", "2006-1-2"};
  if (text.size() < 8 || SkipDigits(text, 0) != 4 || text[4] != '-') return false;
  return std::any_of(kLayouts.begin(), kLayouts.end(),
                     [text](std::string_view layout) { return ParseGoTime(layout, text).ok(); });
}

template <typename Float>
std::string Short(Float value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 64> buffer;
  const auto printed = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                     std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(printed.ptr - buffer.data()));
  const std::size_t e = text.find('e');
  int exponent = 0;
  const std::size_t digits_at = e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(text.data() + digits_at, text.data() + text.size(), exponent);
  constexpr int kLow = -4;
  constexpr int kHigh = 6;
  if (exponent < kLow || exponent >= kHigh) return std::string(text);
  const auto plain =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  return {buffer.data(), plain.ptr};
}

}  // namespace

YamlScalar ResolveYaml(std::string_view plain) {
  const YamlScalar text;
  const char first = plain.empty() ? '~' : plain[0];
  const bool may_be_number = IsDigit(first) || first == '+' || first == '-';
  const bool may_be_word = std::string_view("yYnNtTfFoO~.").find(first) != std::string_view::npos;
  if (!may_be_number && !may_be_word) return text;
  if (const YamlScalar* const word = FindWord(plain)) return *word;
  if (first == '.') return ParseFloat(plain).value_or(text);
  if (!may_be_number) return text;
  if (IsTimestamp(plain)) return {.type = YamlScalar::Type::kTimestamp};
  std::string digits(plain);
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  if (const std::optional<YamlScalar> integer = ParseInteger(digits)) return *integer;
  if (LooksLikeFloat(digits)) return ParseFloat(digits).value_or(text);
  return text;
}

std::string GoFloatShort(double value) { return Short(value); }
std::string GoFloatShort(float value) { return Short(value); }

}  // namespace nodekeep::go
