#include "agent/base/go_number.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "agent/base/ascii.h"

namespace nodekeep {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsHexDigit(char c) {
  const char lower = AsciiLower(c);
  return IsDigit(c) || (lower >= 'a' && lower <= 'f');
}

std::optional<double> SpecialValue(std::string_view unsigned_text, bool negative, bool has_sign) {
  const std::string lower = AsciiLower(unsigned_text);
  if (lower == "inf" || lower == "infinity") {
    const double infinity = std::numeric_limits<double>::infinity();
    return negative ? -infinity : infinity;
  }
  if (lower == "nan" && !has_sign) return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

// An underscore must follow a digit or the prefix 0x, and be followed by a digit.
bool UnderscoresAreBetweenDigits(std::string_view number, bool hex) {
  bool after_digit = hex;
  bool after_underscore = false;
  for (const char c : number) {
    const bool digit = hex ? IsHexDigit(c) : IsDigit(c);
    if (c == '_' && !after_digit) return false;
    if (after_underscore && !digit) return false;
    after_underscore = c == '_';
    after_digit = digit;
  }
  return !after_underscore;
}

// Skips digits and underscores; returns whether there was a digit.
bool SkipDigits(std::string_view text, std::size_t& at, bool hex) {
  bool found = false;
  for (; at < text.size() && (text[at] == '_' || (hex ? IsHexDigit(text[at]) : IsDigit(text[at])));
       ++at) {
    found = found || text[at] != '_';
  }
  return found;
}

// Whether `text`, without sign and prefix, is a mantissa with an exponent that is required for hex.
bool IsNumber(std::string_view text, bool hex) {
  std::size_t at = 0;
  bool digits = SkipDigits(text, at, hex);
  if (at < text.size() && text[at] == '.') {
    ++at;
    digits = SkipDigits(text, at, hex) || digits;
  }
  if (!digits) return false;
  if (at == text.size()) return !hex;
  if (AsciiLower(text[at]) != (hex ? 'p' : 'e')) return false;
  ++at;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  if (at == text.size() || !IsDigit(text[at])) return false;
  SkipDigits(text, at, false);
  return at == text.size();
}

}  // namespace

std::optional<double> ParseGoFloat(std::string_view text) {
  const bool has_sign = !text.empty() && (text[0] == '+' || text[0] == '-');
  const bool negative = has_sign && text[0] == '-';
  const std::string_view unsigned_text = text.substr(has_sign ? 1 : 0);
  if (const auto special = SpecialValue(unsigned_text, negative, has_sign)) return special;

  const bool hex = unsigned_text.size() > 2 && StartsWithIgnoreCase(unsigned_text, "0x");
  const std::string_view number = unsigned_text.substr(hex ? 2 : 0);
  if (!IsNumber(number, hex)) return std::nullopt;
  std::string plain;
  plain.reserve(text.size());
  for (const char c : unsigned_text) {
    if (c != '_') plain += c;
  }
  if (plain.size() != unsigned_text.size() && !UnderscoresAreBetweenDigits(number, hex)) {
    return std::nullopt;
  }
  const double value = std::strtod(plain.c_str(), nullptr);  // the process keeps the locale "C"
  return negative ? -value : value;
}

std::string GoFloatWithoutExponent(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
  char buffer[64];
  // std::to_chars without an exponent writes all digits of large values instead of the shortest.
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  const std::string_view text(buffer, end.ptr);
  const std::size_t e = text.find('e');
  int exponent = 0;
  const std::size_t sign = text[e + 1] == '+' ? 2 : 1;  // from_chars does not read a plus sign
  std::from_chars(text.data() + e + sign, text.data() + text.size(), exponent);
  const bool negative = text[0] == '-';
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (IsDigit(c)) digits += c;
  }
  const auto count = static_cast<int>(digits.size());
  std::string plain = negative ? "-" : "";
  if (exponent < 0) {
    plain += "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  } else if (exponent + 1 >= count) {
    plain += digits + std::string(static_cast<std::size_t>(exponent + 1 - count), '0');
  } else {
    plain += digits.substr(0, static_cast<std::size_t>(exponent) + 1) + "." +
             digits.substr(static_cast<std::size_t>(exponent) + 1);
  }
  return plain;
}

}  // namespace nodekeep
