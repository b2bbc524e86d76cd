#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

TEST_CASE("functions_logic: what is empty") {
  const FunctionRow rows[] = {
      {"empty", {Nil()}, "true"},
      {"empty", {Text("")}, "true"},
      {"empty", {Int(0)}, "true"},
      {"empty", {Float(0.0)}, "true"},
      {"empty", {Bool(false)}, "true"},
      {"empty", {List({})}, "true"},
      {"empty", {MapOf({})}, "true"},
      {"empty", {Value::NilOf(Type::kAnyList)}, "true"},
      {"empty", {Text(" ")}, "false"},
      {"empty", {Int(1)}, "false"},
      {"empty", {List({Nil()})}, "false"},
      {"empty", {Bool(true)}, "false"},
      {"default", {Text("d"), Text("")}, "\"d\""},
      {"default", {Text("d"), Text("x")}, "\"x\""},
      {"default", {Text("d")}, "\"d\""},
      {"coalesce", {Text(""), Int(0), Text("x")}, "\"x\""},
      {"coalesce", {Text(""), Nil()}, "nil"},
      {"all", {Int(1), Text("")}, "false"},
      {"all", {}, "true"},
      {"any", {Text(""), Int(1)}, "true"},
      {"any", {}, "false"},
      {"ternary", {Text("y"), Text("n"), Bool(true)}, "\"y\""},
      {"ternary", {Text("y"), Text("n"), Bool(false)}, "\"n\""},
  };
  CheckAll(rows);
}

TEST_CASE("functions_logic: types and kinds") {
  const FunctionRow rows[] = {
      {"typeOf", {Nil()}, "\"<nil>\""},
      {"typeOf", {Int(1)}, "\"int\""},
      {"typeOf", {Float(1.5)}, "\"float64\""},
      {"typeOf", {Text("")}, "\"string\""},
      {"typeOf", {List({Int(1)})}, "\"[]interface {}\""},
      {"typeOf", {Value::Strings({})}, "\"[]string\""},
      {"typeOf", {MapOf({})}, "\"map[string]interface {}\""},
      {"typeOf", {StringMap({})}, "\"map[string]string\""},
      {"typeOf", {Int64(1)}, "\"int64\""},
      {"kindOf", {Nil()}, "\"invalid\""},
      {"kindOf", {Int(1)}, "\"int\""},
      {"kindOf", {List({Int(1)})}, "\"slice\""},
      {"kindOf", {MapOf({})}, "\"map\""},
      {"kindOf", {Bool(true)}, "\"bool\""},
      {"typeIs", {Text("int"), Int(1)}, "true"},
      {"typeIsLike", {Text("int"), Int(1)}, "true"},
      {"typeIs", {Text("<nil>"), Nil()}, "true"},
      {"kindIs", {Text("slice"), List({})}, "true"},
      {"kindIs", {Text("invalid"), Nil()}, "true"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_logic: deep equality") {
  const FunctionRow rows[] = {
      {"deepEqual", {Int(1), Float(1.0)}, "false"},
      {"deepEqual",
       {List({Int(1), MapOf({{"a", Text("x")}})}), List({Int(1), MapOf({{"a", Text("x")}})})},
       "true"},
      {"deepEqual", {List({}), Value::NilOf(Type::kAnyList)}, "false"},
      {"deepEqual", {Nil(), Nil()}, "true"},
      {"deepEqual", {Float(NAN), Float(NAN)}, "false"},
      {"fail", {Text("no password")}, "error: no password"},
  };
  CheckAll(rows);
}

}  // namespace
}  // namespace nodekeep::go
