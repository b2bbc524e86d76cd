#include "agent/template/go_time.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep::go {
namespace {

TEST_CASE("a time is written by the layouts of Go") {
  struct Row {
    std::string layout, want;
  };
  const Row rows[] = {
      {"2006-01-02T15:04:05Z07:00", "2023-11-14T22:13:20Z"},
      {"January _2, 2006 3:04PM", "November 14, 2023 10:13PM"},
      {"Mon Monday 02 Jan 06 15:04 MST", "Tue Tuesday 14 Nov 23 22:13 UTC"},
      {"002 __2 2006", "318 318 2023"},
      {"15:04:05.000 -0700", "22:13:20.500 +0000"},
      {"05.999999", "20.5"},
      {"Janx Mond", "Janx Mond"},
  };
  const GoTime time(1'700'000'000, 500'000'000, Utc());
  for (const Row& row : rows) {
    INFO(row.layout);
    CHECK(FormatGoTime(time, row.layout) == row.want);
  }
}

TEST_CASE("a time is read by the layouts of Go, with Go's errors") {
  struct Row {
    std::string layout, text, want;
  };
  const Row rows[] = {
      {"2006-01-02", "2026-03-01", "2026-03-01T00:00:00Z"},
      {"2006-01-02", "2026-02-30", "parsing time \"2026-02-30\": day out of range"},
      {"2006-01-02", "2026-13-01", "parsing time \"2026-13-01\": month out of range"},
      {"2006-01-02", "x", "parsing time \"x\" as \"2006-01-02\": cannot parse \"x\" as \"2006\""},
      {"2006-01-02", "2026-03-01 trailing",
       "parsing time \"2026-03-01 trailing\": extra text: \" trailing\""},
      {"2006-01-02T15:04:05Z07:00", "2026-03-01T10:20:30.5+02:00", "2026-03-01T10:20:30.5+02:00"},
      {"3PM", "9PM", "0000-01-01T21:00:00Z"},
      {"002 2006", "060 2024", "2024-02-29T00:00:00Z"},
  };
  for (const Row& row : rows) {
    INFO(row.layout << " | " << row.text);
    const Result<GoTime> time = ParseGoTime(row.layout, row.text);
    CHECK((time.ok() ? FormatGoTime(*time, "2006-01-02T15:04:05.999Z07:00")
                     : time.error().message()) == row.want);
  }
}

TEST_CASE("a duration is read and written as in Go") {
  struct Row {
    std::string text, want;
  };
  const Row rows[] = {
      {"1h", "1h0m0s"},
      {"-1h30m", "-1h30m0s"},
      {"1.5h", "1h30m0s"},
      {"100ms", "100ms"},
      {"9223372036854775807ns", "2562047h47m16.854775807s"},
      {"9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""},
      {"-9223372036854775808ns", "-2562047h47m16.854775808s"},
      {"1", "time: missing unit in duration \"1\""},
      {"3y", "time: unknown unit \"y\" in duration \"3y\""},
      {"", "time: invalid duration \"\""},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const Result<std::int64_t> duration = ParseGoDuration(row.text);
    CHECK((duration.ok() ? DurationText(*duration) : duration.error().message()) == row.want);
  }
}

TEST_CASE("a time zone is loaded by its name; names of other files are none") {
  const LocationPtr berlin = LoadLocation("Europe/Berlin");
  REQUIRE(berlin);
  CHECK(FormatGoTime({1'700'000'000, 0, berlin}, "15:04 MST -0700") == "23:13 CET +0100");
  for (const std::string name : {"../etc/passwd", "/etc/localtime", "Nope", "zone.tab",
                                 "Fixed/UTC+01:00:00", "localtime", "Europe"}) {
    INFO(name);
    CHECK(LoadLocation(name) == nullptr);
  }
}

TEST_CASE("extreme times do not overflow") {
  for (const std::int64_t seconds :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    const GoTime time(seconds, 999'999'999, Utc());
    CHECK_FALSE(FormatGoTime(time, "2006-01-02 Mon 002").empty());
    CHECK_FALSE(FormatGoTime(AddTo(time, seconds), "2006").empty());
    CHECK_FALSE(FormatGoTime(RoundTime(time, 7), "2006").empty());
    CHECK_FALSE(FormatGoTime(DateOf(2026, 1, seconds, 0, 0, 0, 0, Utc()), "2006").empty());
  }
}

}  // namespace
}  // namespace nodekeep::go
