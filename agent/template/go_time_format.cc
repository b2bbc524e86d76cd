// Layouts of Go's time package, and times written by them.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "agent/template/go_time.h"

namespace nodekeep::go {
namespace {

using Element = LayoutElement;

struct Spelling {
  std::string_view text;
  Element element;
};
// Of spellings that begin with the same letters the longer one stands first.
constexpr std::array<Spelling, 33> kSpellings = {{
    {"January", Element::kLongMonth},
    {"Jan", Element::kMonth},
    {"Monday", Element::kLongWeekday},
    {"Mon", Element::kWeekday},
    {"MST", Element::kZoneName},
    {"01", Element::kZeroMonth},
    {"002", Element::kZeroYearDay},
    {"02", Element::kZeroDay},
    {"03", Element::kZeroHour12},
    {"04", Element::kZeroMinute},
    {"05", Element::kZeroSecond},
    {"06", Element::kYear},
    {"15", Element::kHour},
    {"1", Element::kNumMonth},
    {"2006", Element::kLongYear},
    {"2", Element::kDay},
    {"__2", Element::kUnderYearDay},
    {"_2", Element::kUnderDay},
    {"3", Element::kHour12},
    {"4", Element::kMinute},
    {"5", Element::kSecond},
    {"PM", Element::kUpperPm},
    {"pm", Element::kLowerPm},
    {"-07:00:00", Element::kOffset},
    {"-070000", Element::kOffset},
    {"-07:00", Element::kOffset},
    {"-0700", Element::kOffset},
    {"-07", Element::kOffset},
    {"Z07:00:00", Element::kOffset},
    {"Z070000", Element::kOffset},
    {"Z07:00", Element::kOffset},
    {"Z0700", Element::kOffset},
    {"Z07", Element::kOffset},
}};

bool StartsLowerCase(std::string_view text) {
  return !text.empty() && text[0] >= 'a' && text[0] <= 'z';
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// ".000" and ",999" at the front of `text`; their size, or 0.
std::size_t FractionSize(std::string_view text) {
  if (text.size() < 2 || (text[0] != '.' && text[0] != ',')) return 0;
  if (text[1] != '0' && text[1] != '9') return 0;
  const std::size_t end = std::min(text.find_first_not_of(text[1], 1), text.size());
  return end < text.size() && IsDigit(text[end]) ? 0 : end;
}

const Spelling* FindSpelling(std::string_view text) {
  for (const Spelling& spelling : kSpellings) {
    if (!text.starts_with(spelling.text)) continue;
    const bool is_word = spelling.text == "Jan" || spelling.text == "Mon";
    if (is_word && StartsLowerCase(text.substr(spelling.text.size()))) continue;
    return &spelling;
  }
  return nullptr;
}

std::string Padded(std::int64_t value, int width) {
  const auto bits = static_cast<std::uint64_t>(value);
  return fmt::format("{}{:0{}}", value < 0 ? "-" : "", value < 0 ? 0 - bits : bits, width);
}

std::string OffsetText(const LayoutChunk& chunk, int offset) {
  if (chunk.is_iso() && offset == 0) return "Z";
  const int size = std::abs(offset);
  const bool is_negative = offset / 60 < 0;
  const std::string_view colon = chunk.has_colon() ? ":" : "";
  std::string text = fmt::format("{}{:02}", is_negative ? '-' : '+', size / 3600);
  if (chunk.spelling.size() > 3) text += fmt::format("{}{:02}", colon, size / 60 % 60);
  if (chunk.spelling.size() > 6) text += fmt::format("{}{:02}", colon, size % 60);
  return text;
}

std::string ZoneName(const Location::Zone& zone) {
  if (!zone.abbreviation.empty()) return zone.abbreviation;
  const int minutes = std::abs(zone.offset / 60);
  return fmt::format("{}{:02}{:02}", zone.offset / 60 < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

std::string FractionText(const LayoutChunk& chunk, std::int32_t nanoseconds) {
  std::string digits = fmt::format("{:09}", nanoseconds);
  digits.resize(std::min(chunk.spelling.size() - 1, digits.size()));
  if (chunk.element == Element::kFractionShort) {
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.empty()) return "";
  }
  return chunk.spelling[0] + digits;
}

int Hour12(int hour) { return hour % 12 == 0 ? 12 : hour % 12; }

std::string DateText(const LayoutChunk& chunk, const CivilTime& civil) {
  switch (chunk.element) {
    case Element::kLongMonth: return MonthText(civil.month);
    case Element::kMonth: return MonthText(civil.month).substr(0, 3);
    case Element::kNumMonth: return std::to_string(civil.month);
    case Element::kZeroMonth: return Padded(civil.month, 2);
    case Element::kLongWeekday: return WeekdayText(civil.weekday);
    case Element::kWeekday: return WeekdayText(civil.weekday).substr(0, 3);
    case Element::kDay: return std::to_string(civil.day);
    case Element::kUnderDay: return fmt::format("{:2}", civil.day);
    case Element::kZeroDay: return Padded(civil.day, 2);
    case Element::kUnderYearDay: return fmt::format("{:3}", civil.year_day);
    case Element::kZeroYearDay: return Padded(civil.year_day, 3);
    case Element::kLongYear: return Padded(civil.year, 4);
    case Element::kYear: return Padded(std::abs(civil.year) % 100, 2);
    default: return "";
  }
}

std::string ClockText(const LayoutChunk& chunk, const CivilTime& civil, std::int32_t nanoseconds) {
  switch (chunk.element) {
    case Element::kHour: return Padded(civil.hour, 2);
    case Element::kHour12: return std::to_string(Hour12(civil.hour));
    case Element::kZeroHour12: return Padded(Hour12(civil.hour), 2);
    case Element::kMinute: return std::to_string(civil.minute);
    case Element::kZeroMinute: return Padded(civil.minute, 2);
    case Element::kSecond: return std::to_string(civil.second);
    case Element::kZeroSecond: return Padded(civil.second, 2);
    case Element::kUpperPm: return civil.hour >= 12 ? "PM" : "AM";
    case Element::kLowerPm: return civil.hour >= 12 ? "pm" : "am";
    case Element::kZoneName: return ZoneName(civil.zone);
    case Element::kOffset: return OffsetText(chunk, civil.zone.offset);
    case Element::kFraction:
    case Element::kFractionShort: return FractionText(chunk, nanoseconds);
    default: return DateText(chunk, civil);
  }
}

}  // namespace

LayoutChunk NextChunk(std::string_view layout) {
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const std::string_view rest = layout.substr(i);
    const auto chunk = [&](std::size_t skip, Element element, std::size_t size) {
      return LayoutChunk{layout.substr(0, i + skip), element, rest.substr(skip, size),
                         rest.substr(skip + size)};
    };
    if (const std::size_t size = FractionSize(rest); size > 0) {
      return chunk(0, rest[1] == '0' ? Element::kFraction : Element::kFractionShort, size);
    }
    if (rest.starts_with("_2006")) return chunk(1, Element::kLongYear, 4);
    if (const Spelling* const spelling = FindSpelling(rest)) {
      return chunk(0, spelling->element, spelling->text.size());
    }
  }
  return {layout, Element::kNone, "", ""};
}

std::string FormatGoTime(const GoTime& time, std::string_view layout) {
  const CivilTime civil = CivilOf(time);
  std::string text;
  while (!layout.empty()) {
    const LayoutChunk chunk = NextChunk(layout);
    text += chunk.prefix;
    if (chunk.element == Element::kNone) break;
    text += ClockText(chunk, civil, time.nanoseconds);
    layout = chunk.suffix;
  }
  return text;
}

}  // namespace nodekeep::go
