#include <catch2/catch_test_macros.hpp>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

TEST_CASE("functions_maps: entries") {
  const FunctionRow rows[] = {
      {"dict", {Text("a"), Int(1), Text("b")}, "{\"a\": 1, \"b\": \"\"}"},
      {"dict", {Text("a"), Int(1), Text("a"), Int(2)}, "{\"a\": 2}"},
      {"get", {MapOf({{"a", Int(1)}}), Text("a")}, "1"},
      {"get", {MapOf({}), Text("a")}, "\"\""},
      {"set", {MapOf({{"a", Int(1)}}), Text("b"), Int(2)}, "{\"a\": 1, \"b\": 2}"},
      {"set",
       {Value::NilOf(Type::kMap), Text("b"), Int(2)},
       "error: assignment to entry in nil map"},
      {"unset", {MapOf({{"a", Int(1)}}), Text("a")}, "{}"},
      {"hasKey", {MapOf({{"a", Nil()}}), Text("a")}, "true"},
      {"pluck", {Text("a"), MapOf({{"a", Int(1)}}), MapOf({}), MapOf({{"a", Int(2)}})}, "[1 2]"},
      {"pick", {MapOf({{"a", Int(1)}, {"b", Int(2)}}), Text("a"), Text("c")}, "{\"a\": 1}"},
      {"omit", {MapOf({{"a", Int(1)}, {"b", Int(2)}}), Text("a")}, "{\"b\": 2}"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_maps: dig follows a path") {
  const FunctionRow rows[] = {
      {"dig", {Text("a"), Text("b"), Text("none"), MapOf({{"a", MapOf({{"b", Int(1)}})}})}, "1"},
      {"dig",
       {Text("a"), Text("x"), Text("none"), MapOf({{"a", MapOf({{"b", Int(1)}})}})},
       "\"none\""},
      {"dig",
       {Text("a"), Text("b"), Text("none"), MapOf({{"a", Int(1)}})},
       "error: interface conversion: interface {} is int, not map[string]interface {}"},
      {"dig",
       {Text("a"), Text("none"), Int(5)},
       "error: interface conversion: interface {} is int, not map[string]interface {}"},
      {"dig",
       {Int(1), Text("none"), MapOf({})},
       "error: interface conversion: interface {} is int, not string"},
      {"dig",
       {Text("a"), Text("none"), Nil()},
       "error: interface conversion: interface {} is nil, not map[string]interface {}"},
      {"dig", {Text("a"), Text("b")}, "error: dig needs at least three arguments"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_maps: merge fills what is missing or empty") {
  const FunctionRow rows[] = {
      {"merge",
       {MapOf({{"a", Int(1)}, {"b", Text("")}}),
        MapOf({{"a", Int(2)}, {"b", Int(3)}, {"c", Int(4)}})},
       "{\"a\": 1, \"b\": 3, \"c\": 4}"},
      {"merge",
       {MapOf({{"a", MapOf({{"x", Int(1)}})}}),
        MapOf({{"a", MapOf({{"x", Int(2)}, {"y", Int(3)}})}})},
       "{\"a\": {\"x\": 1, \"y\": 3}}"},
      {"merge", {MapOf({{"a", List({})}}), MapOf({{"a", List({Int(1)})}})}, "{\"a\": [1]}"},
      {"merge", {MapOf({{"a", Int(1)}}), MapOf({{"a", MapOf({{"x", Int(1)}})}})}, "{\"a\": 1}"},
      {"merge", {MapOf({{"a", Int(0)}}), MapOf({{"a", Nil()}})}, "{\"a\": 0}"},
      {"merge", {Value::NilOf(Type::kMap), MapOf({{"a", Int(1)}})}, "{\"a\": 1}"},
      {"merge", {Value::NilOf(Type::kMap)}, "nil map[string]interface {}"},
      {"merge",
       {MapOf({}), MapOf({{"a", Int(1)}}), MapOf({{"a", Int(2)}, {"b", Int(3)}})},
       "{\"a\": 1, \"b\": 3}"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_maps: mergeOverwrite takes every value of the sources") {
  const FunctionRow rows[] = {
      {"mergeOverwrite", {MapOf({{"a", Int(1)}}), MapOf({{"a", Text("")}})}, "{\"a\": \"\"}"},
      {"mergeOverwrite", {MapOf({{"a", Int(1)}}), MapOf({{"a", Nil()}})}, "{\"a\": nil}"},
      {"mergeOverwrite",
       {MapOf({{"a", MapOf({{"x", Int(1)}})}}), MapOf({{"a", MapOf({{"y", Int(0)}})}})},
       "{\"a\": {\"x\": 1, \"y\": 0}}"},
      {"mergeOverwrite",
       {MapOf({{"a", MapOf({{"x", Int(1)}})}}), MapOf({{"a", MapOf({})}})},
       "{\"a\": {\"x\": 1}}"},
      {"mergeOverwrite",
       {MapOf({{"a", MapOf({{"x", Int(1)}})}}), MapOf({{"a", Int(5)}})},
       "{\"a\": 5}"},
      {"mergeOverwrite",
       {MapOf({{"a", Int(5)}}), MapOf({{"a", MapOf({{"x", Int(1)}})}})},
       "{\"a\": {\"x\": 1}}"},
      {"mergeOverwrite", {MapOf({{"a", List({Int(1)})}}), MapOf({{"a", List({})}})}, "{\"a\": []}"},
      {"mergeOverwrite",
       {MapOf({{"a", StringMap({{"x", Text("1")}})}}), MapOf({{"a", MapOf({{"y", Int(1)}})}})},
       "error: reflect.Value.SetMapIndex: value of type interface {} is not assignable to type "
       "string"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_maps: copies") {
  const FunctionRow rows[] = {
      {"deepCopy",
       {MapOf({{"a", List({Int(1), MapOf({{"b", Nil()}})})}})},
       "{\"a\": [1 {\"b\": nil}]}"},
      {"deepCopy", {Text("x")}, "\"x\""},
      {"deepCopy", {Nil()}, "error: reflect: call of reflect.Value.Type on zero Value"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_maps: keys and values are sorted") {
  const FunctionRow rows[] = {
      {"keys",
       {MapOf({{"b", Int(1)}, {"a", Int(2)}}), MapOf({{"a", Int(3)}})},
       "[]string[\"a\" \"b\" \"a\"]"},
      {"keys", {}, "[]string[]"},
      {"values", {MapOf({{"b", Int(1)}, {"a", Int(2)}})}, "[2 1]"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_maps: a change is seen through every copy of the map") {
  const Value map = MapOf({{"a", Int(1)}});
  const Value outer = MapOf({{"inner", map}});
  const Value arguments[] = {map, Text("b"), Int(2)};
  CHECK(Outcome("set", arguments) == "{\"a\": 1, \"b\": 2}");
}

TEST_CASE("functions_maps: a map that contains itself is refused, and released") {
  const SystemClock clock;
  const TemplateEnvironment environment{clock, RandomBytes};
  const TemplateLimits limits;
  Call call(environment, limits);
  const Value map = MapOf({});
  const Value arguments[] = {map, Text("self"), map};
  REQUIRE(FindFunction("set")->call(call, {arguments, 3}).ok());
  for (const std::string_view name : {"deepCopy", "toJson", "toPrettyJson"}) {
    INFO(name);
    const Result<Value> result = FindFunction(name)->call(call, {&map, 1});
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code() == ErrorCode::kTooLarge);
  }
}

}  // namespace
}  // namespace nodekeep::go
