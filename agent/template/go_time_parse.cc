// time.Parse of Go.

#include <algorithm>
#include <array>

#include "agent/template/go_time.h"
#include "agent/template/time_quote.h"

namespace nodekeep::go {
namespace {

using Element = LayoutElement;

bool IsDigitAt(std::string_view text, std::size_t at) {
  return at < text.size() && text[at] >= '0' && text[at] <= '9';
}

bool IsPoint(char c) { return c == '.' || c == ','; }

// A whole number with an optional sign and nothing else.
std::optional<std::int64_t> Atoi(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::int64_t value = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!IsDigitAt(text, i)) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return is_negative ? -value : value;
}

// One or two digits; exactly two if `is_fixed`.
std::optional<int> TakeNumber(std::string_view& text, bool is_fixed) {
  if (!IsDigitAt(text, 0)) return std::nullopt;
  if (!IsDigitAt(text, 1)) {
    if (is_fixed) return std::nullopt;
    const int value = text[0] - '0';
    text.remove_prefix(1);
    return value;
  }
  const int value = (text[0] - '0') * 10 + (text[1] - '0');
  text.remove_prefix(2);
  return value;
}

std::optional<int> TakeUpToThree(std::string_view& text, bool is_fixed) {
  int value = 0;
  std::size_t size = 0;
  for (; size < 3 && IsDigitAt(text, size); ++size) value = value * 10 + (text[size] - '0');
  if (size == 0 || (is_fixed && size != 3)) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

bool MatchesWithoutCase(std::string_view text, std::string_view name) {
  if (text.size() < name.size()) return false;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return std::equal(name.begin(), name.end(), text.begin(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

// Index of the name at the front of `text`; `size` 0: whole names.
std::optional<int> TakeName(std::string_view& text, int first, int count, std::size_t size,
                            std::string (*name_of)(std::int64_t)) {
  for (int i = 0; i < count; ++i) {
    std::string name = name_of(first + i);
    if (size > 0) name.resize(size);
    if (!MatchesWithoutCase(text, name)) continue;
    text.remove_prefix(name.size());
    return first + i;
  }
  return std::nullopt;
}

// Size of "+3" or "-12" at the front of `text`; 0 if there is none.
std::size_t SignedOffsetSize(std::string_view text) {
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return 0;
  std::size_t end = 1;
  int value = 0;
  for (; IsDigitAt(text, end); ++end) value = std::min(value * 10 + (text[end] - '0'), 1000);
  return end == 1 || value > 23 ? 0 : end;
}

// Size of what looks like the abbreviation of a zone; 0 if nothing does.
std::size_t ZoneNameSize(std::string_view text) {
  if (text.size() < 3) return 0;
  if (text.starts_with("ChST") || text.starts_with("MeST")) return 4;
  if (text.starts_with("GMT")) return 3 + SignedOffsetSize(text.substr(3));
  if (text[0] == '+' || text[0] == '-') return SignedOffsetSize(text);
  std::size_t upper = 0;
  while (upper < 6 && upper < text.size() && text[upper] >= 'A' && text[upper] <= 'Z') ++upper;
  switch (upper) {
    case 3: return 3;
    case 4: return text[3] == 'T' || text.starts_with("WITA") ? 4 : 0;
    case 5: return text[4] == 'T' ? 5 : 0;
    default: return 0;
  }
}

class Parser {
 public:
  Parser(std::string_view layout, std::string_view text)
      : layout_(layout), text_(text), rest_(text) {}

  Result<GoTime> Parse() {
    std::string_view layout = layout_;
    while (true) {
      const LayoutChunk chunk = NextChunk(layout);
      if (!SkipPrefix(chunk.prefix)) return CannotParse(rest_, prefix_left_);
      if (chunk.element == Element::kNone) break;
      layout = chunk.suffix;
      const std::string_view hold = rest_;
      const bool is_read = Read(chunk, layout);
      if (!range_.empty()) return Problem(": " + range_ + " out of range");
      if (!is_read) return CannotParse(hold, chunk.spelling);
    }
    if (!rest_.empty()) return Problem(": extra text: " + TimeQuote(rest_));
    return Finish();
  }

 private:
  Error Problem(const std::string& message) const {
    return Error::Format(ErrorCode::kInvalid, "parsing time {}{}", TimeQuote(text_), message);
  }

  Error CannotParse(std::string_view value, std::string_view element) const {
    return Error::Format(ErrorCode::kInvalid, "parsing time {} as {}: cannot parse {} as {}",
                         TimeQuote(text_), TimeQuote(layout_), TimeQuote(value),
                         TimeQuote(element));
  }

  static std::string_view WithoutBlanks(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    return text;
  }

  // A blank matches any number of blanks.
  bool SkipPrefix(std::string_view prefix) {
    prefix_left_ = prefix;
    while (!prefix.empty()) {
      if (prefix[0] == ' ') {
        if (!rest_.empty() && rest_[0] != ' ') return false;
        prefix = WithoutBlanks(prefix);
        rest_ = WithoutBlanks(rest_);
        continue;
      }
      if (rest_.empty() || rest_[0] != prefix[0]) return false;
      prefix.remove_prefix(1);
      rest_.remove_prefix(1);
    }
    return true;
  }

  bool Read(const LayoutChunk& chunk, std::string_view next) {
    switch (chunk.element) {
      case Element::kHour: return ReadClock(false, 23, "hour", hour_);
      case Element::kHour12: return ReadClock(false, 12, "hour", hour_);
      case Element::kZeroHour12: return ReadClock(true, 12, "hour", hour_);
      case Element::kMinute: return ReadClock(false, 59, "minute", minute_);
      case Element::kZeroMinute: return ReadClock(true, 59, "minute", minute_);
      case Element::kSecond: return ReadSecond(false, next);
      case Element::kZeroSecond: return ReadSecond(true, next);
      case Element::kUpperPm: return ReadHalf("AM", "PM");
      case Element::kLowerPm: return ReadHalf("am", "pm");
      case Element::kOffset: return ReadOffset(chunk);
      case Element::kZoneName: return ReadZoneName();
      case Element::kFraction: return ReadFraction(chunk.spelling.size());
      case Element::kFractionShort: return ReadShortFraction();
      default: return ReadDate(chunk.element);
    }
  }

  bool ReadDate(Element element) {
    std::optional<int> read;
    switch (element) {
      case Element::kYear: return ReadShortYear();
      case Element::kLongYear: return ReadYear();
      case Element::kMonth: read = TakeName(rest_, 1, 12, 3, &MonthText); break;
      case Element::kLongMonth: read = TakeName(rest_, 1, 12, 0, &MonthText); break;
      case Element::kNumMonth: return ReadMonth(false);
      case Element::kZeroMonth: return ReadMonth(true);
      case Element::kWeekday: return TakeName(rest_, 0, 7, 3, &WeekdayText).has_value();
      case Element::kLongWeekday: return TakeName(rest_, 0, 7, 0, &WeekdayText).has_value();
      case Element::kDay:
      case Element::kUnderDay:
      case Element::kZeroDay:
        if (element == Element::kUnderDay) SkipBlanks(1);
        read = TakeNumber(rest_, element == Element::kZeroDay);
        if (read) day_ = *read;
        return read.has_value();
      case Element::kUnderYearDay:
      case Element::kZeroYearDay:
        if (element == Element::kUnderYearDay) SkipBlanks(2);
        read = TakeUpToThree(rest_, element == Element::kZeroYearDay);
        if (read) year_day_ = *read;
        return read.has_value();
      default: return false;
    }
    if (read) month_ = *read;
    return read.has_value();
  }

  void SkipBlanks(int count) {
    for (; count > 0 && rest_.starts_with(' '); --count) rest_.remove_prefix(1);
  }

  bool ReadShortYear() {
    if (rest_.size() < 2) return false;
    const std::optional<std::int64_t> year = Atoi(rest_.substr(0, 2));
    rest_.remove_prefix(2);
    if (!year) return false;
    year_ = *year + (*year >= 69 ? 1900 : 2000);
    return true;
  }

  bool ReadYear() {
    if (rest_.size() < 4 || !IsDigitAt(rest_, 0)) return false;
    const std::optional<std::int64_t> year = Atoi(rest_.substr(0, 4));
    rest_.remove_prefix(4);
    if (year) year_ = *year;
    return year.has_value();
  }

  bool ReadMonth(bool is_fixed) {
    const std::optional<int> month = TakeNumber(rest_, is_fixed);
    if (!month) return false;
    month_ = *month;
    if (month_ <= 0 || month_ > 12) range_ = "month";
    return true;
  }

  bool ReadClock(bool is_fixed, int last, std::string_view name, int& out) {
    const std::optional<int> value = TakeNumber(rest_, is_fixed);
    // An hour that cannot be read is out of range in Go only if it was so before.
    if (!value) return false;
    out = *value;
    if (out > last) range_ = name;
    return true;
  }

  bool ReadSecond(bool is_fixed, std::string_view next) {
    if (!ReadClock(is_fixed, 59, "second", second_)) return false;
    if (!range_.empty() || rest_.size() < 2 || !IsPoint(rest_[0]) || !IsDigitAt(rest_, 1)) {
      return true;
    }
    // A fraction is accepted where the layout has none.
    const Element element = NextChunk(next).element;
    if (element == Element::kFraction || element == Element::kFractionShort) return true;
    return ReadShortFraction();
  }

  bool ReadHalf(std::string_view morning, std::string_view afternoon) {
    if (rest_.size() < 2) return false;
    const std::string_view half = rest_.substr(0, 2);
    rest_.remove_prefix(2);
    is_morning_ = is_morning_ || half == morning;
    is_afternoon_ = is_afternoon_ || half == afternoon;
    return half == morning || half == afternoon;
  }

  bool ReadOffset(const LayoutChunk& chunk) {
    if (chunk.is_iso() && rest_.starts_with('Z')) {
      rest_.remove_prefix(1);
      zone_ = Utc();
      return true;
    }
    const std::size_t size = chunk.spelling.size();
    if (rest_.size() < size) return false;
    std::string_view text = rest_.substr(0, size);
    const char sign = text[0];
    rest_.remove_prefix(size);
    text.remove_prefix(1);
    for (std::size_t i = 1; chunk.has_colon() && i < chunk.parts(); ++i) {
      if (text[3 * i - 1] != ':') return false;
    }
    std::array<int, 3> parts = {};
    bool is_readable = true;
    for (std::size_t i = 0; is_readable && i < chunk.parts(); ++i) {
      if (i > 0 && chunk.has_colon()) text.remove_prefix(1);
      const std::optional<int> part = TakeNumber(text, true);
      is_readable = part.has_value();
      parts[i] = part.value_or(0);
    }
    if (parts[0] > 24) range_ = "time zone offset hour";
    if (parts[1] > 60) range_ = "time zone offset minute";
    if (parts[2] > 60) range_ = "time zone offset second";
    offset_ = (parts[0] * 60 + parts[1]) * 60 + parts[2];
    if (sign == '-') offset_ = -*offset_;
    return is_readable && (sign == '+' || sign == '-');
  }

  bool ReadZoneName() {
    if (rest_.starts_with("UTC")) {
      zone_ = Utc();
      rest_.remove_prefix(3);
      return true;
    }
    const std::size_t size = ZoneNameSize(rest_);
    if (size == 0) return false;
    zone_name_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

  // `size`: with the point.
  bool ReadFraction(std::size_t size) {
    if (rest_.size() < size || !IsPoint(rest_[0])) return false;
    std::string digits(rest_.substr(1, std::min<std::size_t>(size, 10) - 1));
    const std::optional<std::int64_t> value = Atoi(digits);
    if (!value) return false;
    if (*value < 0) {
      range_ = "fractional second";
      return true;
    }
    std::int64_t scaled = *value;
    for (std::size_t i = digits.size(); i < 9; ++i) scaled *= 10;
    nanoseconds_ = static_cast<std::int32_t>(scaled);
    rest_.remove_prefix(size);
    return true;
  }

  bool ReadShortFraction() {
    if (rest_.size() < 2 || !IsPoint(rest_[0]) || !IsDigitAt(rest_, 1)) return true;
    std::size_t size = 2;
    while (IsDigitAt(rest_, size)) ++size;
    return ReadFraction(size);
  }

  Status ApplyYearDay() {
    int day = year_day_;
    const bool is_leap = IsLeapYear(year_);
    if (day < 1 || day > (is_leap ? 366 : 365)) {
      return Problem(": day-of-year out of range");
    }
    int month = 1;
    while (day > DaysInMonth(month, year_)) day -= DaysInMonth(month++, year_);
    if (month_ >= 0 && month_ != month) return Problem(": day-of-year does not match month");
    if (day_ >= 0 && day_ != day) return Problem(": day-of-year does not match day");
    month_ = month;
    day_ = day;
    return {};
  }

  Result<GoTime> Finish() {
    if (is_afternoon_ && hour_ < 12) {
      hour_ += 12;
    } else if (is_morning_ && hour_ == 12) {
      hour_ = 0;
    }
    if (year_day_ >= 0) {
      if (Status applied = ApplyYearDay(); !applied.ok()) return applied.error();
    }
    if (month_ < 0) month_ = 1;
    if (day_ < 0) day_ = 1;
    if (day_ < 1 || day_ > DaysInMonth(month_, year_)) return Problem(": day out of range");
    GoTime time = DateOf(year_, month_, day_, hour_, minute_, second_, nanoseconds_, Utc());
    if (zone_) return time;
    if (offset_) return WithOffset(std::move(time));
    if (!zone_name_.empty()) {
      int hours = 0;
      if (zone_name_.starts_with("GMT") && zone_name_.size() > 3) {
        hours = static_cast<int>(Atoi(zone_name_.substr(3)).value_or(0));
      }
      time.location = std::make_shared<const Location>(zone_name_, hours * 3600);
    }
    return time;
  }

  GoTime WithOffset(GoTime time) const {
    time.seconds -= *offset_;
    const bool is_utc = *offset_ == 0 && (zone_name_.empty() || zone_name_ == "UTC");
    if (!is_utc) time.location = std::make_shared<const Location>(zone_name_, *offset_);
    return time;
  }

  std::string_view layout_;
  std::string_view text_;
  std::string_view rest_;
  std::string_view prefix_left_;
  std::string range_;  // what is out of range
  std::int64_t year_ = 0;
  int month_ = -1;
  int day_ = -1;
  int year_day_ = -1;
  int hour_ = 0;
  int minute_ = 0;
  int second_ = 0;
  std::int32_t nanoseconds_ = 0;
  bool is_morning_ = false;
  bool is_afternoon_ = false;
  LocationPtr zone_;
  std::optional<int> offset_;
  std::string zone_name_;
};

}  // namespace

Result<GoTime> ParseGoTime(std::string_view layout, std::string_view text) {
  return Parser(layout, text).Parse();
}

}  // namespace nodekeep::go
