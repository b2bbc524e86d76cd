#pragma once

// JSON with line breaks and indentation, or without white space, byte for byte as tidwall/pretty
// 1.2.1 writes it. Does not validate.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/secret_bytes.h"

namespace nodekeep {

struct PrettyJsonOptions {
  int width = 80;  // arrays that fit are written on one line; 0 and below: never
  std::string prefix;
  std::string indent = "  ";
  bool sort_keys = false;
};

// nullopt: values are nested deeper than `max_depth`, or the text is longer than `max_bytes`.
std::optional<SecretBytes> PrettyJson(std::string_view json, const PrettyJsonOptions& options,
                                      int max_depth, std::size_t max_bytes);

SecretBytes UglyJson(std::string_view json);

}  // namespace nodekeep
