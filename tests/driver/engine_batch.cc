#include "tests/driver/engine_batch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/codecs.h"
#include "agent/query/decoding.h"
#include "agent/query/gjson.h"
#include "agent/query/jmespath.h"
#include "agent/query/key_conversion.h"
#include "agent/query/value_text.h"
#include "agent/template/key_rewrite.h"
#include "agent/template/target_template.h"

namespace nodekeep {
namespace {

Result<Json> Gjson(const Json& question) {
  Result<SecretBytes> json = BytesAt(question, "json");
  if (!json.ok()) return json.error();
  Result<GjsonResult> result = GjsonGet(json->Reveal(), TextAt(question, "path"));
  if (!result.ok()) return result.error();
  Json answer(jsoncons::json_object_arg);
  answer["exists"] = result->exists;
  answer["value64"] = Base64Encode(result->value.Reveal());
  answer["raw64"] = Base64Encode(result->raw.Reveal());
  return answer;
}

Result<Json> Jmespath(const Json& question) {
  Result<SecretBytes> json = BytesAt(question, "json");
  if (!json.ok()) return json.error();
  Result<JmespathResult> result = JmespathSearch(json->Reveal(), TextAt(question, "path"));
  if (!result.ok()) return result.error();
  constexpr std::string_view kKinds[] = {"null", "text", "other"};
  Json answer(jsoncons::json_object_arg);
  answer["kind"] = std::string(kKinds[static_cast<int>(result->kind)]);
  answer["value64"] = Base64Encode(result->text.Reveal());
  return answer;
}

Result<Json> Decode(const Json& question) {
  const Result<DecodingStrategy> strategy = ParseDecodingStrategy(TextAt(question, "strategy"));
  if (!strategy.ok()) return strategy.error();
  Result<SecretBytes> value = BytesAt(question, "value");
  if (!value.ok()) return value.error();
  return Value(DecodeValue(*strategy, *std::move(value)));
}

Result<Json> DecodeMap(const Json& question, SecretMap data) {
  const Result<DecodingStrategy> strategy = ParseDecodingStrategy(TextAt(question, "strategy"));
  if (!strategy.ok() && !data.empty()) {
    return strategy.error().Prepend("failure decoding key {}", data.begin()->first);
  }
  if (!strategy.ok()) return Out(std::move(data));
  return Out(DecodeValues(*strategy, std::move(data)));
}

Result<Json> Convert(const Json& question, SecretMap data) {
  return Out(ConvertKeys(ParseKeyConversion(TextAt(question, "strategy")), std::move(data)));
}

Result<Json> Reverse(const Json& question, SecretMap data) {
  if (TextAt(question, "strategy") != "ReverseUnicode") return Out(std::move(data));
  return Out(ReverseUnicodeKeys(std::move(data)));
}

Result<Json> Rewrite(const TemplateEnvironment& environment, const Json& question, SecretMap data) {
  Json list = Json::null();
  if (const Json* rewrite = Find(question, {"rewrite"})) list = *rewrite;
  if (list.is_object()) list = Json(jsoncons::json_array_arg, {list});
  const Result<std::vector<KeyRewrite>> rewrites = ReadKeyRewrites(list);
  if (!rewrites.ok()) return rewrites.error();
  return Out(RewriteKeys(environment, *rewrites, std::move(data)));
}

Result<Json> ByteValue(const Json& question) {
  Result<SecretBytes> text = BytesAt(question, "json");
  if (!text.ok()) return text.error();
  const Result<Json> json = ParseJson(text->Reveal());
  if (!json.ok()) return json.error();
  const bool literal = TextAt(question, "how") == "number";
  return Value(ValueText(*json, literal ? JsonNumbers::kLiteral : JsonNumbers::kFloat));
}

Result<Json> JsonMap(const Json& question) {
  Result<SecretBytes> text = BytesAt(question, "json");
  if (!text.ok()) return text.error();
  return Out(JsonToMap(text->Reveal()));
}

Result<Json> RenderTemplate(const TemplateEnvironment& environment, const Json& question,
                            SecretMap data) {
  const std::string scope_name = TextAt(question, "scope");
  const Result<TemplateScope> scope =
      ParseTemplateScope(scope_name.empty() ? "Values" : scope_name);
  if (!scope.ok()) return scope.error();
  const Result<TemplateTarget> target = ParseTemplateTarget(TextAt(question, "target"));
  if (!target.ok()) return target.error();
  const Result<DecodingStrategy> decoding = ParseDecodingStrategy(TextAt(question, "decoding"));
  if (!decoding.ok()) return decoding.error();
  const Result<SecretBytes> text = BytesAt(question, "template");
  if (!text.ok()) return text.error();
  TemplateOptions options;
  if (const auto left = TextOf(Find(question, {"left"})); left && !left->empty()) {
    options.left = *left;
  }
  if (const auto right = TextOf(Find(question, {"right"})); right && !right->empty()) {
    options.right = *right;
  }
  TargetTemplate rendered{.texts = {{TextAt(question, "key"), std::string(text->Reveal())}},
                          .scope = *scope,
                          .decoding = *decoding};
  // For measurements: as often as the question says.
  std::int64_t repeat = IntOf(Find(question, {"repeat"})).value_or(1);
  for (; repeat > 1; --repeat) {
    Result<SecretMap> out = RenderTarget(environment, rendered, TemplateData(data), options);
    if (!out.ok()) return out.error();
  }
  return Out(RenderTarget(environment, rendered, TemplateData(data), options));
}

using WithData = Result<Json> (*)(const TemplateEnvironment&, const Json&, SecretMap);

const std::map<std::string_view, WithData>& OpsWithData() {
  static const std::map<std::string_view, WithData> kOps = {
      {"template", RenderTemplate},
      {"rewrite", Rewrite},
      {"decodeMap", [](const TemplateEnvironment&, const Json& question,
                       SecretMap data) { return DecodeMap(question, std::move(data)); }},
      {"convertKeys", [](const TemplateEnvironment&, const Json& question,
                         SecretMap data) { return Convert(question, std::move(data)); }},
      {"reverseKeys", [](const TemplateEnvironment&, const Json& question,
                         SecretMap data) { return Reverse(question, std::move(data)); }},
      {"validateKeys", [](const TemplateEnvironment&, const Json&,
                          SecretMap data) { return Out(ValidateKeys(std::move(data))); }},
  };
  return kOps;
}

using WithoutData = Result<Json> (*)(const Json&);

const std::map<std::string_view, WithoutData>& OpsWithoutData() {
  static const std::map<std::string_view, WithoutData> kOps = {
      {"gjson", Gjson},         {"jmespath", Jmespath}, {"decode", Decode},
      {"byteValue", ByteValue}, {"jsonToMap", JsonMap},
  };
  return kOps;
}

Status AddData(const Json* members, bool is_base64, SecretMap& data) {
  if (members == nullptr || !members->is_object()) return {};
  for (const auto& member : members->object_range()) {
    const std::string text = TextOf(member.value()).value_or("");
    Result<SecretBytes> value = is_base64 ? Base64Decode(text) : SecretBytes(text);
    if (!value.ok()) return value.error().Prepend("data64.{}", member.key());
    data.insert_or_assign(member.key(), *std::move(value));
  }
  return {};
}

}  // namespace

std::string TextAt(const Json& question, const std::string& name) {
  return TextOf(Find(question, {name})).value_or("");
}

Result<SecretBytes> BytesAt(const Json& question, const std::string& name) {
  if (const auto encoded = TextOf(Find(question, {name + "64"}))) return Base64Decode(*encoded);
  return SecretBytes(TextAt(question, name));
}

Result<SecretMap> DataAt(const Json& question) {
  SecretMap data;
  if (Status added = AddData(Find(question, {"data"}), false, data); !added.ok()) {
    return added.error();
  }
  if (Status added = AddData(Find(question, {"data64"}), true, data); !added.ok()) {
    return added.error();
  }
  return data;
}

Result<Json> Out(const Result<SecretMap>& values) {
  if (!values.ok()) return values.error();
  Json out(jsoncons::json_object_arg);
  for (const auto& [key, value] : *values) out[key] = Base64Encode(value.Reveal());
  Json answer(jsoncons::json_object_arg);
  answer["out64"] = std::move(out);
  return answer;
}

Result<Json> Value(const Result<SecretBytes>& value) {
  if (!value.ok()) return value.error();
  Json answer(jsoncons::json_object_arg);
  answer["value64"] = Base64Encode(value->Reveal());
  return answer;
}

Result<Json> AnswerTo(const TemplateEnvironment& environment, const Json& question) {
  const std::string op = TextAt(question, "op");
  if (const auto known = OpsWithoutData().find(op); known != OpsWithoutData().end()) {
    return known->second(question);
  }
  if (const auto known = OpsWithData().find(op); known != OpsWithData().end()) {
    Result<SecretMap> data = DataAt(question);
    if (!data.ok()) return data.error();
    return known->second(environment, question, *std::move(data));
  }
  return Error::Format(ErrorCode::kInvalid, "unknown op \"{}\"", op);
}

}  // namespace nodekeep
