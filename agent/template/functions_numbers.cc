#include <algorithm>
#include <cmath>
#include <vector>

#include "agent/template/conversions.h"
#include "agent/template/decimal.h"
#include "agent/template/function.h"
#include "agent/template/random_text.h"

namespace nodekeep::go {
namespace {

using Arguments = std::span<const Value>;

// Overflow wraps, as in Go.
std::int64_t Add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::int64_t Subtract(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t Multiply(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
std::int64_t Greater(std::int64_t a, std::int64_t b) { return std::max(a, b); }
std::int64_t Lesser(std::int64_t a, std::int64_t b) { return std::min(a, b); }

Result<Value> Int(Call&, Arguments arguments) { return Value::Int(ToInt64(arguments[0])); }
Result<Value> Int64(Call&, Arguments arguments) { return Value::Int64(ToInt64(arguments[0])); }
Result<Value> Float64(Call&, Arguments arguments) { return Value::Float(ToFloat64(arguments[0])); }

Result<Value> Atoi(Call&, Arguments arguments) {
  return Value::Int(ParseInteger(arguments[0].text(), 10).value);
}

Result<Value> ToDecimal(Call& call, Arguments arguments) {
  Result<Value> text = TextOf(call, arguments[0]);
  if (!text.ok()) return text.error();
  const ParsedInteger parsed = ParseInteger(text->text(), 8);
  return Value::Int64(parsed.ok ? parsed.value : 0);
}

// The first argument combined with each of the others in turn.
template <std::int64_t (*combine)(std::int64_t, std::int64_t)>
Result<Value> Fold(Call&, Arguments arguments) {
  std::int64_t result = ToInt64(arguments[0]);
  for (const Value& argument : arguments.subspan(1)) result = combine(result, ToInt64(argument));
  return Value::Int64(result);
}

Result<Value> AddAll(Call&, Arguments arguments) {
  std::int64_t sum = 0;
  for (const Value& argument : arguments) sum = Add(sum, ToInt64(argument));
  return Value::Int64(sum);
}

Result<Value> AddOne(Call&, Arguments arguments) {
  return Value::Int64(Add(ToInt64(arguments[0]), 1));
}

template <bool remainder>
Result<Value> Divide(Call&, Arguments arguments) {
  const std::int64_t a = ToInt64(arguments[0]);
  const std::int64_t b = ToInt64(arguments[1]);
  if (b == 0) return Error(ErrorCode::kInvalid, "runtime error: integer divide by zero");
  if (b == -1) return Value::Int64(remainder ? 0 : Subtract(0, a));  // the least one overflows
  return Value::Int64(remainder ? a % b : a / b);
}

Result<Value> Combine(Call& call, DecimalOperation operation, double first, Arguments arguments) {
  std::vector<double> others;
  for (const Value& argument : arguments) others.push_back(ToFloat64(argument));
  Result<double> result = CombineDecimals(call, operation, first, others);
  if (!result.ok()) return result.error();
  return Value::Float(*result);
}

template <DecimalOperation operation>
Result<Value> FoldDecimals(Call& call, Arguments arguments) {
  return Combine(call, operation, ToFloat64(arguments[0]), arguments.subspan(1));
}

Result<Value> AddDecimals(Call& call, Arguments arguments) {
  return Combine(call, DecimalOperation::kAdd, 0, arguments);
}

Result<Value> AddOneDecimal(Call& call, Arguments arguments) {
  return Combine(call, DecimalOperation::kAdd, 1, arguments);
}

// NaN is the result if it is among the arguments, unless an infinity of the wanted sign is; and
// zeros are ordered by sign.
template <bool greatest>
Result<Value> Extreme(Call&, Arguments arguments) {
  double extreme = ToFloat64(arguments[0]);
  for (const Value& argument : arguments.subspan(1)) {
    const double number = ToFloat64(argument);
    const double limit = greatest ? INFINITY : -INFINITY;
    if (extreme == limit || number == limit) {
      extreme = limit;
    } else if (std::isnan(extreme) || std::isnan(number)) {
      extreme = NAN;
    } else if (extreme == 0 && number == 0) {
      extreme = std::signbit(extreme) == greatest ? number : extreme;
    } else {
      extreme = greatest ? std::max(extreme, number) : std::min(extreme, number);
    }
  }
  return Value::Float(extreme);
}

Result<Value> Ceil(Call&, Arguments arguments) {
  return Value::Float(std::ceil(ToFloat64(arguments[0])));
}

Result<Value> Floor(Call&, Arguments arguments) {
  return Value::Float(std::floor(ToFloat64(arguments[0])));
}

// 10^exponent with the rounding of Go's math.Pow: squares of the binary fraction 10/16, whose
// rounding errors from the 23rd power on differ from those of the C library.
double PowerOfTen(std::int64_t exponent) {
  double fraction = 0.625;
  std::int64_t fraction_exponent = 4;
  double power = 1;
  std::int64_t power_exponent = 0;
  const double size = std::fabs(static_cast<double>(exponent));
  if (size >= 9223372036854775808.0) return exponent > 0 ? INFINITY : 0;
  for (auto left = static_cast<std::uint64_t>(size); left != 0; left >>= 1) {
    if (fraction_exponent > 4096) {
      power_exponent += fraction_exponent;
      break;
    }
    if ((left & 1) != 0) {
      power *= fraction;
      power_exponent += fraction_exponent;
    }
    fraction *= fraction;
    fraction_exponent *= 2;
    if (fraction < 0.5) {
      fraction += fraction;
      --fraction_exponent;
    }
  }
  if (exponent < 0) {
    power = 1 / power;
    power_exponent = -power_exponent;
  }
  return std::ldexp(power, static_cast<int>(power_exponent));
}

Result<Value> Round(Call&, Arguments arguments) {
  const double power = PowerOfTen(arguments[1].integer());
  const double threshold = arguments.size() > 2 ? arguments[2].real() : 0.5;
  const double scaled = power * ToFloat64(arguments[0]);
  double whole = 0;
  const double fraction = std::isinf(scaled) ? NAN : std::modf(scaled, &whole);
  const double rounded = fraction >= threshold ? std::ceil(scaled) : std::floor(scaled);
  return Value::Float(rounded / power);
}

// How many numbers there are from `start` to before `stop`; 0 if `step` leads away from `stop`.
std::uint64_t CountOf(std::int64_t start, std::int64_t stop, std::int64_t step) {
  const bool down = stop < start;
  if (down ? step >= 0 : step <= 0) return 0;
  const auto from = static_cast<std::uint64_t>(start);
  const auto to = static_cast<std::uint64_t>(stop);
  const std::uint64_t distance = down ? from - to : to - from;
  const std::uint64_t size =
      down ? 0 - static_cast<std::uint64_t>(step) : static_cast<std::uint64_t>(step);
  return distance == 0 ? 0 : (distance - 1) / size + 1;
}

// The numbers from `start` to before `stop`. Errors: kTooLarge.
Result<std::vector<std::int64_t>> Numbers(Call& call, std::int64_t start, std::int64_t stop,
                                          std::int64_t step) {
  const std::uint64_t count = CountOf(start, stop, step);
  if (Status status = call.Step(count); !status.ok()) return status.error();
  if (Status status = call.Charge(count * sizeof(Value)); !status.ok()) return status.error();
  std::vector<std::int64_t> numbers;
  numbers.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    numbers.push_back(start);
    start = Add(start, step);
  }
  return numbers;
}

Result<Value> ListOf(const Result<std::vector<std::int64_t>>& numbers) {
  if (!numbers.ok()) return numbers.error();
  std::vector<Value> items;
  items.reserve(numbers->size());
  for (const std::int64_t number : *numbers) items.push_back(Value::Int(number));
  return Value::List(Type::kIntList, std::move(items));
}

Result<Value> Until(Call& call, Arguments arguments) {
  const std::int64_t count = arguments[0].integer();
  return ListOf(Numbers(call, 0, count, count < 0 ? -1 : 1));
}

Result<Value> UntilStep(Call& call, Arguments arguments) {
  return ListOf(
      Numbers(call, arguments[0].integer(), arguments[1].integer(), arguments[2].integer()));
}

// The numbers from `start` to `end`, `end` included.
Result<Value> Sequence(Call& call, std::int64_t start, std::int64_t end, std::int64_t step) {
  const Result<std::vector<std::int64_t>> numbers =
      Numbers(call, start, Add(end, end < start ? -1 : 1), step);
  if (!numbers.ok()) return numbers.error();
  std::string text;
  for (const std::int64_t number : *numbers) {
    if (!text.empty()) text += ' ';
    text += std::to_string(number);
  }
  return Value::Text(text);
}

Result<Value> Seq(Call& call, Arguments arguments) {
  const auto number = [&](std::size_t i) { return arguments[i].integer(); };
  const auto direction = [](std::int64_t start, std::int64_t end) { return end < start ? -1 : 1; };
  switch (arguments.size()) {
    case 1: return Sequence(call, 1, number(0), direction(1, number(0)));
    case 2: return Sequence(call, number(0), number(1), direction(number(0), number(1)));
    case 3: return Sequence(call, number(0), number(2), number(1));
    default: return Value::Text("");
  }
}

Result<Value> RandInt(Call& call, Arguments arguments) {
  const std::int64_t least = arguments[0].integer();
  const std::int64_t count = Subtract(arguments[1].integer(), least);
  if (count <= 0) return Error(ErrorCode::kInvalid, "invalid argument to Intn");
  const std::uint64_t offset = RandomBelow(call, static_cast<std::uint64_t>(count));
  return Value::Int(Add(least, static_cast<std::int64_t>(offset)));
}

}  // namespace

std::span<const Function> NumberFunctions() {
  static const Function functions[] = {
      {"int", "value any", Int,
       "the value as int: text with the base of its prefix (010 is octal), without its decimals; 0 "
       "if it is not a number",
       R"({{ int "42.9" }})"},
      {"int64", "value any", Int64, "the value as int64, as int does", R"({{ int64 "0x10" }})"},
      {"float64", "value any", Float64, "the value as float64; 0 if it is not a number",
       R"({{ float64 "1.50" }})"},
      {"atoi", "s string", Atoi, "the decimal number as int; 0 for what is none",
       R"({{ atoi "010" }})"},
      {"toDecimal", "value any", ToDecimal, "the number that the digits mean in octal",
       R"({{ toDecimal "0777" }})"},
      {"add", "numbers ...any", AddAll, "the sum, as int64", "{{ add 1 2 3 }}"},
      {"add1", "number any", AddOne, "the number plus one", "{{ add1 41 }}"},
      {"sub", "a any, b any", Fold<Subtract>, "the difference", "{{ sub 5 2 }}"},
      {"mul", "a any, numbers ...any", Fold<Multiply>, "the product", "{{ mul 2 3 4 }}"},
      {"div", "a any, b any", Divide<false>, "the quotient without its fraction", "{{ div 7 2 }}"},
      {"mod", "a any, b any", Divide<true>, "the remainder of a division", "{{ mod 7 2 }}"},
      {"addf", "numbers ...any", AddDecimals, "the exact decimal sum, as float64",
       "{{ addf 0.1 0.2 }}"},
      {"add1f", "number any", AddOneDecimal, "the number plus one, as float64", "{{ add1f 0.5 }}"},
      {"subf", "a any, numbers ...any", FoldDecimals<DecimalOperation::kSubtract>,
       "the exact decimal difference", "{{ subf 0.3 0.1 }}"},
      {"mulf", "a any, numbers ...any", FoldDecimals<DecimalOperation::kMultiply>,
       "the exact decimal product", "{{ mulf 1.1 1.1 }}"},
      {"divf", "a any, numbers ...any", FoldDecimals<DecimalOperation::kDivide>,
       "the quotient with 16 decimals", "{{ divf 10 4 }}"},
      {"max", "a any, numbers ...any", Fold<Greater>, "the greatest integer", "{{ max 1 3 2 }}"},
      {"biggest", "a any, numbers ...any", Fold<Greater>, "as max"},
      {"min", "a any, numbers ...any", Fold<Lesser>, "the least integer", "{{ min 1 3 2 }}"},
      {"maxf", "a any, numbers ...any", Extreme<true>, "the greatest number, as float64",
       "{{ maxf 1.5 3 2 }}"},
      {"minf", "a any, numbers ...any", Extreme<false>, "the least number, as float64",
       "{{ minf 1.5 3 2 }}"},
      {"ceil", "number any", Ceil, "the number rounded up", "{{ ceil 1.2 }}"},
      {"floor", "number any", Floor, "the number rounded down", "{{ floor 1.8 }}"},
      {"round", "number any, places int, threshold ...float64", Round,
       "the number rounded to so many decimals, up if the rest is at least the threshold (0.5)",
       "{{ round 3.14159 2 }}"},
      {"until", "count int", Until, "a list of the integers from 0 to before count",
       "{{ until 3 }}"},
      {"untilStep", "start int, stop int, step int", UntilStep,
       "a list of the integers from start to before stop", "{{ untilStep 3 9 3 }}"},
      {"seq", "numbers ...int", Seq,
       "the integers from start to end with blanks between them: seq end, seq start end, seq start "
       "step end",
       "{{ seq 0 2 6 }}"},
      {"randInt", "min int, max int", RandInt,
       "a random integer from min to before max, new at each rendering", "{{ randInt 5 6 }}"},
  };
  return functions;
}

}  // namespace nodekeep::go
