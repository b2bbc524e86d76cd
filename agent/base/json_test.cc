#include "agent/base/json.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

std::string Again(std::string_view text) {
  const Result<Json> json = ParseJson(text);
  if (!json.ok()) return "error: " + json.error().message();
  return std::string(GoJson(*json).Reveal());
}

TEST_CASE("json: output is compact and sorted, with Go's escapes and numbers as in the input") {
  struct Row {
    std::string name, text, want;
  };
  const Row rows[] = {
      {"null", " null ", "null"},
      {"booleans", "[true,false]", "[true,false]"},
      {"empty containers", R"({"a":{},"b":[]})", R"({"a":{},"b":[]})"},
      {"keys are sorted bytewise", R"({"b":1,"a":2,"B":3,"ä":4})", R"({"B":3,"a":2,"b":1,"ä":4})"},
      {"the last of duplicate keys wins", R"({"a":1,"b":0,"a":2,"a":3})", R"({"a":3,"b":0})"},
      {"fractions keep their zeros", "[1.50,0.10,-0.0]", "[1.50,0.10,-0.0]"},
      {"exponents keep their spelling", "[1e5,1E5,1e+05]", "[1e5,1E5,1e+05]"},
      {"integers of any size", "[18446744073709551615,18446744073709551616,-9223372036854775809]",
       "[18446744073709551615,18446744073709551616,-9223372036854775809]"},
      {"minus zero", "[-0,0]", "[-0,0]"},
      {"a number at the top", "42", "42"},
      {"a string that looks like a number", R"(["1.50","-0","1e5"])", R"(["1.50","-0","1e5"])"},
      {"escapes in", R"("\u003c\/\u00fc\ud83d\udd11")", "\"\\u003c/\xC3\xBC\xF0\x9F\x94\x91\""},
      {"an escaped NUL", R"(["a\u0000b"])", R"(["a\u0000b"])"},
      {"invalid utf-8", "\"a\xFFz\"", "\"a\xEF\xBF\xBDz\""},
      {"white space", " {\r\n\t\"a\" : [ 1 , 2 ] } \n", R"({"a":[1,2]})"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Again(row.text) == row.want);
  }
}

TEST_CASE("json: invalid text is refused with position and reason, never quoted") {
  struct Row {
    std::string name, text, want;
  };
  const std::string kEof = "unexpected end of JSON input";
  const Row rows[] = {
      {"empty", "", kEof},
      {"blank", "  \n", kEof},
      {"truncated in an object", R"({"hunter2":)", kEof},
      {"truncated in a key", R"({"hunt)", kEof},
      {"truncated in a string", R"(["hunter2)", kEof},
      {"truncated in an escape", R"(["hunter2\u00)", kEof},
      {"truncated in a literal", "tru", kEof},
      {"truncated in a number", "-", kEof},
      {"no comma", R"({"a":"hunter2" "b":1})", "line 1, column 16: "},
      {"second line", "{\n  hunter2}", "line 2, column 3: "},
      {"trailing text", R"({"a":1} hunter2)", "line 1, column 8: unexpected non-white"},
      {"two values", "1 2", "line 1, column 3: "},
      {"a comment", "/* hunter2 */ 1", "line 1, column 2: illegal comment"},
      {"a line comment", "1 // hunter2", "line 1, column 3: "},
      {"trailing comma in a list", "[1,]", "line 1, column 5: extra comma"},
      {"trailing comma in an object", R"({"a":1,})", "line 1, column 9: extra comma"},
      {"single quotes", "'hunter2'", "line 1, column 1: "},
      {"leading zero", "0644", "line 1, column 2: "},
      {"plus sign", "+1", "line 1, column 1: "},
      {"bare fraction", ".5", "line 1, column 1: "},
      {"not a number", "NaN", "line 1, column "},
      {"raw control character", "\"hunter2\x01\"", "line 1, column "},
      {"raw NUL", std::string("\"a\0b\"", 5), "line 1, column "},
      {"NUL after the value", std::string("1\0", 2), "line 1, column "},
      {"unknown escape", R"("hunter2\x")", "line 1, column "},
      {"lone surrogate", R"("hunter2\ud800")", "line 1, column "},
      {"byte order mark", "\xEF\xBB\xBF{}", "line 1, column 1: "},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Result<Json> json = ParseJson(row.text);
    REQUIRE_FALSE(json.ok());
    INFO(json.error().message());
    CHECK(json.error().code() == ErrorCode::kInvalid);
    CHECK(json.error().message().starts_with(row.want));
    CHECK(json.error().message().find("hunt") == std::string::npos);
  }
}

