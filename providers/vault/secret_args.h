#pragma once

// `secretArgs`: a YAML mapping, converted to the JSON body that Go would produce.

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/base/yaml.h"

namespace nodekeep::vault {

// Plain scalars get the type that yaml.v3 infers without a target type: booleans (not yes and no),
// integers in any base, floats, dates; all others, and all quoted scalars, are text. Errors:
// infinities and NaN, which JSON cannot represent.
Result<Json> JsonOfYaml(const YamlNode& node);

}  // namespace nodekeep::vault
