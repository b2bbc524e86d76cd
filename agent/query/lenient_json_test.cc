#include "agent/query/lenient_json.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {
namespace {

TEST_CASE("valid JSON is told from text that only looks like it") {
  struct Row {
    std::string text;
    bool want;
  };
  const Row rows[] = {
      {"{}", true},
      {" [ 1 , -0.5e+3 , \"\\u00e4\" , true , null ] ", true},
      {R"({"a":{"b":[{}]},"c":""})", true},
      {"\"\xff\"", true},
      {"0", true},
      {"", false},
      {" ", false},
      {"01", false},
      {"1.", false},
      {"-", false},
      {"1e", false},
      {"+1", false},
      {"tru", false},
      {"{\"a\"}", false},
      {"{\"a\":}", false},
      {"{\"a\":1,}", false},
      {"{a:1}", false},
      {"[1,]", false},
      {"[1 2]", false},
      {"[1}", false},
      {"[", false},
      {"\"\\x\"", false},
      {"\"\\u12g4\"", false},
      {"\"a\nb\"", false},
      {"\"open", false},
      {"1 2", false},
      {std::string("0\0", 2), false},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(IsValidJson(row.text) == row.want);
  }
}

TEST_CASE("nesting of any depth can be validated") {
  const std::string deep = std::string(1000000, '[') + std::string(1000000, ']');
  CHECK(IsValidJson(deep));
  CHECK_FALSE(IsValidJson(deep + "]"));
}

TEST_CASE("escapes of a string are undone as far as they are known") {
  struct Row {
    std::string content, want;
  };
  const Row rows[] = {
      {R"(a\"b\\c\/d)", "a\"b\\c/d"},
      {R"(\b\f\n\r\t)", "\b\f\n\r\t"},
      {R"(\u0041\u00e4)", "A\u00e4"},
      {R"(\ud83d\ude00)", "\xF0\x9F\x98\x80"},
      {R"(\ud83d!)", "\xEF\xBF\xBD!"},
      {R"(\ud83d\u0041!)", "\xEF\xBF\xBD!"},
      {R"(\ude00)", "\xEF\xBF\xBD"},
      {R"(a\xb)", "a"},
      {R"(a\)", "a"},
      {R"(a\u12)", "a"},
      {"a\nb", "a"},
  };
  for (const Row& row : rows) {
    INFO(row.content);
    SecretBytes text;
    AppendUnescaped(row.content, text);
    CHECK(text.Reveal() == row.want);
  }
}

}  // namespace
}  // namespace nodekeep
