#include "agent/secrets/property.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "agent/secrets/spc_reader.h"

namespace nodekeep {
namespace {

std::string Taken(std::string_view json, std::string_view name,
                  std::span<const std::string_view> also_in = {}) {
  Result<Json> value = ParseJson(json);
  REQUIRE(value.ok());
  Result<Json> found = PropertyOf(*value, name, "the value", also_in);
  if (found.ok()) return found->is_null() ? "(null)" : std::string(FileTextOf(*found).Reveal());
  return std::string(ErrorCodeName(found.error().code())) + ": " + found.error().message();
}

}  // namespace

TEST_CASE("property: a key, or keys joined by dots, of an object or of a text that holds one") {
  struct Row {
    std::string name, json, property, want;
  };
  const Row rows[] = {
      {"of an object", R"({"user":"alice"})", "user", "alice"},
      {"of a JSON text", R"("{\"user\":\"alice\"}")", "user", "alice"},
      {"of a list", R"(["a","b"])", "1", "b"},
      {"a number keeps its text", R"({"n":1.50})", "n", "1.50"},
      {"a boolean", R"({"n":true})", "n", "true"},
      {"an object is compact JSON", R"({"n":{"b":1,"a":"x"}})", "n", R"({"a":"x","b":1})"},
      {"dots go down", R"({"db":{"hosts":["a","b"]}})", "db.hosts.1", "b"},
      {"a key with dots comes first", R"({"tls.crt":"x","tls":{"crt":"y"}})", "tls.crt", "x"},
      {"a key with dots below another", R"({"a":{"b.c":{"d":"x"}}})", "a.b.c.d", "x"},
      {"a long key that leads nowhere", R"({"a.b":{"x":"1"},"a":{"b":{"c":"y"}}})", "a.b.c", "y"},
      {"an empty text is a value", R"({"n":""})", "n", ""},
      {"null", R"({"n":null})", "n", "(null)"},
      {"no such key", R"({"hunter2":"hunter2"})", "user",
       "not_found: the value has no property \"user\": write a key of its JSON, or keys joined by "
       "dots"},
      {"a path that leads nowhere", R"({"a":"hunter2"})", "a.b",
       "not_found: the value has no property \"a.b\": write a key of its JSON, or keys joined by "
       "dots"},
      {"past the end of a list", R"(["a"])", "1",
       "not_found: the value has no property \"1\": write a key of its JSON, or keys joined by "
       "dots"},
      {"a text that is not JSON", R"("hunter2")", "a",
       "invalid: the value is not a JSON object: nodekeep/property \"a\" cannot be taken from it"},
      {"a text that holds a number", R"("1")", "a",
       "invalid: the value is not a JSON object: nodekeep/property \"a\" cannot be taken from it"},
      {"null itself", "null", "a", "(null)"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Taken(row.json, row.property) == row.want);
  }
}

TEST_CASE("property: a field that is not there or null is also looked for in given members") {
  constexpr std::string_view kInside[] = {"payload", "value"};
  struct Row {
    std::string name, json, want;
  };
  const Row rows[] = {
      {"in the first", R"({"payload":{"k":"a"},"value":{"k":"b"}})", "a"},
      {"in the second", R"({"payload":{},"value":{"k":"b"}})", "b"},
      {"in a JSON text", R"({"payload":"{\"k\":\"a\"}"})", "a"},
      {"the value's own comes first", R"({"k":"own","payload":{"k":"a"}})", "own"},
      {"instead of a null", R"({"k":null,"payload":{"k":"a"}})", "a"},
      {"a null inside is passed over", R"({"payload":{"k":null},"value":{"k":"b"}})", "b"},
      {"null everywhere", R"({"k":null,"payload":{"k":null}})", "(null)"},
      {"null inside only", R"({"payload":{"k":null}})", "(null)"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Taken(row.json, "k", kInside) == row.want);
  }
}

TEST_CASE("property: the error for a null names the value and the way out") {
  const Error error = NoValue("key \"user\"", "; or do that");
  CHECK(error.code() == ErrorCode::kNotFound);
  CHECK(error.message() ==
        "key \"user\" is null, which is no value: write one, or have the object left out with "
        "nodekeep/optional: true; or do that");
}

TEST_CASE("property: the length of its name is limited") {
  const auto read = [](std::size_t length) {
    Result<YamlNode> node = ParseYaml("nodekeep/property: " + std::string(length, 'a'));
    REQUIRE(node.ok());
    SpcEntry reader(*node, "must be a mapping");
    CHECK(reader.Property().size() == length);
    return reader.failed() ? reader.status().error().message() : "(accepted)";
  };
  CHECK(read(1024) == "(accepted)");
  CHECK(read(1025) == "line 1, column 20: nodekeep/property: has 1025 bytes; 1024 are the most");
}

TEST_CASE("property: a name that can be read in too many ways is refused") {
  // At each level both "a" and "a.a" lead on, and none of the ways ends.
  std::string tree = "{}";
  for (int i = 0; i < 12; ++i) tree = R"({"a":)" + tree + R"(,"a.a":)" + tree + "}";
  std::string name = "a";
  for (int i = 0; i < 400; ++i) name += ".a";
  CHECK(Taken(tree, name).starts_with("invalid: nodekeep/property \"a.a.a"));
  CHECK(Taken(tree, name).ends_with("can be read in too many ways in the value: use fewer dots"));
  CHECK(Taken(tree, "a.a.a.x").starts_with("not_found: "));
}

}  // namespace nodekeep
