#include "agent/query/value_text.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {
namespace {

std::string TextOrError(const Result<SecretBytes>& text) {
  return text.ok() ? std::string(text->Reveal()) : text.error().message();
}

TEST_CASE("values: a JSON value becomes the bytes that upstream makes of it") {
  struct Row {
    std::string json, as_float, literal;
  };
  const Row rows[] = {
      {R"("x<\n")", "x<\n", "x<\n"},
      {"1.50", "1.5", "1.50"},
      {"12345678901234567890", "12345678901234567000", "12345678901234567890"},
      {"1e21", "1000000000000000000000", "1e21"},
      {"1e-7", "0.0000001", "1e-7"},
      {"-0", "-0", "-0"},
      {"true", "true", "true"},
      {"null", "", ""},
      {R"([1.0, 2,"<"])", R"([1,2,"\u003c"])", R"([1.0,2,"\u003c"])"},
      {R"({"z": 1e3, "y":"<", "x":[],"w":{} })", R"({"w":{},"x":[],"y":"\u003c","z":1000})",
       R"({"w":{},"x":[],"y":"\u003c","z":1e3})"},
      {"1e400", "json: cannot unmarshal number 1e400 into Go value of type float64", "1e400"},
      {"[1e400]", "json: cannot unmarshal number 1e400 into Go value of type float64", "[1e400]"},
  };
  for (const Row& row : rows) {
    INFO(row.json);
    const Result<Json> json = ParseJson(row.json);
    REQUIRE(json.ok());
    CHECK(TextOrError(ValueText(*json, JsonNumbers::kFloat)) == row.as_float);
    CHECK(TextOrError(ValueText(*json, JsonNumbers::kLiteral)) == row.literal);
  }
}

TEST_CASE("values: compact JSON without escaped HTML escapes everything else") {
  const Result<Json> json = ParseJson(R"({"<a>&":"<\u2028\\u003c\"&"})");
  REQUIRE(json.ok());
  CHECK(TextOrError(CompactJson(*json, JsonNumbers::kFloat, HtmlInJson::kPlain)) ==
        R"({"<a>&":"<\u2028\\u003c\"&"})");
  CHECK(TextOrError(CompactJson(*json, JsonNumbers::kFloat, HtmlInJson::kPlain, 2)) ==
        "the JSON is larger than 2 bytes");
}

TEST_CASE("values: the members of an object keep their text") {
  struct Row {
    std::string json, want;
  };
  const Row rows[] = {
      {R"({"a":"x","b": {"c" : 1.50},"d":null,"e":[1, "y"],"f":true,"g":1e3})",
       "a=x|b={\"c\" : 1.50}|d=|e=[1, \"y\"]|f=true|g=1e3|"},
      {"null", ""},
      {" {} ", ""},
      {"{ }", ""},
      {R"({"a":1,"a":"2"})", "a=2|"},
      {R"( { "a" : 1 , "b" : "c" } )", "a=1|b=c|"},
      {R"({"a":"\ud800","\u0062":"\u00e9"})", "a=\ufffd|b=é|"},
      {R"({"a:b":"}","c":{"d":"]}"}})", "a:b=}|c={\"d\":\"]}\"}|"},
      {"{\"a\":\"\xff\",\"b\":[\"\xff\"]}", "a=\ufffd|b=[\"\xff\"]|"},
      {R"({"a":-1.5e+3})", "a=-1.5e+3|"},
      {"[1]", "json: cannot unmarshal array into Go value of type map[string]json.RawMessage"},
      {"\"x\"", "json: cannot unmarshal string into Go value of type map[string]json.RawMessage"},
      {"5", "json: cannot unmarshal number into Go value of type map[string]json.RawMessage"},
      {"true", "json: cannot unmarshal bool into Go value of type map[string]json.RawMessage"},
      {"", "unexpected end of JSON input"},
      {R"({"a":"x")", "unexpected end of JSON input"},
  };
  for (const Row& row : rows) {
    INFO(row.json);
    const Result<SecretMap> members = JsonToMap(row.json);
    std::string text;
    if (members.ok()) {
      for (const auto& [key, value] : *members)
        text += key + "=" + std::string(value.Reveal()) + "|";
    } else {
      text = members.error().message();
    }
    CHECK(text == row.want);
  }
  CHECK_FALSE(JsonToMap(R"({"a":"x"} y)").ok());
  CHECK_FALSE(JsonToMap("{\"a\":\"\n\"}").ok());
}

}  // namespace
}  // namespace nodekeep
