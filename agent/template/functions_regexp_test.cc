#include <catch2/catch_test_macros.hpp>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

TEST_CASE("functions_regexp: texts are matched, found, replaced and split") {
  const FunctionRow rows[] = {
      {"regexMatch", {Text("^[a-z]+$"), Text("abc")}, "true"},
      {"regexMatch", {Text("("), Text("abc")}, "false"},
      {"regexFind", {Text("[0-9]+"), Text("a12b3")}, "\"12\""},
      {"regexFind", {Text("x"), Text("abc")}, "\"\""},
      {"regexFindAll", {Text("[0-9]"), Text("a1b2c3"), Int(2)}, "[]string[\"1\" \"2\"]"},
      {"regexFindAll", {Text("x"), Text("abc"), Int(-1)}, "nil []string"},
      {"regexReplaceAll", {Text("(\\w+)@(\\w+)"), Text("a@b"), Text("${2}.$1")}, "\"b.a\""},
      {"regexReplaceAllLiteral", {Text("[0-9]"), Text("a1"), Text("$0")}, "\"a$0\""},
      {"regexSplit", {Text(","), Text("a,b,c"), Int(2)}, "[]string[\"a\" \"b,c\"]"},
      {"regexSplit", {Text(","), Text("a"), Int(0)}, "nil []string"},
      {"regexSplit", {Text(""), Text(""), Int(-1)}, "[]string[]"},
      {"regexQuoteMeta", {Text("1.5*(a)")}, "\"1\\.5\\*\\(a\\)\""},
  };
  CheckAll(rows);
}

TEST_CASE("functions_regexp: a bad expression is a panic that names it, or an error") {
  const FunctionRow rows[] = {
      {"regexFind",
       {Text("a("), Text("x")},
       "error: regexp: Compile(`a(`): error parsing regexp: missing closing ): `a(`"},
      {"regexFind",
       {Text("a`("), Text("x")},
       "error: regexp: Compile(\"a`(\"): error parsing regexp: missing closing ): `a`(`"},
      {"mustRegexFind",
       {Text("a("), Text("x")},
       "error: error parsing regexp: missing closing ): `a(`"},
      {"mustRegexMatch",
       {Text("[b-a]"), Text("x")},
       "error: error parsing regexp: invalid character class range: `b-a`"},
      {"mustRegexReplaceAll",
       {Text("a**"), Text("x"), Text("y")},
       "error: error parsing regexp: invalid nested repetition operator: `**`"},
      {"mustRegexSplit",
       {Text("\\8"), Text("x"), Int(1)},
       "error: error parsing regexp: invalid escape sequence: `\\8`"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_regexp: long expressions and long searches are refused") {
  TemplateLimits limits;
  limits.memory = 10'000;
  limits.steps = 1'000;
  const FunctionRow rows[] = {
      {"regexMatch",
       {Text(std::string(9000, 'a')), Text("a")},
       "error: a regular expression is longer than 8192 bytes"},
      {"regexMatch",
       {Text("(\\pL{50}){20}"), Text("a")},
       "error: this template takes more than 1000 steps"},
      {"regexMatch",
       {Text("((a{0,30}){0,30}){0,30}"), Text("a")},
       "error: this template takes more than 1000 steps"},
      {"regexFindAll",
       {Text(""), Text(std::string(3000, 'x')), Int(-1)},
       "error: the values made by this template take more than 10000 bytes"},
      {"regexReplaceAll",
       {Text("a"),
        Text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
             "aaaaaaaaaaaaaaa"),
        Text("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
             "5678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
             "012345678901234567890123456789")},
       "error: the values made by this template take more than 10000 bytes"},
  };
  for (const FunctionRow& row : rows) {
    INFO(row.name);
    CHECK(Outcome(row.name, row.arguments, limits) == row.want);
  }
}

}  // namespace
}  // namespace nodekeep::go
