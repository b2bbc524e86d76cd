#include <algorithm>

#include "agent/template/conversions.h"
#include "agent/template/equality.h"
#include "agent/template/function.h"

namespace nodekeep::go {
namespace {

using Arguments = std::span<const Value>;

Result<Value> Default(Call&, Arguments arguments) {
  const bool given = arguments.size() > 1 && !IsEmpty(arguments[1]);
  return arguments[given ? 1 : 0];
}

Result<Value> Empty(Call&, Arguments arguments) { return Value::Bool(IsEmpty(arguments[0])); }

Result<Value> Coalesce(Call&, Arguments arguments) {
  const auto found = std::find_if_not(arguments.begin(), arguments.end(), IsEmpty);
  return found == arguments.end() ? Value() : *found;
}

Result<Value> All(Call&, Arguments arguments) {
  return Value::Bool(std::none_of(arguments.begin(), arguments.end(), IsEmpty));
}

Result<Value> Any(Call&, Arguments arguments) {
  return Value::Bool(!std::all_of(arguments.begin(), arguments.end(), IsEmpty));
}

Result<Value> Ternary(Call&, Arguments arguments) {
  return arguments[arguments[2].boolean() ? 0 : 1];
}

Result<Value> TypeOf(Call&, Arguments arguments) {
  return Value::Text(NameOf(arguments[0].type()));
}

Result<Value> TypeIs(Call&, Arguments arguments) {
  return Value::Bool(arguments[0].text() == NameOf(arguments[1].type()));
}

Result<Value> TypeIsLike(Call&, Arguments arguments) {
  std::string_view name = NameOf(arguments[1].type());
  if (name == arguments[0].text()) return Value::Bool(true);
  return Value::Bool(name.starts_with('*') && name.substr(1) == arguments[0].text());
}

Result<Value> KindOfValue(Call&, Arguments arguments) {
  return Value::Text(NameOf(arguments[0].kind()));
}

Result<Value> KindIs(Call&, Arguments arguments) {
  return Value::Bool(arguments[0].text() == NameOf(arguments[1].kind()));
}

Result<Value> DeepEqualValues(Call& call, Arguments arguments) {
  Result<bool> equal = DeepEqual(call, arguments[0], arguments[1]);
  if (!equal.ok()) return equal.error();
  return Value::Bool(*equal);
}

Result<Value> Fail(Call&, Arguments arguments) {
  return Error(ErrorCode::kInvalid, std::string(arguments[0].text()));
}

}  // namespace

std::span<const Function> LogicFunctions() {
  static const Function functions[] = {
      {"default", "default any, given ...any", Default,
       "the value, or the default if the value is empty: nil, \"\", 0, false, an empty list or map",
       R"({{ "" | default "none" }})"},
      {"empty", "value any", Empty, "whether the value is empty", R"({{ empty "" }})"},
      {"coalesce", "values ...any", Coalesce, "the first value that is not empty",
       R"({{ coalesce "" 0 "found" }})"},
      {"all", "values ...any", All, "whether no value is empty", R"({{ all "a" 1 "" }})"},
      {"any", "values ...any", Any, "whether one of the values is not empty",
       R"({{ any "" 0 "a" }})"},
      {"ternary", "true any, false any, condition bool", Ternary,
       "the first value if the condition is true, else the second",
       R"({{ ternary "yes" "no" true }})"},
      {"typeOf", "value any", TypeOf, "the Go type of the value", R"({{ typeOf (list 1 2) }})"},
      {"typeIs", "type string, value any", TypeIs, "whether the value has this Go type",
       R"({{ typeIs "string" "a" }})"},
      {"typeIsLike", "type string, value any", TypeIsLike,
       "whether the value has this Go type or is a pointer to it",
       R"({{ semver "1.2.3" | typeIsLike "semver.Version" }})"},
      {"kindOf", "value any", KindOfValue, "the kind of the value: string, int, slice, map, ...",
       R"({{ kindOf (list 1 2) }})"},
      {"kindIs", "kind string, value any", KindIs, "whether the value is of this kind",
       R"({{ kindIs "map" (dict) }})"},
      {"deepEqual", "a any, b any", DeepEqualValues,
       "whether the values are equal, with the types of all their parts",
       R"({{ deepEqual (list 1 2) (list 1 2) }})"},
      {"fail", "message string", Fail, "fails with this message",
       R"({{ if false }}{{ fail "no password" }}{{ end }})"},
  };
  return functions;
}

}  // namespace nodekeep::go
