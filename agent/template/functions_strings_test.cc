#include <catch2/catch_test_macros.hpp>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

TEST_CASE("functions_strings: case follows Unicode, and invalid bytes become U+FFFD") {
  const FunctionRow rows[] = {
      {"upper", {Text("stra\u00dfe \u00e9")}, "\"STRA\u00dfE \u00c9\""},
      {"upper", {Text("a\377b")}, "\"A\ufffdB\""},
      {"lower", {Text("\u00c0\u00c9\u00ce")}, "\"\u00e0\u00e9\u00ee\""},
      {"title", {Text("hello w\u00f6rld o'neil x_y")}, "\"Hello W\u00f6rld O'Neil X_y\""},
      {"untitle", {Text("Hello World")}, "\"hello world\""},
      {"swapcase", {Text("aBc Def \u01c5")}, "\"AbC dEF \u01c6\""},
      {"upper", {Text("")}, "\"\""},
      {"title", {Text("\u01c6 x")}, "\"\u01c5 X\""},
  };
  CheckAll(rows);
}

TEST_CASE("functions_strings: names are cut into words") {
  const FunctionRow rows[] = {
      {"snakecase", {Text("HTTPServer")}, "\"http_server\""},
      {"kebabcase", {Text("HTTPServer")}, "\"http-server\""},
      {"camelcase", {Text("HTTPServer")}, "\"Httpserver\""},
      {"snakecase", {Text("GO_PATH")}, "\"go_path\""},
      {"kebabcase", {Text("GO_PATH")}, "\"go-path\""},
      {"camelcase", {Text("GO_PATH")}, "\"GoPath\""},
      {"snakecase", {Text("http2xx")}, "\"http_2xx\""},
      {"kebabcase", {Text("http2xx")}, "\"http-2xx\""},
      {"camelcase", {Text("http2xx")}, "\"Http2xx\""},
      {"snakecase", {Text("Bld4Floor3rd")}, "\"bld4_floor_3rd\""},
      {"kebabcase", {Text("Bld4Floor3rd")}, "\"bld4-floor-3rd\""},
      {"camelcase", {Text("Bld4Floor3rd")}, "\"Bld4Floor3rd\""},
      {"snakecase", {Text("_complex__case_")}, "\"_complex__case_\""},
      {"kebabcase", {Text("_complex__case_")}, "\"-complex--case-\""},
      {"camelcase", {Text("_complex__case_")}, "\"_Complex_Case_\""},
      {"snakecase", {Text("some-words here")}, "\"some_words_here\""},
      {"kebabcase", {Text("some-words here")}, "\"some-words-here\""},
      {"camelcase", {Text("some-words here")}, "\"SomeWordsHere\""},
      {"snakecase", {Text("v1.2.3-Beta4")}, "\"v1.2.3_beta4\""},
      {"kebabcase", {Text("v1.2.3-Beta4")}, "\"v1.2.3-beta4\""},
      {"camelcase", {Text("v1.2.3-Beta4")}, "\"V1.2.3Beta4\""},
      {"snakecase", {Text("ab\377CD")}, "\"ab_\ufffdcd\""},
      {"camelcase", {Text("__")}, "\"___\""},
  };
  CheckAll(rows);
}

TEST_CASE("functions_strings: parts are cut by bytes") {
  const FunctionRow rows[] = {
      {"trunc", {Int(3), Text("abcdef")}, "\"abc\""},
      {"trunc", {Int(-2), Text("abcdef")}, "\"ef\""},
      {"trunc", {Int(9), Text("abc")}, "\"abc\""},
      {"trunc", {Int(1), Text("\u00e9")}, "\042\303\042"},
      {"substr", {Int(1), Int(3), Text("abcdef")}, "\"bc\""},
      {"substr", {Int(-1), Int(2), Text("abcdef")}, "\"ab\""},
      {"substr", {Int(2), Int(-1), Text("abcdef")}, "\"cdef\""},
      {"substr",
       {Int(4), Int(2), Text("abcdef")},
       "error: runtime error: slice bounds out of range [4:2]"},
      {"substr",
       {Int(9), Int(2), Text("abc")},
       "error: runtime error: slice bounds out of range [9:2]"},
      {"substr",
       {Int(-1), Int(-2), Text("abc")},
       "error: runtime error: slice bounds out of range [:-2]"},
      {"substr",
       {Int(-1), Int(9), Text("abc")},
       "error: runtime error: slice bounds out of range [:9] with length 3"},
      {"abbrev", {Int(8), Text("hello world")}, "\"hello...\""},
      {"abbrev", {Int(3), Text("hello")}, "\"hello\""},
      {"abbrevboth", {Int(5), Int(10), Text("1234 5678 9123")}, "\"...5678...\""},
      {"abbrevboth", {Int(5), Int(5), Text("1234 5678 9123")}, "\"1234 5678 9123\""},
  };
  CheckAll(rows);
}

