#pragma once

// What a plain YAML scalar means by the rules of Go's yaml.v2 (YAML 1.1), on which
// sigs.k8s.io/yaml is built.

#include <cstdint>
#include <string>
#include <string_view>

namespace nodekeep::go {

struct YamlScalar {
  enum class Type { kNull, kBool, kInt, kUint, kFloat, kTimestamp, kText };

  Type type = Type::kText;
  bool boolean = false;
  std::int64_t integer = 0;
  std::uint64_t unsigned_integer = 0;  // what does not fit into int64
  double real = 0;
};

YamlScalar ResolveYaml(std::string_view plain);

// strconv.FormatFloat(value, 'g', -1, 64), and with 32 for a float32.
std::string GoFloatShort(double value);
std::string GoFloatShort(float value);

}  // namespace nodekeep::go
