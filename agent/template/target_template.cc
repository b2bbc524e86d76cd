#include "agent/template/target_template.h"

#include <utility>

#include "agent/base/ascii.h"
#include "agent/template/yaml_string_map.h"

namespace nodekeep {
namespace {

// Upstream's text has the key twice: where the template failed, and where that was called.
Error FailureAt(std::string_view key, std::string_view step, const Error& error) {
  return error.Prepend("unable to {} template at key {}", step, key)
      .Prepend("unable to execute template at key {}", key);
}

Result<SecretBytes> Rendered(const TemplateEnvironment& environment, const std::string& key,
                             std::string_view text, const go::Value& dot,
                             const TemplateOptions& options) {
  const Result<Template> parsed = Template::Parse(key, text, options);
  if (!parsed.ok()) return FailureAt(key, "parse", parsed.error());
  Result<SecretBytes> rendered = parsed->Execute(environment, dot);
  if (!rendered.ok()) return FailureAt(key, "execute", rendered.error());
  return rendered;
}

Status Put(DecodingStrategy decoding, const std::string& key, SecretBytes value, SecretMap& out) {
  Result<SecretBytes> decoded = DecodeValue(decoding, std::move(value));
  if (!decoded.ok()) {
    return decoded.error().Prepend("failed to decode rendered template value for key {}", key);
  }
  out.insert_or_assign(key, *std::move(decoded));
  return {};
}

Status PutKeysAndValues(DecodingStrategy decoding, const SecretBytes& rendered, SecretMap& out) {
  Result<SecretMap> entries = go::YamlStringMap(rendered.Reveal());
  if (!entries.ok()) {
    return entries.error().Prepend("could not unmarshal template to 'map[string][]byte'");
  }
  for (auto& [key, value] : *entries) {
    if (Status put = Put(decoding, key, std::move(value), out); !put.ok()) return put;
  }
  return {};
}

}  // namespace

Result<TemplateScope> ParseTemplateScope(std::string_view name) {
  if (name == "Values") return TemplateScope::kValues;
  if (name == "KeysAndValues") return TemplateScope::kKeysAndValues;
  return Error::Format(ErrorCode::kInvalid,
                       "unknown scope '{}': expected 'Values' or 'KeysAndValues'", name);
}

Result<TemplateTarget> ParseTemplateTarget(std::string_view name) {
  if (name.empty() || EqualsIgnoreCase(name, "data")) return TemplateTarget::kData;
  if (EqualsIgnoreCase(name, "labels")) return TemplateTarget::kLabels;
  if (EqualsIgnoreCase(name, "annotations")) return TemplateTarget::kAnnotations;
  return Error::Format(ErrorCode::kInvalid,
                       "unknown target '{}': expected 'Data', 'Labels' or 'Annotations'", name);
}

go::Value TemplateData(const SecretMap& values) {
  go::Map entries;
  for (const auto& [key, value] : values) entries.emplace(key, go::Value::Text(value.Reveal()));
  return go::Value::MapOf(go::Type::kStringMap, std::move(entries));
}

Result<SecretMap> RenderTarget(const TemplateEnvironment& environment, const TargetTemplate& target,
                               const go::Value& dot, const TemplateOptions& options) {
  SecretMap out;
  const bool keys_too = target.scope == TemplateScope::kKeysAndValues;
  for (const auto& [key, text] : target.texts) {
    Result<SecretBytes> rendered = Rendered(environment, keys_too ? text : key, text, dot, options);
    if (!rendered.ok()) return rendered.error();
    const Status put = keys_too ? PutKeysAndValues(target.decoding, *rendered, out)
                                : Put(target.decoding, key, *std::move(rendered), out);
    if (!put.ok()) return put.error();
  }
  return out;
}

}  // namespace nodekeep
