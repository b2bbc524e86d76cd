#include "agent/template/lexer.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep::go {
namespace {

// The texts of all tokens, separated by "·".
std::string Tokens(std::string_view text, std::string_view left = "{{",
                   std::string_view right = "}}") {
  Lexer lexer(text, left, right);
  std::string all;
  while (true) {
    const Token token = lexer.Next();
    if (token.kind == Token::Kind::kEnd) return all;
    if (!all.empty()) all += "·";
    all += token.text;
    if (token.kind == Token::Kind::kError) return all;
  }
}

TEST_CASE("template lexer: text and actions become tokens") {
  struct Row {
    std::string name, text, want;
  };
  const Row rows[] = {
      {"text", "a b\n", "a b\n"},
      {"nothing", "", ""},
      {"field", "x{{ .a }}y", "x·{{· ·.a· ·}}·y"},
      {"chain", "{{ $x.a.b }}", "{{· ·$x·.a·.b· ·}}"},
      {"trim", "a \n{{- .x -}}\n b", "a·{{·.x·}}·b"},
      {"trim needs a space", "a {{-1}}", "a ·{{·-1·}}"},
      {"comment", "a{{/* x */}}b", "a·b"},
      {"comment that trims", "a {{- /* x */ -}} b", "a·b"},
      {"only trimmed space", " {{- 1 }}", "{{·1· ·}}"},
      {"numbers", "{{ 0x1F -1 1.5e3 .5 1_0 }}", "{{· ·0x1F· ·-1· ·1.5e3· ·.5· ·1_0· ·}}"},
      {"strings", "{{ \"a\\\"}}\" `\n}}` }}", "{{· ·\"a\\\"}}\"· ·`\n}}`· ·}}"},
      {"parentheses", "{{ (a | b) }}", "{{· ·(·a· ·|· ·b·)· ·}}"},
      {"declaration", "{{ $x := 1 }}", "{{· ·$x· ·:=· ·1· ·}}"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Tokens(row.text) == row.want);
  }
}

TEST_CASE("template lexer: delimiters may be any text") {
  CHECK(Tokens("a<%.x%>b", "<%", "%>") == "a·<%·.x·%>·b");
  CHECK(Tokens("a@@ .x @@b", "@@", "@@") == "a·@@· ·.x· ·@@·b");
  CHECK(Tokens("{{ .x }}[[.y]]", "[[", "]]") == "{{ .x }}·[[·.y·]]");
}

TEST_CASE("template lexer: an error ends the tokens") {
  struct Row {
    std::string text, want;
  };
  const Row rows[] = {
      {"{{ \"abc }}", "unterminated quoted string"},
      {"{{ \"a\nb\" }}", "unterminated quoted string"},
      {"{{ `abc }}", "unterminated raw quoted string"},
      {"{{ 'a }}", "unterminated character constant"},
      {"{{/* x", "unclosed comment"},
      {"{{/* x */ }}", "comment ends before closing delimiter"},
      {"{{ .a", "unclosed action"},
      {"{{ (.a }}", "unclosed left paren"},
      {"{{ .a) }}", "unexpected right paren"},
      {"{{ : }}", "expected :="},
      {"{{ 1a }}", "bad number syntax: \"1a\""},
      {"{{ 0b12 }}", "bad number syntax: \"0b12\""},
      {"{{ .a\"x\" }}", "bad character U+0022 '\"'"},
      {"{{ a\\ }}", "bad character U+005C '\\'"},
      {"{{ \x01 }}", "unrecognized character in action: U+0001"},
      {"{{ \xE2\x80\x9C }}", "unrecognized character in action: U+201C '\xE2\x80\x9C'"},
      {"{{ \xFF }}", "unrecognized character in action: U+FFFD '\xEF\xBF\xBD'"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    // The error is the last of them, and may be the only one.
    const std::string tokens = Tokens(row.text);
    CHECK((tokens == row.want || tokens.ends_with("·" + row.want)));
  }
}

}  // namespace
}  // namespace nodekeep::go
