#include "agent/base/duration.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

using std::chrono::milliseconds;

TEST_CASE("duration: Go's syntax is parsed") {
  struct Row {
    std::string text;
    std::int64_t milliseconds;
  };
  const Row rows[] = {
      {"0", 0},
      {"+0", 0},
      {"0s", 0},
      {"90s", 90'000},
      {"1h30m", 5'400'000},
      {"1h2m3s4ms", 3'723'004},
      {"500ms", 500},
      {"1.5h", 5'400'000},
      {".5s", 500},
      {"1.s", 1000},
      {"+2m", 120'000},
      {"1999us", 1},
      {"2000\xC2\xB5s", 2},
      {"2000\xCE\xBCs", 2},
      {"1500000ns", 1},
      {"0.1s", 100},
      {"0.333s", 333},
      {"2562047h47m16.854s", 9'223'372'036'854},
      {"1m1m", 120'000},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const Result<Duration> duration = ParseDuration(row.text);
    REQUIRE(duration.ok());
    CHECK(duration->count() == row.milliseconds);
  }
}

TEST_CASE("duration: everything else is refused with an example of the right syntax") {
  for (std::string_view text :
       {"", "+", "5", "1.5", "s", ".s", "1d", "1 s", " 1s", "1s ", "1S", "1h30", "1hm", "+-1s",
        "1e3s", "3000000h", "99999999999999999999s", "2562047h47m17s", "1s\n"}) {
    INFO(text);
    const Result<Duration> duration = ParseDuration(text);
    REQUIRE_FALSE(duration.ok());
    CHECK(duration.error().code() == ErrorCode::kInvalid);
    CHECK(duration.error().message().find("write it like 90s, 1h30m or 500ms") !=
          std::string::npos);
  }
  CHECK(ParseDuration("-5s").error().message() ==
        "invalid duration \"-5s\": it must not be negative");
}

TEST_CASE("duration: is formatted as Go does, and parses to the same value") {
  struct Row {
    Duration duration;
    std::string want;
  };
  const Row rows[] = {
      {milliseconds(0), "0s"},
      {milliseconds(1), "1ms"},
      {milliseconds(999), "999ms"},
      {milliseconds(1000), "1s"},
      {milliseconds(1500), "1.5s"},
      {milliseconds(1050), "1.05s"},
      {milliseconds(90'000), "1m30s"},
      {milliseconds(3'600'000), "1h0m0s"},
      {milliseconds(5'400'001), "1h30m0.001s"},
  };
  for (const Row& row : rows) {
    INFO(row.want);
    CHECK(FormatDuration(row.duration) == row.want);
    CHECK(*ParseDuration(row.want) == row.duration);
  }
  CHECK(FormatDuration(milliseconds(-1500)) == "-1.5s");
  CHECK(FormatDuration(Duration::max()).ends_with("s"));
  CHECK(FormatDuration(Duration::min()).starts_with("-"));
}

TEST_CASE("duration: sizes are parsed in bytes, powers of 1000 and powers of 1024") {
  struct Row {
    std::string text;
    std::size_t want;
  };
  const Row rows[] = {
      {"0", 0},
      {"1048576", 1048576},
      {"10B", 10},
      {"4k", 4000},
      {"4KB", 4000},
      {"4MB", 4'000'000},
      {"4M", 4'000'000},
      {"64MiB", 64u << 20},
      {"64Mi", 64u << 20},
      {"2GiB", 2ull << 30},
      {"1TiB", 1ull << 40},
      {"3T", 3'000'000'000'000},
      {"18446744073709551615", 18446744073709551615ull},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const Result<std::size_t> size = ParseByteSize(row.text);
    REQUIRE(size.ok());
    CHECK(*size == row.want);
  }
  for (std::string_view text : {"", "MiB", "-1", "+1", "1.5MiB", "1 MiB", "1mib", "1PiB", "0x10",
                                "18446744073709551616", "18446744073709551615k", "1MiBs"}) {
    INFO(text);
    const Result<std::size_t> size = ParseByteSize(text);
    REQUIRE_FALSE(size.ok());
    CHECK(size.error().message().find("write it like 64MiB") != std::string::npos);
  }
}

}  // namespace
}  // namespace nodekeep
