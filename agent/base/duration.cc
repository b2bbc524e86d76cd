#include "agent/base/duration.h"

#include <charconv>
#include <cstdint>
#include <limits>

#include "agent/base/go_text.h"

namespace nodekeep {
namespace {

struct DurationUnit {
  std::string_view name;
  std::int64_t nanoseconds;
};

constexpr DurationUnit kDurationUnits[] = {
    {"ns", 1},
    {"us", 1'000},
    {"\xC2\xB5s", 1'000},  // U+00B5 micro sign
    {"\xCE\xBCs", 1'000},  // U+03BC Greek letter mu
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
};

Error InvalidDuration(std::string_view text) {
  return Error::Format(ErrorCode::kInvalid,
                       "invalid duration {}: write it like 90s, 1h30m or 500ms",
                       GoQuote(text));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view TakeDigits(std::string_view& text) {
  std::size_t count = 0;
  while (count < text.size() && IsDigit(text[count])) ++count;
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

// Removes "<digits>[.<digits>]<unit>" from the front of `text`; false if there is none or its
// nanoseconds overflow.
bool TakeElement(std::string_view& text, std::int64_t& nanoseconds) {
  const std::string_view whole = TakeDigits(text);
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = TakeDigits(text);
  }
  if (whole.empty() && fraction.empty()) return false;
  std::size_t name_length = 0;
  while (name_length < text.size() && text[name_length] != '.' && !IsDigit(text[name_length])) {
    ++name_length;
  }
  const std::string_view name = text.substr(0, name_length);
  text.remove_prefix(name_length);
  std::int64_t unit = 0;
  for (const DurationUnit& known : kDurationUnits) {
    if (known.name == name) unit = known.nanoseconds;
  }
  std::int64_t count = 0;
  if (!whole.empty()) {
    const auto read = std::from_chars(whole.data(), whole.data() + whole.size(), count);
    if (read.ec != std::errc()) return false;
  }
  if (unit == 0 || __builtin_mul_overflow(count, unit, &nanoseconds)) return false;
  double scale = static_cast<double>(unit);
  double rest = 0;
  for (char digit : fraction) {
    scale /= 10;
    rest += (digit - '0') * scale;
  }
  return !__builtin_add_overflow(nanoseconds, static_cast<std::int64_t>(rest + 0.5), &nanoseconds);
}

struct SizeUnit {
  std::string_view name;
  std::uint64_t bytes;
};

constexpr std::uint64_t kKilo = 1000;
constexpr std::uint64_t kKibi = 1024;
constexpr SizeUnit kSizeUnits[] = {
    {"", 1},
    {"B", 1},
    {"k", kKilo},
    {"K", kKilo},
    {"kB", kKilo},
    {"KB", kKilo},
    {"M", kKilo * kKilo},
    {"MB", kKilo * kKilo},
    {"G", kKilo * kKilo * kKilo},
    {"GB", kKilo * kKilo * kKilo},
    {"T", kKilo * kKilo * kKilo * kKilo},
    {"TB", kKilo * kKilo * kKilo * kKilo},
    {"Ki", kKibi},
    {"KiB", kKibi},
    {"Mi", kKibi * kKibi},
    {"MiB", kKibi * kKibi},
    {"Gi", kKibi * kKibi * kKibi},
    {"GiB", kKibi * kKibi * kKibi},
    {"Ti", kKibi * kKibi * kKibi * kKibi},
    {"TiB", kKibi * kKibi * kKibi * kKibi},
};

}  // namespace

Result<Duration> ParseDuration(std::string_view text) {
  if (text.starts_with('-')) {
    return Error::Format(ErrorCode::kInvalid, "invalid duration {}: it must not be negative",
                         GoQuote(text));
  }
  std::string_view rest = text;
  if (rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return Duration::zero();
  if (rest.empty()) return InvalidDuration(text);
  std::int64_t total = 0;
  while (!rest.empty()) {
    std::int64_t element = 0;
    if (!TakeElement(rest, element) || __builtin_add_overflow(total, element, &total)) {
      return InvalidDuration(text);
    }
  }
  return std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(total));
}

std::string FormatDuration(Duration duration) {
  // Unsigned, because -Duration::min() overflows.
  const bool negative = duration < Duration::zero();
  std::uint64_t left = static_cast<std::uint64_t>(duration.count());
  if (negative) left = 0 - left;
  std::string text = negative ? "-" : "";
  if (left > 0 && left < 1000) return text + fmt::format("{}ms", left);
  const std::uint64_t milliseconds = left % 1000;
  left /= 1000;
  const std::uint64_t seconds = left % 60;
  const std::uint64_t minutes = left / 60 % 60;
  const std::uint64_t hours = left / 3600;
  if (hours > 0) text += fmt::format("{}h", hours);
  if (hours > 0 || minutes > 0) text += fmt::format("{}m", minutes);
  text += fmt::format("{}", seconds);
  if (milliseconds > 0) {
    std::string fraction = fmt::format(".{:03}", milliseconds);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    text += fraction;
  }
  return text + "s";
}

Result<std::size_t> ParseByteSize(std::string_view text) {
  const Error invalid = Error::Format(
      ErrorCode::kInvalid, "invalid size {}: write it like 64MiB, 4MB or a number of bytes",
      GoQuote(text));
  std::uint64_t count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (failure != std::errc()) return invalid;
  const std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const SizeUnit& unit : kSizeUnits) {
    if (unit.name != name) continue;
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(count, unit.bytes, &bytes)) return invalid;
    return bytes;
  }
  return invalid;
}

}  // namespace nodekeep
