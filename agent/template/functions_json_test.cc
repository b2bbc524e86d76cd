#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

TEST_CASE("functions_json: values of JSON text") {
  const FunctionRow rows[] = {
      {"fromJson",
       {Text("{\"a\":{\"b\":[1,null,true]}}")},
       "{\"a\": {\"b\": [float64 1 nil true]}}"},
      {"fromJson", {Text("12345678901234567890")}, "float64 1.2345678901234567e+19"},
      {"fromJson", {Text("\"\\ud83d\\ude00\\ud83d\\u0041\"")}, "\"\U0001f600\ufffdA\""},
      {"fromJson", {Text("\042\377\042")}, "\"\ufffd\""},
      {"fromJson", {Text("{\"a\":1,\"a\":2}")}, "{\"a\": float64 2}"},
      {"fromJson", {Text("[1,1e400]")}, "[float64 1 nil]"},
      {"fromJson", {Text("")}, "nil"},
      {"fromJson", {Text("nope")}, "nil"},
      {"fromJson", {Text(" 1 ")}, "float64 1"},
      {"fromJson", {Text("-0")}, "float64 -0"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_json: errors have the texts of Go") {
  const FunctionRow rows[] = {
      {"mustFromJson", {Text("")}, "error: unexpected end of JSON input"},
      {"mustFromJson", {Text("{")}, "error: unexpected end of JSON input"},
      {"mustFromJson", {Text("[1")}, "error: unexpected end of JSON input"},
      {"mustFromJson",
       {Text("nope")},
       "error: invalid character 'o' in literal null (expecting 'u')"},
      {"mustFromJson",
       {Text("tru")},
       "error: invalid character ' ' in literal true (expecting 'e')"},
      {"mustFromJson", {Text("01")}, "error: invalid character '1' after top-level value"},
      {"mustFromJson",
       {Text("1.")},
       "error: invalid character ' ' after decimal point in numeric literal"},
      {"mustFromJson", {Text("-x")}, "error: invalid character 'x' in numeric literal"},
      {"mustFromJson", {Text("1 2")}, "error: invalid character '2' after top-level value"},
      {"mustFromJson",
       {Text("[1,]")},
       "error: invalid character ']' looking for beginning of value"},
      {"mustFromJson", {Text("{\"a\" 1}")}, "error: invalid character '1' after object key"},
      {"mustFromJson",
       {Text("{\"a\":1,}")},
       "error: invalid character '}' looking for beginning of object key string"},
      {"mustFromJson",
       {Text("{a:1}")},
       "error: invalid character 'a' looking for beginning of object key string"},
      {"mustFromJson", {Text("\"\n\"")}, "error: invalid character '\\n' in string literal"},
      {"mustFromJson", {Text("\"\\x\"")}, "error: invalid character 'x' in string escape code"},
      {"mustFromJson",
       {Text("\"\\u12x4\"")},
       "error: invalid character 'x' in \\u hexadecimal character escape"},
      {"mustFromJson", {Text("[1}")}, "error: invalid character '}' after array element"},
      {"mustFromJson",
       {Text("'a'")},
       "error: invalid character '\\'' looking for beginning of value"},
      {"mustFromJson",
       {Text("1e400")},
       "error: json: cannot unmarshal number 1e400 into Go value of type float64"},
      {"mustFromJson", {Text("\"\\")}, "error: invalid character ' ' in string escape code"},
      {"mustFromJson",
       {Text("\u00e9")},
       "error: invalid character '\u00c3' looking for beginning of value"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_json: values as JSON") {
  const FunctionRow rows[] = {
      {"toJson", {Nil()}, "\"null\""},
      {"toJson", {Int(1)}, "\"1\""},
      {"toJson", {Float(1.0)}, "\"1\""},
      {"toJson", {Float(1e+21)}, "\"1e+21\""},
      {"toJson", {Float(1e-07)}, "\"1e-7\""},
      {"toJson", {Float(-0.0)}, "\"-0\""},
      {"toJson", {Text("<a&b>")}, "\"\"\\u003ca\\u0026b\\u003e\"\""},
      {"toJson", {Text("\377\001\177")}, "\"\"\\ufffd\\u0001\177\"\""},
      {"toJson", {List({})}, "\"[]\""},
      {"toJson", {Value::NilOf(Type::kAnyList)}, "\"null\""},
      {"toJson",
       {MapOf({{"b", Int(1)}, {"a", List({Bool(true), MapOf({})})}})},
       "\"{\"a\":[true,{}],\"b\":1}\""},
      {"toJson", {Value::NilOf(Type::kMap)}, "\"null\""},
      {"toJson", {StringMap({{"a", Text("b")}})}, "\"{\"a\":\"b\"}\""},
      {"toJson", {Float(NAN)}, "\"\""},
      {"mustToJson", {List({Float(-INFINITY)})}, "error: json: unsupported value: -Inf"},
      {"toPrettyJson",
       {MapOf({{"a", List({Int(1), List({})})}, {"b", MapOf({})}})},
       "\"{\n  \"a\": [\n    1,\n    []\n  ],\n  \"b\": {}\n}\""},
      {"toRawJson", {MapOf({{"<", Text("a<b>&c\u2028")}})}, "\"{\"<\":\"a<b>&c\\u2028\"}\""},
      {"toRawJson", {Float(INFINITY)}, "error: json: unsupported value: +Inf"},
      {"toPrettyJson", {Text("<")}, "\"\"\\u003c\"\""},
  };
  CheckAll(rows);
}

TEST_CASE("functions_json: deep and large documents are refused") {
  TemplateLimits limits;
  limits.memory = 10'000;
  limits.steps = 1'000;
  limits.depth = 50;
  const FunctionRow rows[] = {
      {"fromJson", {Text(std::string(51, '['))}, "error: JSON is nested deeper than 50 levels"},
      {"fromJson",
       {Text('"' + std::string(20'000, 'x') + '"')},
       "error: the values made by this template take more than 10000 bytes"},
  };
  for (const FunctionRow& row : rows) {
    INFO(row.name);
    CHECK(Outcome(row.name, row.arguments, limits) == row.want);
  }
}

}  // namespace
}  // namespace nodekeep::go
