#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

TEST_CASE("functions_numbers: whatever looks like a number is one") {
  const FunctionRow rows[] = {
      {"int", {Text("010")}, "8"},
      {"int", {Text("08")}, "0"},
      {"int", {Text("0x1F")}, "31"},
      {"int", {Text("1_000")}, "1000"},
      {"int", {Text("1.9")}, "1"},
      {"int", {Text("-.5")}, "0"},
      {"int", {Text("1e3")}, "0"},
      {"int", {Text("")}, "0"},
      {"int", {Text("9223372036854775808")}, "0"},
      {"int", {Bool(true)}, "1"},
      {"int", {Nil()}, "0"},
      {"int", {Float(2.9)}, "2"},
      {"int", {Float(1e+30)}, "-9223372036854775808"},
      {"int", {Int64(5)}, "5"},
      {"int", {List({Int(1)})}, "0"},
      {"int64", {Text("0b11")}, "int64 3"},
      {"float64", {Text("1e3")}, "float64 1000"},
      {"float64", {Text("1e400")}, "float64 0"},
      {"float64", {Text("x")}, "float64 0"},
      {"float64", {Text("0x1p4")}, "float64 16"},
      {"atoi", {Text("010")}, "10"},
      {"atoi", {Text("1.5")}, "0"},
      {"atoi", {Text("99999999999999999999")}, "9223372036854775807"},
      {"atoi", {Text("-99999999999999999999")}, "-9223372036854775808"},
      {"toDecimal", {Text("0777")}, "int64 511"},
      {"toDecimal", {Text("8")}, "int64 0"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_numbers: integers wrap, and cannot be divided by zero") {
  const FunctionRow rows[] = {
      {"add", {Int(1), Text("2"), Float(3.9)}, "int64 6"},
      {"add", {}, "int64 0"},
      {"add1", {Int(9223372036854775807)}, "int64 -9223372036854775808"},
      {"sub", {Int(INT64_MIN), Int(1)}, "int64 9223372036854775807"},
      {"mul", {Int(2), Int(3), Int(4)}, "int64 24"},
      {"mul", {Int(4611686018427387904), Int(4)}, "int64 0"},
      {"div", {Int(7), Int(2)}, "int64 3"},
      {"div", {Int(-7), Int(2)}, "int64 -3"},
      {"mod", {Int(-7), Int(2)}, "int64 -1"},
      {"div", {Int(1), Int(0)}, "error: runtime error: integer divide by zero"},
      {"mod", {Int(1), Text("x")}, "error: runtime error: integer divide by zero"},
      {"div", {Int(INT64_MIN), Int(-1)}, "int64 -9223372036854775808"},
      {"mod", {Int(INT64_MIN), Int(-1)}, "int64 0"},
      {"max", {Int(1), Int(3), Int(2)}, "int64 3"},
      {"biggest", {Int(-1), Text("x")}, "int64 0"},
      {"min", {Int(5), Int(2)}, "int64 2"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_numbers: decimal arithmetic is exact") {
  const FunctionRow rows[] = {
      {"addf", {Float(0.1), Float(0.2)}, "float64 0.3"},
      {"addf", {}, "float64 0"},
      {"add1f", {Float(0.1)}, "float64 1.1"},
      {"subf", {Float(0.3), Float(0.1), Float(0.1)}, "float64 0.1"},
      {"mulf", {Float(1.1), Float(1.1)}, "float64 1.21"},
      {"mulf", {Float(1e+200), Float(1e+200)}, "float64 inf"},
      {"mulf", {Float(-1e-200), Float(1e-200)}, "float64 -0"},
      {"divf", {Int(10), Int(4)}, "float64 2.5"},
      {"divf", {Int(2), Int(3)}, "float64 0.6666666666666667"},
      {"divf", {Int(-1), Int(3)}, "float64 -0.3333333333333333"},
      {"divf", {Float(1e-09), Float(3000000000.0)}, "float64 0"},
      {"divf", {Int(1), Int(0)}, "error: decimal division by 0"},
      {"addf", {Float(INFINITY)}, "error: Cannot create a Decimal from +Inf"},
      {"addf", {Text("1.5"), Nil(), Bool(true)}, "float64 2.5"},
      {"addf", {Float(1e+300), Float(1e-300)}, "float64 1e+300"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_numbers: numbers are rounded and compared") {
  const FunctionRow rows[] = {
      {"round", {Float(3.14159), Int(2)}, "float64 3.14"},
      {"round", {Float(2.5), Int(0)}, "float64 3"},
      {"round", {Float(-2.1), Int(0)}, "float64 -3"},
      {"round", {Float(-2.5), Int(0)}, "float64 -3"},
      {"round", {Float(1234.5), Int(-2)}, "float64 1200"},
      {"round", {Float(2.4), Int(0), Float(0.4)}, "float64 2"},
      {"round", {Float(1.005), Int(2)}, "float64 1"},
      {"round", {Int(5), Int(30)}, "float64 5"},
      {"round", {Text("x"), Int(1)}, "float64 0"},
      {"ceil", {Float(1.2)}, "float64 2"},
      {"ceil", {Float(-1.2)}, "float64 -1"},
      {"floor", {Text("1.8")}, "float64 1"},
      {"maxf", {Float(1.5), Int(3), Text("2")}, "float64 3"},
      {"minf", {Float(1.5), Int(-3)}, "float64 -3"},
      {"maxf", {Int(1), Float(INFINITY)}, "float64 inf"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_numbers: sequences") {
  const FunctionRow rows[] = {
      {"until", {Int(3)}, "[]int[0 1 2]"},
      {"until", {Int(-2)}, "[]int[0 -1]"},
      {"until", {Int(0)}, "[]int[]"},
      {"untilStep", {Int(3), Int(9), Int(3)}, "[]int[3 6]"},
      {"untilStep", {Int(3), Int(0), Int(-2)}, "[]int[3 1]"},
      {"untilStep", {Int(0), Int(3), Int(-1)}, "[]int[]"},
      {"seq", {Int(3)}, "\"1 2 3\""},
      {"seq", {Int(-1)}, "\"1 0 -1\""},
      {"seq", {Int(2), Int(4)}, "\"2 3 4\""},
      {"seq", {Int(4), Int(2)}, "\"4 3 2\""},
      {"seq", {Int(0), Int(2), Int(6)}, "\"0 2 4 6\""},
      {"seq", {Int(6), Int(-2), Int(0)}, "\"6 4 2 0\""},
      {"seq", {Int(6), Int(2), Int(0)}, "\"\""},
      {"seq", {Int(1), Int(0), Int(3)}, "\"\""},
      {"seq", {}, "\"\""},
      {"seq", {Int(1), Int(2), Int(3), Int(4)}, "\"\""},
      {"randInt", {Int(5), Int(6)}, "5"},
      {"randInt", {Int(5), Int(5)}, "error: invalid argument to Intn"},
  };
  CheckAll(rows);
}

TEST_CASE("functions_numbers: long sequences are refused") {
  TemplateLimits limits;
  limits.memory = 10'000;
  limits.steps = 1'000;
  const FunctionRow rows[] = {
      {"until", {Int(9223372036854775807)}, "error: this template takes more than 1000 steps"},
      {"until", {Int(900)}, "error: the values made by this template take more than 10000 bytes"},
      {"untilStep",
       {Int(INT64_MIN), Int(9223372036854775807), Int(1)},
       "error: this template takes more than 1000 steps"},
      {"seq", {Int(1000000000000)}, "error: this template takes more than 1000 steps"},
  };
  for (const FunctionRow& row : rows) {
    INFO(row.name);
    CHECK(Outcome(row.name, row.arguments, limits) == row.want);
  }
}

}  // namespace
}  // namespace nodekeep::go
