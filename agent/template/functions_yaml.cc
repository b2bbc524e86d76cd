#include "agent/template/function.h"
#include "agent/template/yaml_values.h"

namespace nodekeep::go {
namespace {

Result<Value> FromYaml(Call& call, std::span<const Value> arguments) {
  Result<Value> value = ParseYamlMap(call, arguments[0].text());
  if (value.ok() || value.error().code() == ErrorCode::kTooLarge) return value;
  Map failure;
  failure.emplace("Error", Value::Text(value.error().message()));
  return Value::MapOf(std::move(failure));
}

Result<Value> ToYaml(Call& call, std::span<const Value> arguments) {
  Result<SecretBytes> text = YamlOf(call, arguments[0]);
  if (text.ok()) return Value::Text(*std::move(text));
  if (text.error().code() == ErrorCode::kTooLarge) return text.error();
  return Value::Text("");
}

}  // namespace

std::span<const Function> YamlFunctions() {
  static const Function functions[] = {
      {"fromYaml", "s string", &FromYaml,
       "The map that a YAML text describes (YAML 1.1; numbers are float64). If the text is no map, "
       "a map with the key Error.",
       R"({{ (fromYaml "user: alice\nport: 5432").user }})"},
      {"toYaml", "v any", &ToYaml,
       "The value as YAML, map keys in natural order; \"\" if it cannot be written.",
       R"({{ toYaml (dict "user" "alice" "ports" (list 80 443)) }})"},
  };
  return functions;
}

}  // namespace nodekeep::go
