#include "agent/template/function.h"
#include "agent/template/json_values.h"

namespace nodekeep::go {
namespace {

using Arguments = std::span<const Value>;

constexpr JsonStyle kCompact;
constexpr JsonStyle kPretty{.escape_html = true, .pretty = true};
constexpr JsonStyle kRaw{.escape_html = false, .pretty = false};

bool IsLimit(const Error& error) { return error.code() == ErrorCode::kTooLarge; }

Result<Value> MustFromJson(Call& call, Arguments arguments) {
  Result<ParsedJson> parsed = ParseJsonValue(call, arguments[0].text());
  if (!parsed.ok()) return parsed.error();
  if (!parsed->failure.empty()) return Error(ErrorCode::kInvalid, parsed->failure);
  return parsed->value;
}

// Bad text gives nil, as upstream.
Result<Value> FromJson(Call& call, Arguments arguments) {
  Result<ParsedJson> parsed = ParseJsonValue(call, arguments[0].text());
  if (parsed.ok()) return parsed->value;
  if (IsLimit(parsed.error())) return parsed.error();
  return Value();
}

template <const JsonStyle& style>
Result<Value> MustToJson(Call& call, Arguments arguments) {
  Result<SecretBytes> text = WriteJsonValue(call, arguments[0], style);
  if (!text.ok()) return text.error();
  return Value::Text(*std::move(text));
}

// What cannot be written gives "", as upstream.
template <const JsonStyle& style>
Result<Value> ToJson(Call& call, Arguments arguments) {
  Result<Value> text = MustToJson<style>(call, arguments);
  if (!text.ok() && !IsLimit(text.error())) return Value::Text("");
  return text;
}

}  // namespace

std::span<const Function> JsonFunctions() {
  static const Function functions[] = {
      {"fromJson", "s string", FromJson,
       "the value of JSON text, its numbers as float64; nil for text that is none",
       R"t({{ (fromJson "{\"port\":5432}").port }})t"},
      {"mustFromJson", "s string", MustFromJson, "as fromJson; bad text is an error"},
      {"toJson", "value any", ToJson<kCompact>,
       "the value as JSON, < > & escaped; \"\" if it cannot be written",
       R"t({{ toJson (dict "a" (list 1 "<")) }})t"},
      {"mustToJson", "value any", MustToJson<kCompact>,
       "as toJson; a value that cannot be written is an error"},
      {"toPrettyJson", "value any", ToJson<kPretty>, "as toJson, in indented lines",
       R"t({{ toPrettyJson (dict "a" 1) }})t"},
      {"mustToPrettyJson", "value any", MustToJson<kPretty>,
       "as toPrettyJson; a value that cannot be written is an error"},
      {"toRawJson", "value any", MustToJson<kRaw>, "as mustToJson, < > & not escaped",
       R"t({{ toRawJson (dict "a" "<b>") }})t"},
      {"mustToRawJson", "value any", MustToJson<kRaw>, "as toRawJson"},
  };
  return functions;
}

}  // namespace nodekeep::go
