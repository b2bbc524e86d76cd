#pragma once

// For tests of functions that return a SecretMap.

#include <string>

#include "agent/base/result.h"
#include "agent/query/secret_map.h"

namespace nodekeep {

// "KEY=VALUE KEY=VALUE", or the error.
inline std::string Text(const Result<SecretMap>& values) {
  if (!values.ok()) return values.error().message();
  std::string text;
  for (const auto& [key, value] : *values) {
    if (!text.empty()) text += " ";
    text += key + "=" + std::string(value.Reveal());
  }
  return text;
}

}  // namespace nodekeep
