#include "agent/template/conversions.h"

#include <cctype>
#include <cmath>
#include <limits>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/codecs.h"
#include "agent/base/go_number.h"
#include "agent/template/format.h"

namespace nodekeep::go {
namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kGreatest = std::numeric_limits<std::int64_t>::max();

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// 255 if it is not a digit.
unsigned DigitValue(char c) {
  if (IsDigit(c)) return static_cast<unsigned>(c - '0');
  const char lower = AsciiLower(c);
  return lower >= 'a' && lower <= 'f' ? static_cast<unsigned>(lower - 'a') + 10 : 255;
}

// Of a number without its sign; removes the prefix 0x, 0o or 0b. A leading 0 alone means octal.
unsigned TakeBase(std::string_view& digits) {
  if (!digits.starts_with('0')) return 10;
  const char mark = digits.size() < 3 ? '0' : AsciiLower(digits[1]);
  const unsigned base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
  digits.remove_prefix(mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
  return base;
}

// Underscores stand between digits, or between the prefix and a digit.
bool UnderscoresAreInside(std::string_view digits) {
  return !digits.ends_with('_') && digits.find("__") == std::string_view::npos;
}

// Of text with a decimal point: the digits before it. Other text as it is.
std::string_view WithoutDecimals(std::string_view text) {
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return text;
  const std::size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  for (std::size_t i = sign; i < text.size(); ++i) {
    if (!IsDigit(text[i]) && i != point) return text;
  }
  return point == sign ? "0" : text.substr(0, point);
}

}  // namespace

Result<Value> TextOf(Call& call, const Value& value) {
  if (value.kind() == Kind::kString) return value;
  SecretBytes text;
  if (Status status = AppendValue(call, value, text); !status.ok()) return status.error();
  return Value::Text(std::move(text));
}

Result<std::vector<Value>> TextsOf(Call& call, const Value& value) {
  std::vector<Value> texts;
  if (value.IsNil()) return texts;
  if (value.kind() != Kind::kSlice) {
    Result<Value> text = TextOf(call, value);
    if (!text.ok()) return text.error();
    texts.push_back(*std::move(text));
    return texts;
  }
  texts.reserve(value.items().size());
  for (const Value& item : value.items()) {
    if (item.IsNil()) continue;
    Result<Value> text = TextOf(call, item);
    if (!text.ok()) return text.error();
    if (Status status = call.Charge(SizeOf(*text)); !status.ok()) return status.error();
    texts.push_back(*std::move(text));
  }
  return texts;
}

ParsedInteger ParseInteger(std::string_view text, unsigned base) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  std::string_view digits = text;
  const bool by_prefix = base == 0;
  if (by_prefix) base = TakeBase(digits);
  // After "0" alone there may be nothing.
  if (digits.empty() && !(by_prefix && text == "0")) return {};
  if (digits.find('_') != std::string_view::npos) {
    const bool after_prefix = by_prefix && digits.size() < text.size();
    if (!by_prefix || !UnderscoresAreInside(digits)) return {};
    if (digits.starts_with('_') && !after_prefix) return {};
  }
  const std::uint64_t most =
      negative ? std::uint64_t{1} << 63 : static_cast<std::uint64_t>(kGreatest);
  std::uint64_t number = 0;
  bool fits = true;
  for (const char c : digits) {
    if (c == '_') continue;
    const unsigned digit = DigitValue(c);
    if (digit >= base) return {};
    fits = fits && number <= (most - digit) / base;
    if (fits) number = number * base + digit;
  }
  if (!fits) return {negative ? kLeast : kGreatest, false};
  return {static_cast<std::int64_t>(negative ? 0 - number : number), true};
}

std::int64_t TruncateToInt64(double value) {
  constexpr double kLimit = 9223372036854775808.0;
  if (!(value >= -kLimit && value < kLimit)) return kLeast;
  return static_cast<std::int64_t>(value);
}

std::int64_t ToInt64(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool: return value.boolean() ? 1 : 0;
    case Kind::kInt:
    case Kind::kInt32:
    case Kind::kInt64: return value.integer();
    case Kind::kUint8:
    case Kind::kUint32:
    case Kind::kUint64: return static_cast<std::int64_t>(value.unsigned_integer());
    case Kind::kFloat64: return TruncateToInt64(value.real());
    case Kind::kString: {
      const ParsedInteger parsed = ParseInteger(WithoutDecimals(value.text()), 0);
      return parsed.ok ? parsed.value : 0;
    }
    default: return 0;
  }
}

double ToFloat64(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool: return value.boolean() ? 1 : 0;
    case Kind::kInt:
    case Kind::kInt32:
    case Kind::kInt64: return static_cast<double>(value.integer());
    case Kind::kUint8:
    case Kind::kUint32:
    case Kind::kUint64: return static_cast<double>(value.unsigned_integer());
    case Kind::kFloat64: return value.real();
    case Kind::kString: {
      const std::string_view text = value.text();
      const std::optional<double> number = ParseGoFloat(text);
      if (!number.has_value()) return 0;
      // A number out of range is an error of Go's parser, "inf" is none.
      const bool is_word = text.find_first_of("nN") != std::string_view::npos;
      return std::isinf(*number) && !is_word ? 0 : *number;
    }
    default: return 0;
  }
}

// A group that is incomplete is reported at its start, and one without its second padding character
// before the character that stands there instead.
Value Base64Text(const SecretBytes& bytes) {
  return Value::Text(SecretBytes::MoveFrom(Base64Encode(bytes.Reveal())));
}

std::size_t Base64Fault(std::string_view text) {
  std::size_t digits = 0;
  std::size_t at = 0;
  const auto skip_line_breaks = [&] {
    while (at < text.size() && (text[at] == '\r' || text[at] == '\n')) ++at;
  };
  for (skip_line_breaks(); at < text.size() && text[at] != '='; skip_line_breaks()) {
    const char c = text[at];
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '+' && c != '/') return at;
    digits = (digits + 1) % 4;
    ++at;
  }
  if (at == text.size()) return at - digits;
  if (digits < 2) return at;
  ++at;
  skip_line_breaks();
  if (digits == 3) return at;
  if (at == text.size()) return at;
  if (text[at] != '=') return at - 1;
  ++at;
  skip_line_breaks();
  return at;
}

bool IsEmpty(const Value& value) {
  switch (value.kind()) {
    case Kind::kInvalid: return true;
    case Kind::kBool: return !value.boolean();
    case Kind::kInt:
    case Kind::kInt32:
    case Kind::kInt64: return value.integer() == 0;
    case Kind::kUint8:
    case Kind::kUint32:
    case Kind::kUint64: return value.unsigned_integer() == 0;
    case Kind::kFloat64: return value.real() == 0;
    case Kind::kString: return value.text().empty();
    case Kind::kSlice: return value.items().empty();
    case Kind::kMap: return value.entries().empty();
    default: return false;
  }
}

}  // namespace nodekeep::go
