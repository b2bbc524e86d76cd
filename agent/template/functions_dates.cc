#include <limits>

#include "agent/template/function.h"
#include "agent/template/go_time.h"

namespace nodekeep::go {
namespace {

using Arguments = std::span<const Value>;

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::string_view kHtmlDate = "2006-01-02";
constexpr std::string_view kString = "2006-01-02 15:04:05.999999999 -0700 MST";

const GoTime& TimeIn(const Value& value) { return static_cast<const GoTime&>(*value.object()); }

Value TimeValue(GoTime time) {
  return Value::Of(Type::kTime, std::make_shared<const GoTime>(std::move(time)));
}

Value DurationValue(std::int64_t nanoseconds) {
  return Value::Integer(Type::kDuration, nanoseconds);
}

// A time, or seconds since 1970; nullopt for every other type.
std::optional<GoTime> TimeFrom(const Value& value) {
  switch (value.type()) {
    case Type::kTime: return TimeIn(value);
    case Type::kInt:
    case Type::kInt32:
    case Type::kInt64: return GoTime(value.integer(), 0, Utc());
    default: return std::nullopt;
  }
}

Result<Value> Formatted(Call& call, std::string_view layout, const Value& value,
                        const std::string& zone) {
  // An element of the layout takes at least one byte and gives at most nine or so.
  constexpr std::size_t kGrowth = 10;
  if (Status charged = call.Charge(kGrowth * layout.size()); !charged.ok()) return charged.error();
  GoTime time = TimeFrom(value).value_or(TimeOf(call.now()));
  LocationPtr location = LoadLocation(zone);
  time.location = location ? std::move(location) : Utc();
  return Value::Text(FormatGoTime(time, layout));
}

Result<Value> Now(Call& call, Arguments) { return TimeValue(TimeOf(call.now())); }

Result<Value> Date(Call& call, Arguments in) {
  return Formatted(call, in[0].text(), in[1], "Local");
}

Result<Value> DateInZone(Call& call, Arguments in) {
  return Formatted(call, in[0].text(), in[1], std::string(in[2].text()));
}

Result<Value> HtmlDate(Call& call, Arguments in) {
  return Formatted(call, kHtmlDate, in[0], "Local");
}

Result<Value> HtmlDateInZone(Call& call, Arguments in) {
  return Formatted(call, kHtmlDate, in[0], std::string(in[1].text()));
}

Result<Value> MustToDate(Call& call, Arguments in) {
  // A text that is no time is quoted in the error, three times.
  const std::size_t read = in[0].text().size() + in[1].text().size();
  if (Status charged = call.Charge(4 * read); !charged.ok()) return charged.error();
  Result<GoTime> time = ParseGoTime(in[0].text(), in[1].text());
  if (!time.ok()) return time.error();
  return TimeValue(*std::move(time));
}

Result<Value> ToDate(Call& call, Arguments in) {
  Result<Value> time = MustToDate(call, in);
  if (time.ok() || time.error().code() == ErrorCode::kTooLarge) return time;
  return TimeValue(ZeroTime());
}

Result<Value> MustDateModify(Call&, Arguments in) {
  const Result<std::int64_t> duration = ParseGoDuration(in[0].text());
  if (!duration.ok()) return duration.error();
  return TimeValue(AddTo(TimeIn(in[1]), *duration));
}

Result<Value> DateModify(Call& call, Arguments in) {
  Result<Value> time = MustDateModify(call, in);
  return time.ok() ? time : in[1];
}

Result<Value> Ago(Call& call, Arguments in) {
  const GoTime now = TimeOf(call.now());
  const GoTime time = TimeFrom(in[0]).value_or(now);
  return Value::Text(DurationText(RoundDuration(Difference(now, time), kNanosPerSecond)));
}

// strconv.ParseInt(text, 10, 64) without its error: out of range gives the nearest number.
std::int64_t ParseWhole(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text.find_first_not_of("0123456789") != text.npos) return 0;
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  const std::uint64_t limit = kMax + (is_negative ? 1 : 0);
  std::uint64_t size = 0;
  for (const char c : text) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (size > (limit - digit) / 10) {
      size = limit;
      break;
    }
    size = size * 10 + digit;
  }
  return static_cast<std::int64_t>(is_negative ? 0 - size : size);
}

Result<Value> DurationOf(Call&, Arguments in) {
  std::int64_t seconds = 0;
  if (in[0].type() == Type::kString) seconds = ParseWhole(in[0].text());
  if (in[0].type() == Type::kInt64) seconds = in[0].integer();
  const std::uint64_t bits = static_cast<std::uint64_t>(seconds) * kNanosPerSecond;
  return Value::Text(DurationText(static_cast<std::int64_t>(bits)));
}

