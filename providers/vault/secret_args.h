#pragma once

// `secretArgs`: a YAML mapping as the JSON body that Go would make of it.

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/base/yaml.h"

namespace nodekeep::vault {

// Plain scalars become what yaml.v3 takes them for when nothing says what they should be: booleans
// (not yes and no), integers in any base, floats, dates; everything else and everything quoted is
// text. Errors: infinities and NaN, which JSON cannot say.
Result<Json> JsonOfYaml(const YamlNode& node);

}  // namespace nodekeep::vault
