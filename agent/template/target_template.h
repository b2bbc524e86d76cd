#pragma once

// How the templates of an ExternalSecret's target become keys and values.

#include <map>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/query/decoding.h"
#include "agent/query/secret_map.h"
#include "agent/template/template.h"

namespace nodekeep {

enum class TemplateScope {
  kValues,         // a key as it is written, its value is rendered
  kKeysAndValues,  // what is rendered is a YAML mapping of keys to values
};

// "Values" or "KeysAndValues". Errors: kInvalid.
Result<TemplateScope> ParseTemplateScope(std::string_view name);

enum class TemplateTarget { kData, kLabels, kAnnotations };

// "Data", "Labels" or "Annotations" in any case; "" is kData. Errors: kInvalid.
Result<TemplateTarget> ParseTemplateTarget(std::string_view name);

// The dot of a template: the keys and values of a Secret as a map[string]string.
go::Value TemplateData(const SecretMap& values);

// The templates by their keys. Under kKeysAndValues the keys only tell them apart: errors name a
// template by its text, as for a literal.
using TemplateTexts = std::map<std::string, std::string>;

struct TargetTemplate {
  TemplateTexts texts;
  TemplateScope scope = TemplateScope::kValues;
  DecodingStrategy decoding = DecodingStrategy::kNone;  // of the values that were rendered
};

// Renders one after another; of equal keys the last wins. `dot`: see TemplateData. Errors: kInvalid
// with upstream's text, "unable to execute template at key K: ..."; kTooLarge for a limit.
Result<SecretMap> RenderTarget(const TemplateEnvironment& environment, const TargetTemplate& target,
                               const go::Value& dot, const TemplateOptions& options = {});

}  // namespace nodekeep
