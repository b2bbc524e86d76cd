#pragma once

// The text that a template with templateAs KeysAndValues gives, as the keys of a Secret.

#include <map>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep::go {

// As sigs.k8s.io/yaml unmarshals into a map[string]string: numbers and booleans in a normalized
// spelling (0644 -> 420, yes -> true), null as "", of duplicate keys the last. Errors: kInvalid;
// they never quote values.
Result<std::map<std::string, SecretBytes>> YamlStringMap(std::string_view text);

}  // namespace nodekeep::go
