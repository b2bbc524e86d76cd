#include "agent/query/gjson.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {
namespace {

// tests/integration/test_query.py compares many more paths with the original.
TEST_CASE("gjson: a path selects what tidwall/gjson selects") {
  const std::string json =
      R"({"name":{"first":"Tom","a.b":"dot"},"age":37,"big":12345678901234567890,"f":1.50,)"
      R"("list":[{"k":"a","v":1},{"k":"b","v":2,"on":null},{"k":"a","v":3}],"null":null,)"
      R"("esc":"tab\tend \ud83d\ude00"})";
  struct Row {
    std::string path;
    bool exists;
    std::string value;
  };
  const Row rows[] = {
      {"name.first", true, "Tom"},
      {"name.a\\.b", true, "dot"},
      {"n*.f?rst", true, "Tom"},
      {"name", true, R"({"first":"Tom","a.b":"dot"})"},
      {"big", true, "12345678901234567890"},
      {"f", true, "1.5"},
      {"null", true, ""},
      {"nope", false, ""},
      {"esc", true, "tab\tend \xF0\x9F\x98\x80"},
      {"list.#", true, "3"},
      {"list.1.v", true, "2"},
      {"list.#.v", true, "[1,2,3]"},
      {"list.#.nope", true, "[]"},
      {"list.#(k==\"a\").v", true, "1"},
      {"list.#(k==\"a\")#.v", true, "[1,3]"},
      {"list.#(v>1)#|#", true, "2"},
      {"list.#(on==~null)#.k", true, R"(["a","b","a"])"},
      {"list.@reverse.0.v", true, "3"},
      {"{name.first,\"years\":age}", true, R"({"first":"Tom","years":37})"},
      {"[age,nope]", true, "[37]"},
      {"!\"text\"", true, "text"},
      {"@nope", false, ""},
  };
  for (const Row& row : rows) {
    INFO(row.path);
    const Result<GjsonResult> result = GjsonGet(json, row.path);
    REQUIRE(result.ok());
    CHECK(result->exists == row.exists);
    CHECK(result->value.Reveal() == row.value);
  }
}

TEST_CASE("gjson: the raw text of a value is that of the document") {
  const Result<GjsonResult> result = GjsonGet(R"({"a": "x\n", "b": [1,  2]})", "a");
  REQUIRE(result.ok());
  CHECK(result->raw.Reveal() == R"("x\n")");
  CHECK(result->value.Reveal() == "x\n");
  CHECK(GjsonGet(R"({"b": [1,  2]})", "b")->raw.Reveal() == "[1,  2]");
}

TEST_CASE("gjson: what a path may cost is bounded") {
  const auto repeated = [](std::string_view part, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += part;
    return text;
  };
  struct Row {
    std::string name, json, path, error;
  };
  const Row rows[] = {
      {"long path", "{}", std::string(9000, 'a'), "the path has 9000 bytes; the limit is 8192"},
      {"many parts", repeated("{\"a\":", 3000) + "1", repeated("a.", 3000) + "a",
       "the path is nested too deeply"},
      {"nested multipaths", "{}", repeated("[", 3000) + repeated("]", 3000),
       "the path is nested too deeply"},
      {"many pipes", "[]", repeated("@this|", 1000) + "a", "the path is nested too deeply"},
      {"a result that doubles", "\"0123456789\"", repeated("[@this,@this]|", 40) + "0",
       "the path makes texts that are too large"},
      {"deep values", repeated("[", 3000), "@dig:a", "the path is nested too deeply"},
      {"deep arrays", repeated("[", 3000), "@flatten:{\"deep\":true}",
       "the path is nested too deeply"},
      {"deep values on lines", repeated("{\"a\":", 3000), "@pretty",
       "the path makes texts that are too large, or nested too deeply"},
      {"work", "[\"" + std::string(1u << 20, 'a') + "\"]", repeated("@this|", 300) + "0",
       "the path reads and writes more than the limit of bytes"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Result<GjsonResult> result = GjsonGet(row.json, row.path);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code() == ErrorCode::kTooLarge);
    CHECK(result.error().message() == row.error);
  }
}

TEST_CASE("gjson: deep documents are read with usual paths") {
  const std::string deep =
      "{\"x\":" + std::string(100000, '[') + std::string(100000, ']') + ",\"a\":\"found\"}";
  CHECK(GjsonGet(deep, "a")->value.Reveal() == "found");
  CHECK(GjsonGet(deep, "@valid|a")->value.Reveal() == "found");
}

}  // namespace
}  // namespace nodekeep
