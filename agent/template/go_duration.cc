// Durations of Go's time package.

#include <fmt/format.h>

#include <array>
#include <limits>

#include "agent/template/go_time.h"
#include "agent/template/time_quote.h"

namespace nodekeep::go {
namespace {

constexpr std::uint64_t kLimit = 1ull << 63;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

Error Invalid(std::string_view text) {
  return Error::Format(ErrorCode::kInvalid, "time: invalid duration {}", TimeQuote(text));
}

struct Unit {
  std::string_view name;
  std::uint64_t nanoseconds;
};
constexpr std::array<Unit, 8> kUnits = {{{"ns", 1},
                                         {"us", 1'000},
                                         {"\xC2\xB5s", 1'000},
                                         {"\xCE\xBCs", 1'000},
                                         {"ms", 1'000'000},
                                         {"s", 1'000'000'000},
                                         {"m", 60'000'000'000},
                                         {"h", 3'600'000'000'000}}};

std::uint64_t UnitOf(std::string_view name) {
  for (const Unit& unit : kUnits) {
    if (unit.name == name) return unit.nanoseconds;
  }
  return 0;
}

// The digits after the point, as far as they have an effect.
struct Fraction {
  std::uint64_t value = 0;
  double scale = 1;
};

Fraction TakeFraction(std::string_view& text) {
  Fraction fraction;
  bool overflowed = false;
  for (; !text.empty() && IsDigit(text[0]); text.remove_prefix(1)) {
    if (overflowed) continue;
    const auto digit = static_cast<std::uint64_t>(text[0] - '0');
    if (fraction.value > (kLimit - 1) / 10 || fraction.value * 10 + digit > kLimit) {
      overflowed = true;
      continue;
    }
    fraction.value = fraction.value * 10 + digit;
    fraction.scale *= 10;
  }
  return fraction;
}

// False: it overflows.
bool TakeWhole(std::string_view& text, std::uint64_t& value) {
  for (; !text.empty() && IsDigit(text[0]); text.remove_prefix(1)) {
    if (value > kLimit / 10) return false;
    value = value * 10 + static_cast<std::uint64_t>(text[0] - '0');
    if (value > kLimit) return false;
  }
  return true;
}

// One number with its unit, from the front of `rest`.
Result<std::uint64_t> TakePart(std::string_view& rest, std::string_view all) {
  if (rest[0] != '.' && !IsDigit(rest[0])) return Invalid(all);
  const std::size_t before = rest.size();
  std::uint64_t value = 0;
  if (!TakeWhole(rest, value)) return Invalid(all);
  bool has_digits = rest.size() != before;
  Fraction fraction;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    const std::size_t start = rest.size();
    fraction = TakeFraction(rest);
    has_digits = has_digits || rest.size() != start;
  }
  if (!has_digits) return Invalid(all);
  std::size_t size = 0;
  while (size < rest.size() && rest[size] != '.' && !IsDigit(rest[size])) ++size;
  if (size == 0) {
    return Error::Format(ErrorCode::kInvalid, "time: missing unit in duration {}", TimeQuote(all));
  }
  const std::string_view name = rest.substr(0, size);
  rest.remove_prefix(size);
  const std::uint64_t unit = UnitOf(name);
  if (unit == 0) {
    return Error::Format(ErrorCode::kInvalid, "time: unknown unit {} in duration {}",
                         TimeQuote(name), TimeQuote(all));
  }
  if (value > kLimit / unit) return Invalid(all);
  value *= unit;
  if (fraction.value > 0) {
    value += static_cast<std::uint64_t>(static_cast<double>(fraction.value) *
                                        (static_cast<double>(unit) / fraction.scale));
    if (value > kLimit) return Invalid(all);
  }
  return value;
}

// Digits of `value` as a fraction of 10^width, without zeros at the end: ".5".
std::string FractionText(std::uint64_t value, int width) {
  if (value == 0) return "";
  std::string text = fmt::format(".{:0{}}", value, width);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

std::string SmallText(std::uint64_t size) {
  if (size < 1'000) return fmt::format("{}ns", size);
  if (size < 1'000'000) {
    return fmt::format("{}{}\xC2\xB5s", size / 1'000, FractionText(size % 1'000, 3));
  }
  return fmt::format("{}{}ms", size / 1'000'000, FractionText(size % 1'000'000, 6));
}

}  // namespace

std::string TimeQuote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < ' ' || byte >= 0x80) {
      quoted += fmt::format("\\x{:02x}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

Result<std::int64_t> ParseGoDuration(std::string_view text) {
  std::string_view rest = text;
  const bool is_negative = rest.starts_with('-');
  if (is_negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return std::int64_t{0};
  if (rest.empty()) return Invalid(text);
  std::uint64_t total = 0;
  while (!rest.empty()) {
    const Result<std::uint64_t> part = TakePart(rest, text);
    if (!part.ok()) return part.error();
    total += *part;
    if (total > kLimit) return Invalid(text);
  }
  if (is_negative) return static_cast<std::int64_t>(0 - total);
  if (total > kLimit - 1) return Invalid(text);
  return static_cast<std::int64_t>(total);
}

std::string DurationText(std::int64_t nanoseconds) {
  if (nanoseconds == 0) return "0s";
  const std::string sign = nanoseconds < 0 ? "-" : "";
  const auto bits = static_cast<std::uint64_t>(nanoseconds);
  const std::uint64_t size = nanoseconds < 0 ? 0 - bits : bits;
  constexpr std::uint64_t kSecond = 1'000'000'000;
  if (size < kSecond) return sign + SmallText(size);
  const std::uint64_t seconds = size / kSecond;
  std::string text = fmt::format("{}{}s", seconds % 60, FractionText(size % kSecond, 9));
  if (seconds >= 60) text = fmt::format("{}m{}", seconds / 60 % 60, text);
  if (seconds >= 3600) text = fmt::format("{}h{}", seconds / 3600, text);
  return sign + text;
}

std::int64_t RoundDuration(std::int64_t nanoseconds, std::int64_t unit) {
  if (unit <= 0) return nanoseconds;
  const __int128 value = nanoseconds;
  const __int128 rest = value % unit;
  const __int128 size = rest < 0 ? -rest : rest;
  __int128 rounded = value - rest;
  if (size + size >= unit) rounded += value < 0 ? -static_cast<__int128>(unit) : unit;
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  return rounded < kMin ? kMin : rounded > kMax ? kMax : static_cast<std::int64_t>(rounded);
}

}  // namespace nodekeep::go