std::int64_t DurationFrom(Call& call, const Value& value) {
  switch (value.type()) {
    case Type::kString: {
      const Result<std::int64_t> duration = ParseGoDuration(value.text());
      return duration.ok() ? *duration : 0;
    }
    case Type::kInt64: return value.integer();
    case Type::kTime: return Difference(TimeOf(call.now()), TimeIn(value));
    default: return 0;
  }
}

Result<Value> DurationRound(Call& call, Arguments in) {
  struct Unit {
    std::string_view name;
    std::uint64_t seconds;
  };
  constexpr std::uint64_t kDay = 86400;
  constexpr Unit kUnits[] = {{"y", 365 * kDay}, {"mo", 30 * kDay}, {"d", kDay},
                             {"h", 3600},       {"m", 60},         {"s", 1}};
  const std::int64_t duration = DurationFrom(call, in[0]);
  const auto bits = static_cast<std::uint64_t>(duration);
  const std::uint64_t size = duration < 0 ? 0 - bits : bits;
  for (const Unit& unit : kUnits) {
    const std::uint64_t nanoseconds = unit.seconds * kNanosPerSecond;
    if (size > nanoseconds) return Value::Text(fmt::format("{}{}", size / nanoseconds, unit.name));
  }
  return Value::Text("0s");
}

Result<Value> UnixEpoch(Call&, Arguments in) {
  return Value::Text(std::to_string(TimeIn(in[0]).seconds));
}

// Methods. The receiver is the first argument.

Result<Value> TimeFormat(Call& call, Arguments in) {
  constexpr std::size_t kGrowth = 10;
  if (Status charged = call.Charge(kGrowth * in[1].text().size()); !charged.ok())
    return charged.error();
  return Value::Text(FormatGoTime(TimeIn(in[0]), in[1].text()));
}

Result<Value> AnyString(Call&, Arguments in) { return Value::Text(TimeText(in[0]).value_or("")); }

template <auto kField>
Result<Value> CivilField(Call&, Arguments in) {
  return Value::Int(CivilOf(TimeIn(in[0])).*kField);
}

Result<Value> TimeMonth(Call&, Arguments in) {
  return Value::Integer(Type::kMonth, CivilOf(TimeIn(in[0])).month);
}
Result<Value> TimeWeekday(Call&, Arguments in) {
  return Value::Integer(Type::kWeekday, CivilOf(TimeIn(in[0])).weekday);
}
Result<Value> TimeNanosecond(Call&, Arguments in) { return Value::Int(TimeIn(in[0]).nanoseconds); }

// Since 1970, in units of `kPerSecond`; wraps as in Go.
template <std::uint64_t kPerSecond>
Result<Value> TimeUnix(Call&, Arguments in) {
  const GoTime& time = TimeIn(in[0]);
  const std::uint64_t units =
      static_cast<std::uint64_t>(time.seconds) * kPerSecond +
      static_cast<std::uint64_t>(time.nanoseconds) / (kNanosPerSecond / kPerSecond);
  return Value::Int64(static_cast<std::int64_t>(units));
}

Result<Value> TimeUtc(Call&, Arguments in) {
  GoTime time = TimeIn(in[0]);
  time.location = Utc();
  return TimeValue(std::move(time));
}

Result<Value> TimeLocation(Call&, Arguments in) {
  return Value::Of(Type::kLocation, TimeIn(in[0]).location);
}

Result<Value> TimeInLocation(Call&, Arguments in) {
  GoTime time = TimeIn(in[0]);
  time.location = std::static_pointer_cast<const Location>(in[1].object());
  return TimeValue(std::move(time));
}

Result<Value> TimeAdd(Call&, Arguments in) {
  return TimeValue(AddTo(TimeIn(in[0]), in[1].integer()));
}

Result<Value> TimeAddDate(Call&, Arguments in) {
  const GoTime& time = TimeIn(in[0]);
  const CivilTime civil = CivilOf(time);
  const auto sum = [](std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  };
  return TimeValue(DateOf(sum(civil.year, in[1].integer()), sum(civil.month, in[2].integer()),
                          sum(civil.day, in[3].integer()), civil.hour, civil.minute, civil.second,
                          time.nanoseconds, time.location));
}

Result<Value> TimeSub(Call&, Arguments in) {
  return DurationValue(Difference(TimeIn(in[0]), TimeIn(in[1])));
}

int Compare(const GoTime& a, const GoTime& b) {
  if (a.seconds != b.seconds) return a.seconds < b.seconds ? -1 : 1;
  if (a.nanoseconds != b.nanoseconds) return a.nanoseconds < b.nanoseconds ? -1 : 1;
  return 0;
}

template <int kWanted>
Result<Value> TimeCompares(Call&, Arguments in) {
  return Value::Bool(Compare(TimeIn(in[0]), TimeIn(in[1])) == kWanted);
}
Result<Value> TimeCompare(Call&, Arguments in) {
  return Value::Int(Compare(TimeIn(in[0]), TimeIn(in[1])));
}