TEST_CASE("functions_strings: ends are trimmed") {
  const FunctionRow rows[] = {
      {"trim", {Text(" \u00a0x\u2003\n")}, "\"x\""},
      {"trimAll", {Text("$/\u00e9"), Text("$\u00e95.00/")}, "\"5.00\""},
      {"trimall", {Text("a"), Text("aabaa")}, "\"b\""},
      {"trimAll", {Text("\ufffd"), Text("\377a\377")}, "\"a\""},
      {"trimPrefix", {Text("v"), Text("v1")}, "\"1\""},
      {"trimSuffix", {Text("x"), Text("v1")}, "\"v1\""},
      {"nospace", {Text("a b \u00e9")}, "\"ab\u00c3\u00a9\""},
      {"nospace", {Text("\u00e9")}, "\"\u00e9\""},
      {"initials", {Text("First Try")}, "\"FT\""},
      {"hasPrefix", {Text("a"), Text("abc")}, "true"},
      {"hasSuffix", {Text("a"), Text("abc")}, "false"},
      {"contains", {Text(""), Text("abc")}, "true"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_strings: text is replaced, repeated, indented and wrapped") {
  const FunctionRow rows[] = {
      {"replace", {Text("-"), Text("_"), Text("a-b-c")}, "\"a_b_c\""},
      {"replace", {Text(""), Text("."), Text("a\377\303\251")}, "\042.a.\377.\303\251.\042"},
      {"repeat", {Int(3), Text("ab")}, "\"ababab\""},
      {"repeat", {Int(-1), Text("ab")}, "error: strings: negative Repeat count"},
      {"indent", {Int(2), Text("a\n\nb\n")}, "\"  a\n  \n  b\n  \""},
      {"nindent", {Int(2), Text("a")}, "\"\n  a\""},
      {"indent", {Int(-1), Text("a")}, "error: strings: negative Repeat count"},
      {"wrap", {Int(5), Text("one two averylongword x")}, "\"one\ntwo\naverylongword\nx\""},
      {"wrapWith",
       {Int(5), Text("|"), Text("one two averylongword")},
       "\"one|two|avery|longw|ord\""},
      {"wrap", {Int(0), Text("a b")}, "\"a\nb\""},
      {"plural", {Text("one"), Text("many"), Int(1)}, "\"one\""},
      {"plural", {Text("one"), Text("many"), Int(0)}, "\"many\""},
  };
  CheckAll(rows);
}

TEST_CASE("functions_strings: results that would be large are refused") {
  TemplateLimits limits;
  limits.memory = 10'000;
  limits.steps = 1'000;
  const FunctionRow rows[] = {
      {"repeat",
       {Int(1000000), Text("x")},
       "error: the values made by this template take more than 10000 bytes"},
      {"repeat",
       {Int(9223372036854775807), Text("xy")},
       "error: the values made by this template take more than 10000 bytes"},
      {"indent",
       {Int(1000000000), Text("x")},
       "error: the values made by this template take more than 10000 bytes"},
      {"replace",
       {Text(""),
        Text("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
             "5678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
             "012345678901234567890123456789"),
        Text("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
             "xxxxxxxxxxxxxxx")},
       "error: the values made by this template take more than 10000 bytes"},
      {"wrapWith",
       {Int(1),
        Text("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
             "5678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
             "012345678901234567890123456789"),
        Text("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
             "xxxxxxxxxxxxxxx")},
       "error: the values made by this template take more than 10000 bytes"},
      {"randAlpha",
       {Int(1000000000000)},
       "error: the values made by this template take more than 10000 bytes"},
  };
  for (const FunctionRow& row : rows) {
    INFO(row.name);
    CHECK(Outcome(row.name, row.arguments, limits) == row.want);
  }
}

TEST_CASE("functions_strings: random text has the wanted characters") {
  struct Row {
    std::string_view name, alphabet;
  };
  const Row rows[] = {
      {"randNumeric", "0123456789"},
      {"randAlpha", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"},
  };
  for (const Row& row : rows) {
    const Value arguments[] = {Int(500)};
    const std::string shown = Outcome(row.name, arguments);
    CHECK(shown.size() == 502);
    CHECK(shown.substr(1, 500).find_first_not_of(row.alphabet) == std::string::npos);
    CHECK(Outcome(row.name, arguments) != shown);
  }
  const std::string uuid = Outcome("uuidv4", {});
  CHECK(uuid.size() == 38);
  CHECK(uuid[15] == '4');
}

}  // namespace
}  // namespace nodekeep::go
