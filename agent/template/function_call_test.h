#pragma once

// For tests of template functions: calls one by name, and shows its result with its type.

#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/digest.h"
#include "agent/template/function.h"

namespace nodekeep::go {

struct FunctionRow {
  std::string_view name;
  std::vector<Value> arguments;
  std::string_view want;
};

inline Value Text(std::string_view text) { return Value::Text(text); }
inline Value Int(std::int64_t number) { return Value::Int(number); }
inline Value Int64(std::int64_t number) { return Value::Int64(number); }
inline Value Float(double number) { return Value::Float(number); }
inline Value Bool(bool value) { return Value::Bool(value); }
inline Value List(std::vector<Value> items) { return Value::List(std::move(items)); }
inline Value MapOf(Map entries) { return Value::MapOf(std::move(entries)); }
inline Value StringMap(Map entries) { return Value::MapOf(Type::kStringMap, std::move(entries)); }
inline Value Nil() { return {}; }

// "abc", 5, int64 5, float64 5, [1 "a"], []string["a"], {"a": 1}, nil.
inline std::string Shown(const Value& value) {
  const std::string name(NameOf(value.type()));
  std::string items;
  switch (value.kind()) {
    case Kind::kInvalid: return "nil";
    case Kind::kBool: return value.boolean() ? "true" : "false";
    case Kind::kInt: return std::to_string(value.integer());
    case Kind::kInt64: return name + " " + std::to_string(value.integer());
    case Kind::kFloat64: return fmt::format("{} {}", name, value.real());
    case Kind::kString: return fmt::format("\"{}\"", value.text());
    case Kind::kSlice:
      for (const Value& item : value.items()) items += (items.empty() ? "" : " ") + Shown(item);
      if (value.HoldsNothing()) return "nil " + name;
      return (value.type() == Type::kAnyList ? "" : name) + "[" + items + "]";
    case Kind::kMap:
      for (const auto& [key, item] : value.entries()) {
        items += fmt::format("{}\"{}\": {}", items.empty() ? "" : ", ", key, Shown(item));
      }
      if (value.HoldsNothing()) return "nil " + name;
      return (value.type() == Type::kMap ? "" : name) + "{" + items + "}";
    default: return name;
  }
}

// The result as Shown, or "error: " and the text of the error.
inline std::string Outcome(std::string_view name, std::span<const Value> arguments,
                           const TemplateLimits& limits = {}) {
  const SystemClock clock;
  const TemplateEnvironment environment{clock, RandomBytes};
  Call call(environment, limits);
  const Function* const function = FindFunction(name);
  if (function == nullptr) return "no such function";
  const Result<Value> result = function->call(call, arguments);
  return result.ok() ? Shown(*result) : "error: " + result.error().message();
}

inline void CheckAll(std::span<const FunctionRow> rows) {
  for (const FunctionRow& row : rows) {
    INFO(row.name << " for " << row.want);
    CHECK(Outcome(row.name, row.arguments) == row.want);
  }
}

}  // namespace nodekeep::go