TEST_CASE("json: 64 levels are parsed, deeper nesting is refused") {
  CHECK(ParseJson(std::string(64, '[') + std::string(64, ']')).ok());
  CHECK(Again(std::string(65, '[') + std::string(65, ']')) ==
        "error: line 1, column 66: nested deeper than 64 levels");
  CHECK_FALSE(ParseJson(std::string(4'000'000, '[')).ok());
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += R"({"a":)";
  CHECK_FALSE(ParseJson(objects).ok());
}

TEST_CASE("json: text with more values than its size justifies is refused") {
  const auto list = [](std::string_view item, std::size_t count) {
    std::string text = R"({"data":{"k":[)";
    for (std::size_t i = 0; i < count; ++i) text.append(i == 0 ? "" : ",").append(item);
    return text + "]}}";
  };
  struct Row {
    std::string name, text;
    bool fits;
  };
  const Row rows[] = {
      {"few", list("{}", 9'000), true},
      {"objects", list("{}", 100'000), false},
      {"lists", list("[]", 100'000), false},
      {"objects in objects", list(R"({"":{"":{}}})", 100'000), false},
      {"digits", list("1", 100'000), false},
      {"long numbers", list("1e5", 100'000), false},
      {"literals", list("null", 100'000), false},
      {"empty strings", list(R"("")", 100'000), false},
      {"strings of some length", list(R"("0123456789abcdef")", 100'000), true},
      {"one long string", list('"' + std::string(4 << 20, 'x') + '"', 1), true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Result<Json> json = ParseJson(row.text);
    CHECK(json.ok() == row.fits);
    if (json.ok()) continue;
    CHECK(json.error().code() == ErrorCode::kInvalid);
    CHECK(json.error().message().find(fmt::format("more than {} values, the most for {} bytes",
                                                  MaxJsonValues(row.text.size()),
                                                  row.text.size())) != std::string::npos);
  }
  INFO("the limit itself is allowed");
  const auto of_32000_bytes = [](std::size_t items) {
    std::string text = "[1";
    for (std::size_t i = 1; i < items; ++i) text += ",1";
    return text + "]" + std::string(32'000 - text.size() - 1, ' ');
  };
  CHECK(MaxJsonValues(32'000) == 12'000);
  CHECK(ParseJson(of_32000_bytes(11'999)).ok());
  CHECK_FALSE(ParseJson(of_32000_bytes(12'000)).ok());
}

TEST_CASE("json: an object with many keys in the worst order is parsed in reasonable time") {
  std::string text = "{";
  for (int i = 200'000; i > 0; --i) text += fmt::format("\"{:06}\":{},", i, i);
  text.back() = '}';
  const Result<Json> json = ParseJson(text);
  REQUIRE(json.ok());
  CHECK(json->size() == 200'000);
  CHECK(IntOf(Find(*json, {"000001"})) == 1);
}

TEST_CASE("json: getters return values by path and type") {
  const Result<Json> parsed = ParseJson(
      R"({"auth":{"client_token":"t","ttl":3600,"big":1e3,"ok":true,"no":null},"list":["a",["b"]],
          "huge":18446744073709551615,"zero":-0,"":"empty key"})");
  REQUIRE(parsed.ok());
  const Json& json = *parsed;

  CHECK(Find(json, {}) == &json);
  CHECK(Find(json, {"auth", "absent"}) == nullptr);
  CHECK(Find(json, {"auth", "client_token", "deeper"}) == nullptr);
  CHECK(TextOf(Find(json, {""})) == "empty key");
  CHECK(TextOf(Find(json, {"list", "1", "0"})) == "b");
  for (std::string_view index : {"2", "-1", "", "0x", "01x", "99999999999999999999999"}) {
    INFO(index);
    CHECK(Find(json, {"list", index}) == nullptr);
  }

  const Json* text = Find(json, {"auth", "client_token"});
  CHECK(TextOf(text) == "t");
  CHECK(ScalarText(text) == "t");
  CHECK(IntOf(text) == std::nullopt);
  CHECK(BoolOf(text) == std::nullopt);

  const Json* whole = Find(json, {"auth", "ttl"});
  CHECK(TextOf(whole) == std::nullopt);
  CHECK(ScalarText(whole) == "3600");
  CHECK(IntOf(whole) == 3600);

  const Json* spelled = Find(json, {"auth", "big"});
  CHECK_FALSE(IsText(*spelled));
  CHECK(TextOf(spelled) == std::nullopt);
  CHECK(ScalarText(spelled) == "1e3");
  CHECK(IntOf(spelled) == std::nullopt);

  CHECK(IntOf(Find(json, {"huge"})) == std::nullopt);
  CHECK(ScalarText(Find(json, {"huge"})) == "18446744073709551615");
  CHECK(IntOf(Find(json, {"zero"})) == 0);
  CHECK(BoolOf(Find(json, {"auth", "ok"})) == true);
  CHECK(ScalarText(Find(json, {"auth", "ok"})) == "true");
  for (const Json* none : {Find(json, {"auth", "no"}), Find(json, {"auth"}), Find(json, {"list"}),
                           static_cast<const Json*>(nullptr)}) {
    CHECK(TextOf(none) == std::nullopt);
    CHECK(ScalarText(none) == std::nullopt);
    CHECK(IntOf(none) == std::nullopt);
    CHECK(BoolOf(none) == std::nullopt);
  }
}

TEST_CASE("json: values made by code are written as Go would write them") {
  Json json(jsoncons::json_object_arg);
  json["z"] = 1.5;
  json["a"] = "x<y";
  json["m"] = std::int64_t{-7};
  json["f"] = 1e21;
  CHECK(GoJson(json).Reveal() == R"({"a":"x\u003cy","f":1e+21,"m":-7,"z":1.5})");
}

TEST_CASE("json: a string map is parsed by Go's rules") {
  using Map = std::map<std::string, std::string>;
  struct Row {
    std::string name, text;
    Map want;
  };
  const Row rows[] = {
      {"null", "null", {}},
      {"empty object", "{}", {}},
      {"strings", R"({"b":"2","a":"1"})", {{"a", "1"}, {"b", "2"}}},
      {"the last of duplicates", R"({"a":"1","a":"2"})", {{"a", "2"}}},
      {"a null value", R"({"a":null})", {{"a", ""}}},
      {"text that looks like a number", R"({"a":"1.50"})", {{"a", "1.50"}}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Result<Map> map = ParseStringMap(row.text);
    REQUIRE(map.ok());
    CHECK(*map == row.want);
  }
}

TEST_CASE("json: anything but a string map is refused, naming the key but not the value") {
  struct Row {
    std::string name, text, want;
  };
  const Row rows[] = {
      {"empty", "", "unexpected end of JSON input"},
      {"a list", R"(["a"])",
       "json: cannot unmarshal array into Go value of type map[string]string"},
      {"a string", R"("hunter2")",
       "json: cannot unmarshal string into Go value of type map[string]string"},
      {"number", R"({"port":8200})",
       "json: cannot unmarshal number into Go value of type string: key \"port\""},
      {"fraction", R"({"port":1.5})",
       "json: cannot unmarshal number into Go value of type string: key \"port\""},
      {"boolean", R"({"on":true})",
       "json: cannot unmarshal bool into Go value of type string: key \"on\""},
      {"object", R"({"o":{"x":"hunter2"}})",
       "json: cannot unmarshal object into Go value of type string: key \"o\""},
      {"array", R"({"l":["hunter2"]})",
       "json: cannot unmarshal array into Go value of type string: key \"l\""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const auto map = ParseStringMap(row.text);
    REQUIRE_FALSE(map.ok());
    CHECK(map.error().code() == ErrorCode::kInvalid);
    CHECK(map.error().message().starts_with(row.want));
    CHECK(map.error().message().find("hunter2") == std::string::npos);
  }
}

}  // namespace
}  // namespace nodekeep
