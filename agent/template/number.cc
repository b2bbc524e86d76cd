#include "agent/template/number.h"

#include <cmath>
#include <limits>
#include <optional>

#include "agent/base/go_number.h"
#include "agent/template/format.h"
#include "agent/template/quote.h"

namespace nodekeep::go {
namespace {

// 2^63 and 2^64.
constexpr double kAboveInt64 = 9223372036854775808.0;
constexpr double kAboveUint64 = 18446744073709551616.0;

Error Invalid(std::string_view what, std::string_view text) {
  return Error::Format(ErrorCode::kInvalid, "{}: {}", what, Quote(text).Reveal());
}

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

struct Digits {
  unsigned base = 10;
  std::string_view text;
  bool after_prefix = false;  // an underscore may stand first
};

Digits SplitPrefix(std::string_view text) {
  if (text.size() < 2 || text[0] != '0') return {10, text, false};
  switch (text[1]) {
    case 'x':
    case 'X': return {16, text.substr(2), true};
    case 'o':
    case 'O': return {8, text.substr(2), true};
    case 'b':
    case 'B': return {2, text.substr(2), true};
    default: return {8, text.substr(1), true};
  }
}

// nullopt: not well formed, or over 64 bits.
std::optional<std::uint64_t> ParseMagnitude(std::string_view text) {
  const Digits digits = SplitPrefix(text);
  if (digits.text.empty() || digits.text.back() == '_') return std::nullopt;
  std::uint64_t number = 0;
  bool underscore_allowed = digits.after_prefix;
  for (const char c : digits.text) {
    if (c == '_') {
      if (!underscore_allowed) return std::nullopt;
      underscore_allowed = false;
      continue;
    }
    const auto digit = static_cast<unsigned>(DigitOf(c));
    if (digit >= digits.base) return std::nullopt;
    if (__builtin_mul_overflow(number, digits.base, &number)) return std::nullopt;
    if (__builtin_add_overflow(number, digit, &number)) return std::nullopt;
    underscore_allowed = true;
  }
  return number;
}

void SetInteger(std::string_view text, Number& number) {
  if (const std::optional<std::uint64_t> value = ParseMagnitude(text)) {
    number.is_unsigned = true;
    number.unsigned_integer = *value;
  }
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const std::optional<std::uint64_t> magnitude = ParseMagnitude(text);
  const std::uint64_t limit = std::numeric_limits<std::int64_t>::max();
  if (!magnitude || *magnitude > limit + (negative ? 1 : 0)) return;
  number.is_int = true;
  number.integer = static_cast<std::int64_t>(negative ? 0 - *magnitude : *magnitude);
  if (number.integer == 0) {
    number.is_unsigned = true;
    number.unsigned_integer = 0;
  }
}

void SetFloat(double real, Number& number) {
  number.is_float = true;
  number.real = real;
  if (std::trunc(real) != real) return;
  if (!number.is_int && real >= -kAboveInt64 && real < kAboveInt64) {
    number.is_int = true;
    number.integer = static_cast<std::int64_t>(real);
  }
  if (!number.is_unsigned && real >= 0 && real < kAboveUint64) {
    number.is_unsigned = true;
    number.unsigned_integer = static_cast<std::uint64_t>(real);
  }
}

bool LooksLikeFloat(std::string_view text) {
  return text.find_first_of(".eEpP") != std::string_view::npos;
}

// Go looks for the sign of a hexadecimal integer at its very start only: -0x1E is a float.
bool IsHexInteger(std::string_view text) {
  return text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') &&
         text.find_first_of("pP") == std::string_view::npos;
}

void SetValue(std::string_view text, Literal& literal) {
  const Number& number = literal.number;
  if (number.is_float && LooksLikeFloat(text) && !IsHexInteger(text)) {
    literal.value = Value::Float(number.real);
  } else if (number.is_int) {
    literal.value = Value::Int(number.integer);
  } else {
    literal.overflows_int = true;
  }
}

}  // namespace

Result<Literal> ParseNumber(std::string_view text) {
  if (text.ends_with('i')) {
    return Error(ErrorCode::kInvalid, "complex numbers are not supported");
  }
  Literal literal;
  Number& number = literal.number;
  SetInteger(text, number);
  if (number.is_int) {
    number.is_float = true;
    number.real = static_cast<double>(number.integer);
  } else if (number.is_unsigned) {
    number.is_float = true;
    number.real = static_cast<double>(number.unsigned_integer);
  } else if (const std::optional<double> real = ParseGoFloat(text); real && std::isfinite(*real)) {
    if (!LooksLikeFloat(text)) return Invalid("integer overflow", text);
    SetFloat(*real, number);
  } else {
    return Invalid("illegal number syntax", text);
  }
  SetValue(text, literal);
  return literal;
}

Result<Literal> ParseCharConstant(std::string_view text) {
  const std::optional<UnquotedRune> unquoted = UnquoteRune(text.substr(1));
  if (!unquoted) return Error(ErrorCode::kInvalid, "invalid syntax");
  if (unquoted->rest != "'") {
    return Error::Format(ErrorCode::kInvalid, "malformed character constant: {}", text);
  }
  Literal literal;
  literal.number = {true,           true,           true,
                    unquoted->rune, unquoted->rune, static_cast<double>(unquoted->rune)};
  literal.value = Value::Int(unquoted->rune);
  return literal;
}

}  // namespace nodekeep::go
