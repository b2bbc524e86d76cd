#pragma once

// YAML as sigs.k8s.io/yaml reads and writes it: YAML 1.1, and by way of JSON.

#include <string_view>

#include "agent/base/result.h"
#include "agent/template/call.h"
#include "agent/template/value.h"

namespace nodekeep::go {

// The first document as a map[string]interface {}; its numbers are float64. Errors: kInvalid with
// upstream's text as far as it does not quote values; kTooLarge.
Result<Value> ParseYamlMap(Call& call, std::string_view text);

// Without the last line break. Errors: kInvalid, Go cannot encode the value; kTooLarge.
Result<SecretBytes> YamlOf(Call& call, const Value& value);

}  // namespace nodekeep::go
