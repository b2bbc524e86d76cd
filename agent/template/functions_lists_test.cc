#include <catch2/catch_test_macros.hpp>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

TEST_CASE("functions_lists: items at the ends") {
  const FunctionRow rows[] = {
      {"first", {List({Int(1), Int(2)})}, "1"},
      {"last", {List({Int(1), Int(2)})}, "2"},
      {"rest", {List({Int(1), Int(2)})}, "[2]"},
      {"initial", {Value::Strings({"a", "b"})}, "[\"a\"]"},
      {"first", {List({})}, "nil"},
      {"rest", {List({})}, "nil []interface {}"},
      {"append", {List({Int(1)}), Int(2)}, "[1 2]"},
      {"push", {Value::Strings({"a"}), Int(1)}, "[\"a\" 1]"},
      {"prepend", {List({Int(1)}), Int(0)}, "[0 1]"},
      {"first", {Text("abc")}, "error: Cannot find first on type string"},
      {"last", {Nil()}, "error: runtime error: invalid memory address or nil pointer dereference"},
      {"append", {MapOf({}), Int(1)}, "error: Cannot push on type map"},
      {"prepend", {Int(5), Int(1)}, "error: Cannot prepend on type int"},
      {"mustRest", {Bool(true)}, "error: Cannot find rest on type bool"},
      {"initial", {Text("x")}, "error: Cannot find initial on type string"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_lists: items are compared with their types") {
  const FunctionRow rows[] = {
      {"uniq",
       {List({Int(1), Float(1.0), Int64(1), Int(1), Text("1"), List({Int(1)}), List({Int(1)})})},
       "[1 float64 1 int64 1 \"1\" [1]]"},
      {"has", {Int(1), List({Float(1.0)})}, "false"},
      {"has", {Int(1), List({Int(1)})}, "true"},
      {"has", {Int(1), Nil()}, "false"},
      {"has", {Int(1), Text("x")}, "error: Cannot find has on type string"},
      {"without", {List({Int(1), Int(2), Text("a"), Int(1)}), Int(1), Text("a")}, "[2]"},
      {"without",
       {List({List({}), Value::NilOf(Type::kAnyList)}), List({})},
       "[nil []interface {}]"},
      {"has", {MapOf({{"a", List({Int(1)})}}), List({MapOf({{"a", List({Int(1)})}})})}, "true"},
      {"compact",
       {List({Int(0), Text(""), Nil(), Bool(false), List({}), MapOf({}), Int(1)})},
       "[1]"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_lists: lists are cut and joined") {
  const FunctionRow rows[] = {
      {"slice", {List({Int(1), Int(2), Int(3)}), Int(1)}, "[2 3]"},
      {"slice", {List({Int(1), Int(2), Int(3)}), Int(1), Int(2)}, "[2]"},
      {"slice", {Value::Strings({"a", "b"}), Int(0), Int(1)}, "[]string[\"a\"]"},
      {"slice", {List({Int(1), Int(2)}), Text("1"), Float(2.9)}, "[2]"},
      {"slice", {List({})}, "nil"},
      {"slice", {List({Int(1)}), Int(2)}, "error: reflect.Value.Slice: slice index out of bounds"},
      {"slice", {Text("abc")}, "error: list should be type of slice or array but string"},
      {"reverse", {List({Int(1), Int(2)})}, "[2 1]"},
      {"concat", {List({Int(1)}), Value::Strings({"a"})}, "[1 \"a\"]"},
      {"concat", {}, "nil []interface {}"},
      {"concat", {List({Int(1)}), Int(2)}, "error: Cannot concat type int as list"},
      {"chunk", {Int(2), List({Int(1), Int(2), Int(3)})}, "[][]interface {}[[1 2] [3]]"},
      {"chunk", {Int(0), List({Int(1)})}, "error: runtime error: makeslice: len out of range"},
      {"chunk", {Int(-1), List({Int(1), Int(2)})}, "[][]interface {}[]"},
      {"chunk", {Int(-1), List({Int(1)})}, "error: runtime error: makeslice: len out of range"},
      {"chunk", {Int(5), List({})}, "[][]interface {}[]"},
      {"chunk", {Int(1), Text("x")}, "error: Cannot chunk type string"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_lists: texts") {
  const FunctionRow rows[] = {
      {"join", {Text(","), List({Text("a"), Nil(), Text("b")})}, "\"a,b\""},
      {"join", {Text(","), Text("a")}, "\"a\""},
      {"join", {Text(","), Nil()}, "\"\""},
      {"sortAlpha", {List({Text("b"), Text("a"), Text("B")})}, "[]string[\"B\" \"a\" \"b\"]"},
      {"sortAlpha", {Nil()}, "[]string[\"<nil>\"]"},
      {"sortAlpha", {Text("x")}, "[]string[\"x\"]"},
      {"toStrings", {List({Text("a"), Nil()})}, "[]string[\"a\"]"},
      {"toStrings", {Nil()}, "[]string[]"},
      {"splitList", {Text(","), Text("a,,b")}, "[]string[\"a\" \"\" \"b\"]"},
      {"splitList",
       {Text(""), Text("a\303\251\377")},
       "[]string[\042a\042 \042\303\251\042 \042\377\042]"},
      {"splitList", {Text(""), Text("")}, "[]string[]"},
      {"splitList", {Text(","), Text("")}, "[]string[\"\"]"},
      {"split", {Text(","), Text("a,b")}, "map[string]string{\"_0\": \"a\", \"_1\": \"b\"}"},
      {"splitn",
       {Text(","), Int(2), Text("a,b,c")},
       "map[string]string{\"_0\": \"a\", \"_1\": \"b,c\"}"},
      {"splitn", {Text(","), Int(0), Text("a")}, "map[string]string{}"},
      {"splitn",
       {Text(""), Int(2), Text("abc")},
       "map[string]string{\"_0\": \"a\", \"_1\": \"bc\"}"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_lists: results that would be large are refused") {
  TemplateLimits limits;
  limits.memory = 10'000;
  limits.steps = 1'000;
  const FunctionRow rows[] = {
      {"join",
       {Text("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
             "5678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
             "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
             "5678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
             "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
             "567890123456789012345678901234567890123456789012345678901234567890123456789"),
        List({Text(""), Text(""), Text(""), Text(""), Text(""), Text(""), Text(""), Text(""),
              Text(""), Text(""), Text(""), Text(""), Text(""), Text(""), Text(""), Text(""),
              Text(""), Text(""), Text(""), Text(""), Text(""), Text(""), Text(""), Text(""),
              Text(""), Text(""), Text(""), Text(""), Text(""), Text("")})},
       "error: the values made by this template take more than 10000 bytes"},
      {"splitList",
       {Text(""), Text(std::string(500, 'x'))},
       "error: the values made by this template take more than 10000 bytes"},
  };
  for (const FunctionRow& row : rows) {
    INFO(row.name);
    CHECK(Outcome(row.name, row.arguments, limits) == row.want);
  }
}

}  // namespace
}  // namespace nodekeep::go