Result<Value> TimeTruncate(Call&, Arguments in) {
  return TimeValue(TruncateTime(TimeIn(in[0]), in[1].integer()));
}
Result<Value> TimeRound(Call&, Arguments in) {
  return TimeValue(RoundTime(TimeIn(in[0]), in[1].integer()));
}
Result<Value> TimeIsZero(Call&, Arguments in) {
  return Value::Bool(Compare(TimeIn(in[0]), ZeroTime()) == 0);
}
Result<Value> TimeIsDst(Call&, Arguments in) {
  return Value::Bool(CivilOf(TimeIn(in[0])).zone.is_dst);
}

// Such methods of Go cannot be called from templates.
template <int kCount>
Result<Value> ManyResults(Call&, Arguments) {
  return Error::Format(ErrorCode::kInvalid, "it has {} results; templates can use one", kCount);
}

template <std::int64_t kUnit>
Result<Value> DurationAsFloat(Call&, Arguments in) {
  const std::int64_t duration = in[0].integer();
  const std::int64_t whole = duration / kUnit;
  return Value::Float(static_cast<double>(whole) +
                      static_cast<double>(duration % kUnit) / static_cast<double>(kUnit));
}

template <std::int64_t kUnit>
Result<Value> DurationAsInt(Call&, Arguments in) {
  return Value::Int64(in[0].integer() / kUnit);
}

Result<Value> DurationTruncate(Call&, Arguments in) {
  const std::int64_t unit = in[1].integer();
  const std::int64_t duration = in[0].integer();
  return DurationValue(unit <= 0 ? duration : duration - duration % unit);
}
Result<Value> DurationRounded(Call&, Arguments in) {
  return DurationValue(RoundDuration(in[0].integer(), in[1].integer()));
}
Result<Value> DurationAbs(Call&, Arguments in) {
  const std::int64_t duration = in[0].integer();
  if (duration >= 0) return in[0];
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  return DurationValue(duration == kMin ? std::numeric_limits<std::int64_t>::max() : -duration);
}

constexpr std::int64_t kMinute = 60 * kNanosPerSecond;
constexpr std::int64_t kHour = 60 * kMinute;

}  // namespace

std::span<const Function> DateFunctions() {
  static const Function functions[] = {
      {"now", "", &Now, "The current time."},
      {"date", "layout string, time any", &Date,
       "The time in a layout of Go. The time may also be seconds since 1970; every other type "
       "means now.",
       R"({{ date "2006-01-02 15:04" 1700000000 }})"},
      {"dateInZone", "layout string, time any, zone string", &DateInZone,
       "The time in a layout of Go and a time zone; UTC if there is no such zone.",
       R"({{ dateInZone "2006-01-02 15:04 MST" 1700000000 "Europe/Berlin" }})"},
      {"date_in_zone", "layout string, time any, zone string", &DateInZone,
       "The same as dateInZone."},
      {"htmlDate", "time any", &HtmlDate, "The date as 2006-01-02.", "{{ htmlDate 1700000000 }}"},
      {"htmlDateInZone", "time any, zone string", &HtmlDateInZone,
       "The date in a time zone as 2006-01-02.", R"({{ htmlDateInZone 1700000000 "Asia/Tokyo" }})"},
      {"toDate", "layout string, text string", &ToDate,
       "The time that a text in that layout means; the year 1 if it cannot be read.",
       R"({{ (toDate "2006-01-02" "2026-03-01").Year }})"},
      {"mustToDate", "layout string, text string", &MustToDate,
       "As toDate; text that cannot be read is an error."},
      {"dateModify", "duration string, time time.Time", &DateModify,
       "The time moved by a duration; unchanged if the duration cannot be read.",
       R"({{ toDate "2006-01-02" "2026-03-01" | dateModify "-1h" | date "2006-01-02 15:04" }})"},
      {"date_modify", "duration string, time time.Time", &DateModify, "The same as dateModify."},
      {"mustDateModify", "duration string, time time.Time", &MustDateModify,
       "As dateModify; a duration that cannot be read is an error."},
      {"must_date_modify", "duration string, time time.Time", &MustDateModify,
       "The same as mustDateModify."},
      {"ago", "time any", &Ago, "The time since then, rounded to seconds."},
      {"duration", "seconds any", &DurationOf, "Seconds, given as text or int64, as a duration.",
       R"({{ duration "3700" }})"},
      {"durationRound", "duration any", &DurationRound,
       "A duration in its largest unit: y, mo, d, h, m or s.", R"({{ durationRound "2h10m5s" }})"},
      {"unixEpoch", "time time.Time", &UnixEpoch, "Seconds since 1970.",
       R"({{ toDate "2006-01-02" "2026-03-01" | unixEpoch }})"},
  };
  return functions;
}

