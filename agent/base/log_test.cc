#include "agent/base/log.h"

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <limits>
#include <vector>

#include "agent/base/json.h"

namespace nodekeep {
namespace {

// The output of `write` on standard error.
template <typename Write>
std::string Captured(const Write& write) {
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  const int saved = dup(STDERR_FILENO);
  dup2(fileno(file), STDERR_FILENO);
  write();
  dup2(saved, STDERR_FILENO);
  close(saved);
  std::string text;
  std::rewind(file);
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
  std::fclose(file);
  return text;
}

TEST_CASE("log: a JSON event is one valid line, whatever its fields contain") {
  const std::string line = Captured([] {
    Logger logger(LogLevel::kDebug, LogFormat::kJson);
    const Context context = Context().WithField("pod", "shop/web\"\n");
    logger.Write(LogLevel::kWarn, context, "mount failed",
                 {{"ref", std::string("a\n\"b\"\x01\xFF{}%s")},
                  {"count", 3},
                  {"size", std::size_t{7}},
                  {"seconds", 0.25},
                  {"never", std::numeric_limits<double>::infinity()},
                  {"ok", false},
                  {"text", "literal"},
                  {"view", std::string_view("view")}});
  });
  REQUIRE(line.ends_with('\n'));
  CHECK(line.find('\n') == line.size() - 1);
  const Result<Json> json = ParseJson(line);
  REQUIRE(json.ok());
  CHECK(TextOf(Find(*json, {"level"})) == "warn");
  CHECK(TextOf(Find(*json, {"event"})) == "mount failed");
  CHECK(TextOf(Find(*json, {"pod"})) == "shop/web\"\n");
  CHECK(TextOf(Find(*json, {"ref"})) == "a\n\"b\"\x01\xEF\xBF\xBD{}%s");
  CHECK(IntOf(Find(*json, {"count"})) == 3);
  CHECK(IntOf(Find(*json, {"size"})) == 7);
  CHECK(ScalarText(Find(*json, {"seconds"})) == "0.250");
  CHECK(Find(*json, {"never"})->is_null());
  CHECK(BoolOf(Find(*json, {"ok"})) == false);
  CHECK(TextOf(Find(*json, {"text"})) == "literal");
  CHECK(TextOf(Find(*json, {"view"})) == "view");
  CHECK(TextOf(Find(*json, {"time"}))->size() == std::string("2026-01-31T12:00:00.000Z").size());
}

TEST_CASE("log: a text event is one line, values quoted only where needed") {
  const std::string line = Captured([] {
    Logger logger(LogLevel::kInfo, LogFormat::kText);
    logger.Write(LogLevel::kInfo, Context().WithField("pod", "shop/web"), "mounted",
                 {{"plain", "a/b:c"},
                  {"blank", "a b"},
                  {"empty", ""},
                  {"equals", "a=b"},
                  {"break", "a\nb"},
                  {"escape", "\x1b[31m"},
                  {"hits", 2}});
  });
  CHECK(line.find(" info  mounted pod=shop/web plain=a/b:c blank=\"a b\" empty=\"\" equals=\"a=b\" "
                  "break=\"a\\nb\" escape=\"\\u001b[31m\" hits=2\n") != std::string::npos);
  CHECK(line.find('\n') == line.size() - 1);
}

TEST_CASE("log: a long field is cut at 2 KiB, between characters, and marked") {
  struct Row {
    std::string name, value, logged;
  };
  const std::string longest(2048, 'x');
  std::string wide = longest;  // its two-byte character would be cut in the middle
  wide.replace(2047, 1, "\u00e4");
  const Row rows[] = {
      {"longest", longest, longest},
      {"one more", longest + "y", longest + "... (2049 bytes)"},
      {"megabytes", std::string(3'600'000, 'x'), longest + "... (3600000 bytes)"},
      {"character at the limit", wide, std::string(2047, 'x') + "... (2049 bytes)"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const auto write = [&](LogFormat format) {
      return Captured([&] {
        Logger logger(LogLevel::kInfo, format);
        logger.Write(LogLevel::kWarn, Context().WithField("of_context", row.value), "mount failed",
                     {{"error", row.value}});
      });
    };
    const Result<Json> json = ParseJson(write(LogFormat::kJson));
    REQUIRE(json.ok());
    CHECK(TextOf(Find(*json, {"error"})) == row.logged);
    CHECK(TextOf(Find(*json, {"of_context"})) == row.logged);
    CHECK(write(LogFormat::kText).size() < 5000);
  }
}

TEST_CASE("log: events below the level are not written, and the level can change") {
  const std::string text = Captured([] {
    Logger logger(LogLevel::kWarn, LogFormat::kText);
    logger.Debug("one");
    logger.Info("two");
    logger.Warn("three");
    logger.Error("four");
    logger.SetLevel(LogLevel::kDebug);
    logger.Debug("five");
    logger.SetLevel(LogLevel::kOff);
    logger.Error("six");
  });
  for (const char* unwanted : {"one", "two", "six"})
    CHECK(text.find(unwanted) == std::string::npos);
  for (const char* wanted : {"three", "four", "five"})
    CHECK(text.find(wanted) != std::string::npos);
}

TEST_CASE("log: level and format are parsed by name") {
  CHECK(*ParseLogLevel("debug") == LogLevel::kDebug);
  CHECK(*ParseLogLevel("info") == LogLevel::kInfo);
  CHECK(*ParseLogLevel("warn") == LogLevel::kWarn);
  CHECK(*ParseLogLevel("error") == LogLevel::kError);
  CHECK(*ParseLogLevel("off") == LogLevel::kOff);
  CHECK(*ParseLogFormat("json") == LogFormat::kJson);
  CHECK(*ParseLogFormat("text") == LogFormat::kText);
  CHECK(ParseLogLevel("loud").error().message() ==
        "log level \"loud\": use debug, info, warn, error or off");
  CHECK(ParseLogFormat("").error().message() == "log format \"\": use json or text");
}

}  // namespace
}  // namespace nodekeep
