#include "agent/query/wildcard.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {
namespace {

TEST_CASE("a wildcard pattern matches the whole text") {
  struct Row {
    std::string text, pattern;
    bool want;
  };
  const Row rows[] = {
      {"", "", true},          {"", "*", true},         {"", "?", false},
      {"a", "", false},        {"abc", "abc", true},    {"abc", "a*", true},
      {"abc", "*c", true},     {"abc", "*b*", true},    {"abc", "a?c", true},
      {"abc", "a??c", false},  {"abc", "*d", false},    {"aXbXc", "a*b*c", true},
      {"aab", "*ab", true},    {"ab", "ab*?", false},   {"a*b", "a\\*b", true},
      {"axb", "a\\*b", false}, {"a\\", "a\\", false},   {"a\\", "*\\", true},
      {"\u00e4", "?", true},   {"\u00e4", "??", false}, {"\xff", "?", true},
      {"\xff", "\xfe", true},
  };
  for (const Row& row : rows) {
    INFO(row.text << " like " << row.pattern);
    std::uint64_t steps = 1000;
    CHECK(MatchesWildcard(row.text, row.pattern, steps) == row.want);
  }
}

TEST_CASE("a wildcard pattern that costs too much does not match") {
  std::uint64_t steps = 1000;
  CHECK_FALSE(MatchesWildcard(std::string(10000, 'a'), "*a*a*a*b", steps));
  CHECK(steps == 0);
}

}  // namespace
}  // namespace nodekeep
