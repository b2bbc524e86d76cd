#include "agent/base/go_regexp.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

namespace nodekeep {
namespace {

std::string ReplaceAll(std::string_view pattern, std::string_view text,
                       std::string_view replacement) {
  RegexpBudget budget;
  const Result<GoRegexp> regexp = GoRegexp::Compile(pattern);
  if (!regexp.ok()) return regexp.error().message();
  const Result<SecretBytes> replaced = regexp->ReplaceAll(text, replacement, budget);
  return replaced.ok() ? std::string(replaced->Reveal()) : replaced.error().message();
}

// The ranges, as their parts of the text.
std::vector<std::string> Parts(std::string_view text,
                               const Result<std::vector<GoRegexp::Range>>& ranges) {
  std::vector<std::string> parts;
  if (!ranges.ok()) return {ranges.error().message()};
  for (const GoRegexp::Range& range : *ranges) {
    parts.emplace_back(text.substr(range.begin, range.end - range.begin));
  }
  return parts;
}

TEST_CASE("go_regexp: errors have the texts of Go") {
  struct Row {
    std::string pattern, want;
  };
  const Row rows[] = {
      {"(", "missing closing ): `(`"},
      {"a)", "unexpected ): `a)`"},
      {"[a", "missing closing ]: `[a`"},
      {"[z-a]", "invalid character class range: `z-a`"},
      {"a**", "invalid nested repetition operator: `**`"},
      {"*a", "missing argument to repetition operator: `*`"},
      {"a{1001}", "invalid repeat count: `{1001}`"},
      {"a{1000000000000}", "invalid repeat count: `{1000000000000}`"},
      {"a\\", "trailing backslash at end of expression: ``"},
      {"\\1", "invalid escape sequence: `\\1`"},
      {"\\C", "invalid escape sequence: `\\C`"},
      {"\\p{Foo}", "invalid character class range: `\\p{Foo}`"},
      {"(?=a)", "invalid or unsupported Perl syntax: `(?=`"},
      {"(?<=a)", "invalid named capture: `(?<=a)`"},
      {"(?P<a-b>b)", "invalid named capture: `(?P<a-b>`"},
      {"(?<m>?i)", "missing argument to repetition operator: `?`"},
      {"a\xff", "invalid UTF-8: `\xff`"},
  };
  for (const Row& row : rows) {
    INFO(row.pattern);
    const Result<GoRegexp> regexp = GoRegexp::Compile(row.pattern);
    REQUIRE_FALSE(regexp.ok());
    CHECK(regexp.error().message() == "error parsing regexp: " + row.want);
  }
}

TEST_CASE("go_regexp: replacements name groups by number and by name") {
  struct Row {
    std::string name, pattern, text, replacement, want;
  };
  const Row rows[] = {
      {"number", "(a)(b)", "abc", "$2$1", "bac"},
      {"whole match", "b+", "abbc", "<$0>", "a<bb>c"},
      {"the longest name counts", "(a)", "a", "$1x", ""},
      {"braces end a name", "(a)", "a", "${1}x", "ax"},
      {"name", "(?P<first>a)", "a", "$first!", "a!"},
      {"name in the short spelling", "(?<first>a)", "a", "${first}", "a"},
      {"of two groups of one name the one that matched", "(?P<n>a)|(?P<n>b)", "ab", "[$n]",
       "[a][b]"},
      {"dollar", "a", "a", "$$1", "$1"},
      {"no name follows the dollar", "a", "a", "$ $", "$ $"},
      {"unclosed brace", "a", "a", "${x", "${x"},
      {"number over the last group", "(a)", "a", "[$2]", "[]"},
      {"number beyond 64 bits", "(a)", "a", "[$18446744073709551617]", "[]"},
      {"a number with a leading zero is a name", "(a)", "a", "[$01]", "[]"},
      {"names are letters of any script", "a", "a", "[$\xC3\xA9]", "[]"},
      {"group that took no part", "(a)|b", "b", "[$1]", "[]"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(ReplaceAll(row.pattern, row.text, row.replacement) == row.want);
  }
}

TEST_CASE("go_regexp: empty matches stand between characters, and never after a match") {
  struct Row {
    std::string name, pattern, text, want;
  };
  const Row rows[] = {
      {"empty pattern", "", "ab", "-a-b-"},
      {"empty text", "", "", "-"},
      {"star", "a*", "baac", "-b-c-"},
      {"characters of several bytes", "x*", "\xC3\xA9", "-\xC3\xA9-"},
      {"not inside a character", "\\B",
       "a\xC3\xA9"
       "a",
       "a\xC3\xA9"
       "a"},
      {"lines", "(?m)^", "a\nb", "-a\n-b"},
      {"invalid UTF-8 is a character per byte", ".", "\xff\xfe", "--"},
      {"invalid UTF-8 is U+FFFD", "\\x{FFFD}",
       "a\xff"
       "b",
       "a-b"},
      {"bytes around a match stay", "b",
       "\xff"
       "b\xfe",
       "\xff-\xfe"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(ReplaceAll(row.pattern, row.text, "-") == row.want);
  }
}

TEST_CASE("go_regexp: find all and split stop at their limit") {
  struct Row {
    std::string pattern, text;
    std::int64_t limit;
    std::vector<std::string> found, parts;
  };
  const Row rows[] = {
      {"a", "banana", -1, {"a", "a", "a"}, {"b", "n", "n", ""}},
      {"a", "banana", 2, {"a", "a"}, {"b", "nana"}},
      {"a", "banana", 1, {"a"}, {"banana"}},
      {"a", "banana", 0, {}, {}},
      {"", "abc", -1, {"", "", "", ""}, {"a", "b", "c"}},
      {"a*", "", -1, {""}, {""}},
      {"", "", -1, {""}, {}},
      {"z", "abc", -1, {}, {"abc"}},
  };
  for (const Row& row : rows) {
    INFO(row.pattern << " in " << row.text << ", " << row.limit);
    RegexpBudget budget;
    const Result<GoRegexp> regexp = GoRegexp::Compile(row.pattern);
    REQUIRE(regexp.ok());
    CHECK(Parts(row.text, regexp->FindAll(row.text, row.limit, budget)) == row.found);
    CHECK(Parts(row.text, regexp->Split(row.text, row.limit, budget)) == row.parts);
  }
}

class SmallBudget final : public RegexpBudget {
 public:
  Status Bytes(std::size_t count) override {
    if (count > left_) return Error(ErrorCode::kTooLarge, "too large");
    left_ -= count;
    return {};
  }

 private:
  std::size_t left_ = 1000;
};

TEST_CASE("go_regexp: a replacement that grows is stopped by the budget") {
  SmallBudget budget;
  const Result<GoRegexp> regexp = GoRegexp::Compile("(?s).*");
  REQUIRE(regexp.ok());
  std::string replacement;
  for (int i = 0; i < 100; ++i) replacement += "$0";
  const Result<SecretBytes> replaced =
      regexp->ReplaceAll(std::string(100, 'x'), replacement, budget);
  REQUIRE_FALSE(replaced.ok());
  CHECK(replaced.error().code() == ErrorCode::kTooLarge);
}

TEST_CASE("go_regexp: an expression of very many groups is not expanded") {
  RegexpBudget budget;
  std::string pattern;
  for (int i = 0; i < 3000; ++i) pattern += "()";
  const Result<GoRegexp> regexp = GoRegexp::Compile(pattern);
  REQUIRE(regexp.ok());
  CHECK(regexp->ReplaceAllLiteral("a", "$1", budget).ok());
  const Result<SecretBytes> replaced = regexp->ReplaceAll("a", "$1", budget);
  REQUIRE_FALSE(replaced.ok());
  CHECK(replaced.error().code() == ErrorCode::kTooLarge);
}

TEST_CASE("go_regexp: a quoted text matches itself") {
  CHECK(QuoteRegexp("1.5*(a)$-/") == "1\\.5\\*\\(a\\)\\$-/");
}

}  // namespace
}  // namespace nodekeep