std::span<const Method> TimeMethods() {
  static const Method methods[] = {
      {Type::kTime, {"Format", "layout string", &TimeFormat, ""}},
      {Type::kTime, {"String", "", &AnyString, ""}},
      {Type::kTime, {"Year", "", &CivilField<&CivilTime::year>, ""}},
      {Type::kTime, {"Month", "", &TimeMonth, ""}},
      {Type::kTime, {"Day", "", &CivilField<&CivilTime::day>, ""}},
      {Type::kTime, {"Hour", "", &CivilField<&CivilTime::hour>, ""}},
      {Type::kTime, {"Minute", "", &CivilField<&CivilTime::minute>, ""}},
      {Type::kTime, {"Second", "", &CivilField<&CivilTime::second>, ""}},
      {Type::kTime, {"Nanosecond", "", &TimeNanosecond, ""}},
      {Type::kTime, {"Weekday", "", &TimeWeekday, ""}},
      {Type::kTime, {"YearDay", "", &CivilField<&CivilTime::year_day>, ""}},
      {Type::kTime, {"Unix", "", &TimeUnix<1>, ""}},
      {Type::kTime, {"UnixMilli", "", &TimeUnix<1'000>, ""}},
      {Type::kTime, {"UnixMicro", "", &TimeUnix<1'000'000>, ""}},
      {Type::kTime, {"UnixNano", "", &TimeUnix<1'000'000'000>, ""}},
      {Type::kTime, {"UTC", "", &TimeUtc, ""}},
      {Type::kTime, {"Local", "", &TimeUtc, ""}},
      {Type::kTime, {"Location", "", &TimeLocation, ""}},
      {Type::kTime, {"In", "loc *time.Location", &TimeInLocation, ""}},
      {Type::kTime, {"Add", "d time.Duration", &TimeAdd, ""}},
      {Type::kTime, {"AddDate", "years int, months int, days int", &TimeAddDate, ""}},
      {Type::kTime, {"Sub", "u time.Time", &TimeSub, ""}},
      {Type::kTime, {"Before", "u time.Time", &TimeCompares<-1>, ""}},
      {Type::kTime, {"After", "u time.Time", &TimeCompares<1>, ""}},
      {Type::kTime, {"Equal", "u time.Time", &TimeCompares<0>, ""}},
      {Type::kTime, {"Compare", "u time.Time", &TimeCompare, ""}},
      {Type::kTime, {"Truncate", "d time.Duration", &TimeTruncate, ""}},
      {Type::kTime, {"Round", "d time.Duration", &TimeRound, ""}},
      {Type::kTime, {"IsZero", "", &TimeIsZero, ""}},
      {Type::kTime, {"IsDST", "", &TimeIsDst, ""}},
      {Type::kTime, {"Date", "", &ManyResults<3>, ""}},
      {Type::kTime, {"Clock", "", &ManyResults<3>, ""}},
      {Type::kTime, {"ISOWeek", "", &ManyResults<2>, ""}},
      {Type::kTime, {"Zone", "", &ManyResults<2>, ""}},
      {Type::kTime, {"ZoneBounds", "", &ManyResults<2>, ""}},
      {Type::kDuration, {"String", "", &AnyString, ""}},
      {Type::kDuration, {"Hours", "", &DurationAsFloat<kHour>, ""}},
      {Type::kDuration, {"Minutes", "", &DurationAsFloat<kMinute>, ""}},
      {Type::kDuration, {"Seconds", "", &DurationAsFloat<kNanosPerSecond>, ""}},
      {Type::kDuration, {"Milliseconds", "", &DurationAsInt<1'000'000>, ""}},
      {Type::kDuration, {"Microseconds", "", &DurationAsInt<1'000>, ""}},
      {Type::kDuration, {"Nanoseconds", "", &DurationAsInt<1>, ""}},
      {Type::kDuration, {"Round", "m time.Duration", &DurationRounded, ""}},
      {Type::kDuration, {"Truncate", "m time.Duration", &DurationTruncate, ""}},
      {Type::kDuration, {"Abs", "", &DurationAbs, ""}},
      {Type::kMonth, {"String", "", &AnyString, ""}},
      {Type::kWeekday, {"String", "", &AnyString, ""}},
      {Type::kLocation, {"String", "", &AnyString, ""}},
  };
  return methods;
}

std::optional<std::string> TimeText(const Value& value) {
  switch (value.type()) {
    case Type::kTime: return FormatGoTime(TimeIn(value), kString);
    case Type::kDuration: return DurationText(value.integer());
    case Type::kMonth: return MonthText(value.integer());
    case Type::kWeekday: return WeekdayText(value.integer());
    case Type::kLocation: return static_cast<const Location&>(*value.object()).name();
    default: return std::nullopt;
  }
}

}  // namespace nodekeep::go
