#pragma once

// Go's time package: times, zones, durations, layouts. "Local" is UTC.

#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/template/value.h"

namespace nodekeep::go {

// *time.Location. Immutable.
class Location final : public Object {
 public:
  // UTC, and a fixed offset in seconds.
  Location() : name_("UTC"), abbreviation_("UTC") {}
  Location(std::string name, int offset) : name_(name), abbreviation_(name), offset_(offset) {}
  Location(std::string name, absl::TimeZone zone) : name_(std::move(name)), zone_(zone) {}

  const std::string& name() const { return name_; }
  struct Zone {
    std::string abbreviation;  // "" if unknown
    int offset = 0;            // seconds east of UTC
    bool is_dst = false;
  };
  Zone At(std::int64_t unix_seconds) const;

 private:
  std::string name_;
  std::string abbreviation_;
  int offset_ = 0;
  std::optional<absl::TimeZone> zone_;
};
using LocationPtr = std::shared_ptr<const Location>;

LocationPtr Utc();
// time.LoadLocation. Null: there is no such zone.
LocationPtr LoadLocation(const std::string& name);

// time.Time. Immutable.
struct GoTime final : public Object {
  GoTime(std::int64_t unix_seconds, std::int32_t nanos, LocationPtr where)
      : seconds(unix_seconds), nanoseconds(nanos), location(std::move(where)) {}

  std::int64_t seconds;      // since 1970
  std::int32_t nanoseconds;  // 0..999999999
  LocationPtr location;
};

// The fields of a time in its zone.
struct CivilTime {
  std::int64_t year = 1;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int weekday = 0;  // Sunday is 0
  int year_day = 1;
  Location::Zone zone;
};

// 0001-01-01 00:00:00 UTC, in seconds since 1970.
inline constexpr std::int64_t kYearOne = -62135596800;

GoTime ZeroTime();
GoTime TimeOf(WallTime time);
CivilTime CivilOf(const GoTime& time);
// time.Date: fields may be out of their range.
GoTime DateOf(std::int64_t year, std::int64_t month, std::int64_t day, std::int64_t hour,
              std::int64_t minute, std::int64_t second, std::int32_t nanoseconds,
              LocationPtr location);
// Days from 1970-01-01; the month may be out of its range.
std::int64_t DaysFromCivil(std::int64_t year, std::int64_t month, std::int64_t day);
bool IsLeapYear(std::int64_t year);
int DaysInMonth(int month, std::int64_t year);

GoTime AddTo(const GoTime& time, std::int64_t nanoseconds);
// Saturates.
std::int64_t Difference(const GoTime& time, const GoTime& other);
GoTime TruncateTime(const GoTime& time, std::int64_t unit);
GoTime RoundTime(const GoTime& time, std::int64_t unit);

std::string FormatGoTime(const GoTime& time, std::string_view layout);
// time.ParseInLocation with UTC. Errors: kInvalid with Go's text.
Result<GoTime> ParseGoTime(std::string_view layout, std::string_view text);

// time.ParseDuration. Errors: kInvalid with Go's text.
Result<std::int64_t> ParseGoDuration(std::string_view text);
std::string DurationText(std::int64_t nanoseconds);
std::int64_t RoundDuration(std::int64_t nanoseconds, std::int64_t unit);

std::string MonthText(std::int64_t month);
std::string WeekdayText(std::int64_t day);

// A time.Time as encoding/json writes it, without the quotes; nullopt if it is out of the range of
// RFC 3339. Precondition: the type.
std::optional<std::string> TimeJson(const Value& value);

// One element of a layout.
enum class LayoutElement {
  kNone,
  kLongMonth,
  kMonth,
  kNumMonth,
  kZeroMonth,
  kLongWeekday,
  kWeekday,
  kDay,
  kUnderDay,
  kZeroDay,
  kUnderYearDay,
  kZeroYearDay,
  kHour,
  kHour12,
  kZeroHour12,
  kMinute,
  kZeroMinute,
  kSecond,
  kZeroSecond,
  kLongYear,
  kYear,
  kUpperPm,
  kLowerPm,
  kZoneName,
  kOffset,         // "-0700" and its forms; with `is_iso` "Z0700"
  kFraction,       // ".000"
  kFractionShort,  // ".999"
};

struct LayoutChunk {
  std::string_view prefix;  // text before the element
  LayoutElement element = LayoutElement::kNone;
  std::string_view spelling;
  std::string_view suffix;

  // Of kOffset.
  bool is_iso() const { return spelling.starts_with('Z'); }
  bool has_colon() const { return spelling.find(':') != std::string_view::npos; }
  std::size_t parts() const { return (spelling.size() - (has_colon() ? 1 : 0)) / 2; }
};
LayoutChunk NextChunk(std::string_view layout);

}  // namespace nodekeep::go
