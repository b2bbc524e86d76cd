#include "agent/template/go_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <limits>

namespace nodekeep::go {
namespace {

constexpr std::int64_t kSecondsPerDay = 86400;
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

std::int64_t FloorDiv(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// Go's arithmetic: overflow wraps.
std::int64_t WrappingAdd(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

std::int64_t WrappingMultiply(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

// Nanoseconds since year 1.
__int128 Absolute(const GoTime& time) {
  return (static_cast<__int128>(time.seconds) - kYearOne) * kNanosPerSecond + time.nanoseconds;
}

// What `time` is past a multiple of `unit`. Precondition: unit > 0.
std::int64_t Remainder(const GoTime& time, std::int64_t unit) {
  const auto rest = static_cast<std::int64_t>(Absolute(time) % unit);
  return rest < 0 ? rest + unit : rest;
}

bool IsZoneName(const std::string& name) {
  if (name.empty() || name.find("//") != std::string::npos) return false;
  if (name.starts_with('/') || name.starts_with("Fixed/") || name == "localtime") return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '_' || c == '-' || c == '+';
  });
}

}  // namespace

Location::Zone Location::At(std::int64_t unix_seconds) const {
  if (!zone_) return {abbreviation_, offset_, false};
  const absl::TimeZone::CivilInfo info = zone_->At(absl::FromUnixSeconds(unix_seconds));
  return {info.zone_abbr, info.offset, info.is_dst};
}

LocationPtr Utc() {
  static const LocationPtr utc = std::make_shared<const Location>();
  return utc;
}

LocationPtr LoadLocation(const std::string& name) {
  if (name.empty() || name == "UTC" || name == "Local") return Utc();
  if (!IsZoneName(name)) return nullptr;
  // Abseil remembers every name that it was asked for, also those that do not exist.
  std::error_code error;
  const std::filesystem::path file = std::filesystem::path("/usr/share/zoneinfo") / name;
  if (!std::filesystem::is_regular_file(file, error)) return nullptr;
  absl::TimeZone zone;
  if (!absl::LoadTimeZone(name, &zone)) return nullptr;
  return std::make_shared<const Location>(name, zone);
}

GoTime ZeroTime() { return {kYearOne, 0, Utc()}; }

GoTime TimeOf(WallTime time) {
  const auto count =
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  const std::int64_t seconds = FloorDiv(count, kNanosPerSecond);
  return {seconds, static_cast<std::int32_t>(count - seconds * kNanosPerSecond), Utc()};
}

bool IsLeapYear(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int DaysInMonth(int month, std::int64_t year) {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return kDays[static_cast<std::size_t>(month - 1)] + (month == 2 && IsLeapYear(year) ? 1 : 0);
}

// Years that begin in March put the leap day at their end; 400 of them have 146097 days.
std::int64_t DaysFromCivil(std::int64_t year, std::int64_t month, std::int64_t day) {
  const std::int64_t months = WrappingAdd(month, -1);
  year = WrappingAdd(year, FloorDiv(months, 12));
  const std::int64_t from_march = (months - FloorDiv(months, 12) * 12 + 10) % 12;
  const std::int64_t march_year = WrappingAdd(year, from_march >= 10 ? -1 : 0);
  const std::int64_t era = FloorDiv(march_year, 400);
  const std::int64_t in_era = march_year - era * 400;
  const std::int64_t year_day = (153 * from_march + 2) / 5;
  const std::int64_t days = in_era * 365 + in_era / 4 - in_era / 100 + year_day;
  constexpr std::int64_t kEpoch = 719468;  // 1970-01-01 since 0000-03-01
  return WrappingAdd(WrappingAdd(WrappingMultiply(era, 146097), days - kEpoch),
                     WrappingAdd(day, -1));
}

CivilTime CivilOf(const GoTime& time) {
  CivilTime civil;
  civil.zone = time.location->At(time.seconds);
  const std::int64_t local = WrappingAdd(time.seconds, civil.zone.offset);
  const std::int64_t days = FloorDiv(local, kSecondsPerDay);
  const auto second = static_cast<int>((local % kSecondsPerDay + kSecondsPerDay) % kSecondsPerDay);
  civil.hour = second / 3600;
  civil.minute = second / 60 % 60;
  civil.second = second % 60;
  civil.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  const std::int64_t shifted = days + 719468;
  const std::int64_t era = FloorDiv(shifted, 146097);
  const std::int64_t in_era = shifted - era * 146097;
  const std::int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
  const std::int64_t year_day = in_era - (365 * year + year / 4 - year / 100);
  const std::int64_t from_march = (5 * year_day + 2) / 153;
  civil.day = static_cast<int>(year_day - (153 * from_march + 2) / 5 + 1);
  civil.month = static_cast<int>(from_march < 10 ? from_march + 3 : from_march - 9);
  civil.year = year + era * 400 + (civil.month <= 2 ? 1 : 0);
  civil.year_day = static_cast<int>(days - DaysFromCivil(civil.year, 1, 1) + 1);
  return civil;
}

GoTime DateOf(std::int64_t year, std::int64_t month, std::int64_t day, std::int64_t hour,
              std::int64_t minute, std::int64_t second, std::int32_t nanoseconds,
              LocationPtr location) {
  std::int64_t seconds = WrappingMultiply(DaysFromCivil(year, month, day), kSecondsPerDay);
  seconds = WrappingAdd(seconds, hour * 3600 + minute * 60 + second);
  const int offset = location->At(seconds).offset;
  if (offset != 0) {
    seconds = WrappingAdd(seconds, -location->At(WrappingAdd(seconds, -offset)).offset);
  }
  return {seconds, nanoseconds, std::move(location)};
}

GoTime AddTo(const GoTime& time, std::int64_t nanoseconds) {
  std::int64_t seconds = WrappingAdd(time.seconds, nanoseconds / kNanosPerSecond);
  auto nanos = static_cast<std::int32_t>(time.nanoseconds + nanoseconds % kNanosPerSecond);
  if (nanos >= kNanosPerSecond) {
    seconds = WrappingAdd(seconds, 1);
    nanos -= static_cast<std::int32_t>(kNanosPerSecond);
  } else if (nanos < 0) {
    seconds = WrappingAdd(seconds, -1);
    nanos += static_cast<std::int32_t>(kNanosPerSecond);
  }
  return {seconds, nanos, time.location};
}

std::int64_t Difference(const GoTime& time, const GoTime& other) {
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  const __int128 difference = Absolute(time) - Absolute(other);
  return difference < kMin   ? kMin
         : difference > kMax ? kMax
                             : static_cast<std::int64_t>(difference);
}

GoTime TruncateTime(const GoTime& time, std::int64_t unit) {
  return unit <= 0 ? time : AddTo(time, -Remainder(time, unit));
}

GoTime RoundTime(const GoTime& time, std::int64_t unit) {
  if (unit <= 0) return time;
  const std::int64_t rest = Remainder(time, unit);
  return AddTo(time, rest < unit - rest ? -rest : unit - rest);
}

std::optional<std::string> TimeJson(const Value& value) {
  const auto& time = static_cast<const GoTime&>(*value.object());
  const CivilTime civil = CivilOf(time);
  constexpr int kLastOffset = 24 * 3600;
  if (civil.year < 0 || civil.year > 9999) return std::nullopt;
  if (civil.zone.offset <= -kLastOffset || civil.zone.offset >= kLastOffset) return std::nullopt;
  return FormatGoTime(time, "2006-01-02T15:04:05.999999999Z07:00");
}

std::string MonthText(std::int64_t month) {
  constexpr std::array<std::string_view, 12> kNames = {
      "January", "February", "March",     "April",   "May",      "June",
      "July",    "August",   "September", "October", "November", "December"};
  if (month < 1 || month > 12) return fmt::format("%!Month({})", static_cast<std::uint64_t>(month));
  return std::string(kNames[static_cast<std::size_t>(month - 1)]);
}

std::string WeekdayText(std::int64_t day) {
  constexpr std::array<std::string_view, 7> kNames = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                      "Thursday", "Friday", "Saturday"};
  if (day < 0 || day > 6) return fmt::format("%!Weekday({})", static_cast<std::uint64_t>(day));
  return std::string(kNames[static_cast<std::size_t>(day)]);
}

}  // namespace nodekeep::go
