#include "agent/base/go_text.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

TEST_CASE("go text: strings are quoted as by strconv.Quote") {
  struct Row {
    std::string name, text, want;
  };
  const Row rows[] = {
      {"empty", "", R"("")"},
      {"plain", "a <b> & 'c'", R"("a <b> & 'c'")"},
      {"quotes", "a\"b\\c", R"("a\"b\\c")"},
      {"controls", std::string("\a\b\f\n\r\t\v\0\x1b\x7f", 10), R"("\a\b\f\n\r\t\v\x00\x1b\x7f")"},
      {"non-ascii", "z\xC3\xBC", "\"z\xC3\xBC\""},
      {"invalid utf-8", "a\xFFz", R"("a\xffz")"},
      {"100 bytes", std::string(100, 'x'), "\"" + std::string(100, 'x') + "\""},
      {"101 bytes", std::string(101, 'x'), "\"" + std::string(100, 'x') + "...\""},
      {"cut before a character", std::string(99, 'x') + "\xC3\xBC",
       "\"" + std::string(99, 'x') + "...\""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(GoQuote(row.text) == row.want);
  }
}

TEST_CASE("go text: booleans are parsed as by strconv.ParseBool") {
  for (std::string_view text : {"1", "t", "T", "TRUE", "true", "True"}) {
    INFO(text);
    CHECK(*ParseGoBool(text));
  }
  for (std::string_view text : {"0", "f", "F", "FALSE", "false", "False"}) {
    INFO(text);
    CHECK_FALSE(*ParseGoBool(text));
  }
  for (std::string_view text : {"", "yes", "tRUE", " true", "true\n", "2", "on"}) {
    INFO(text);
    const Result<bool> value = ParseGoBool(text);
    REQUIRE_FALSE(value.ok());
    CHECK(value.error().message().starts_with("strconv.ParseBool: parsing " + GoQuote(text) +
                                              ": invalid syntax"));
  }
}

TEST_CASE("go text: the permission is a JSON number that fits into uint32") {
  struct Row {
    std::string text;
    std::uint32_t want;
  };
  for (const Row& row : {Row{"420", 420}, Row{"0", 0}, Row{"null", 0}, Row{" 511 ", 511},
                         Row{"4294967295", 4294967295}}) {
    INFO(row.text);
    const Result<std::uint32_t> permission = ParsePermission(row.text);
    REQUIRE(permission.ok());
    CHECK(*permission == row.want);
  }
  CHECK(ParsePermission("").error().message() == "unexpected end of JSON input");
  for (std::string_view text :
       {"0644", "-1", "-0", "+1", "1.0", "4e2", "4294967296", "99999999999999999999", "\"420\"",
        "true", "[420]", "{}", "420 1", "0x1A4", "rw"}) {
    INFO(text);
    CHECK_FALSE(ParsePermission(text).ok());
  }
  CHECK(ParsePermission("4294967296")
            .error()
            .message()
            .starts_with("json: cannot unmarshal \"4294967296\" into Go value of type uint32"));
}

}  // namespace
}  // namespace nodekeep
