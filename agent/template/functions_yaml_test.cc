#include <catch2/catch_test_macros.hpp>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

TEST_CASE("toYaml quotes what would not be read as text, and orders keys naturally") {
  const FunctionRow rows[] = {
      {"toYaml", {Text("a b")}, "\"a b\""},
      {"toYaml", {Text("yes")}, "\"\"yes\"\""},
      {"toYaml", {Text("0644")}, "\"\"0644\"\""},
      {"toYaml", {Text("12:30:45")}, "\"\"12:30:45\"\""},
      {"toYaml", {Text("2026-01-02")}, "\"\"2026-01-02\"\""},
      {"toYaml", {Text("x: y")}, "\"'x: y'\""},
      {"toYaml", {Text("a'b")}, "\"a'b\""},
      {"toYaml", {Text("line\nbreak\n")}, "\"|\n  line\n  break\""},
      {"toYaml", {Text("a\xEF\xBB\xBF")}, "\"\"a\\uFEFF\"\""},
      {"toYaml", {Text("")}, "\"\"\"\""},
      {"toYaml", {Int(5)}, "\"5\""},
      {"toYaml", {Float(1e6)}, "\"1000000\""},
      {"toYaml", {Float(1e21)}, "\"1e+21\""},
      {"toYaml", {Nil()}, "\"null\""},
      {"toYaml", {List({})}, "\"[]\""},
      {"toYaml", {MapOf({})}, "\"{}\""},
      {"toYaml", {List({Int(1), List({Text("a")})})}, "\"- 1\n- - a\""},
      {"toYaml",
       {MapOf({{"x10", Int(1)}, {"x9", List({Int(2)})}, {"B", Nil()}})},
       "\"B: null\nx9:\n- 2\nx10: 1\""},
  };
  CheckAll(rows);
}

TEST_CASE("fromYaml reads a map by the rules of YAML 1.1") {
  const FunctionRow rows[] = {
      {"fromYaml", {Text("a: 0644")}, "{\"a\": float64 420}"},
      {"fromYaml", {Text("a: yes\nb: ~")}, "{\"a\": true, \"b\": nil}"},
      {"fromYaml", {Text("a: 'yes'")}, "{\"a\": \"yes\"}"},
      {"fromYaml", {Text("a: 1_000")}, "{\"a\": float64 1000}"},
      {"fromYaml", {Text("a: 2026-01-02")}, "{\"a\": \"2026-01-02\"}"},
      {"fromYaml", {Text("true: 1")}, "{\"true\": float64 1}"},
      {"fromYaml", {Text("a: &x [1]\nb: *x")}, "{\"a\": [float64 1], \"b\": [float64 1]}"},
      {"fromYaml", {Text("a: 1\n---\nb: 2")}, "{\"a\": float64 1}"},
      {"fromYaml", {Text("")}, "{}"},
  };
  CheckAll(rows);
}

TEST_CASE("fromYaml of anything but a map is an error without keys and values") {
  const std::string_view texts[] = {"secret", "- secret", "a: b: secret", "~: secret",
                                    "18446744073709551615: secret"};
  for (const std::string_view text : texts) {
    INFO(text);
    const Value arguments[] = {Text(text)};
    const std::string outcome = Outcome("fromYaml", arguments);
    CHECK(outcome.starts_with("{\"Error\": \"error "));
    CHECK(outcome.find("secret") == std::string::npos);
  }
}

}  // namespace
}  // namespace nodekeep::go
