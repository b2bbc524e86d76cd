#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/trimmed.h"

namespace nodekeep {

// Splits "a, b" at commas; trims each part and drops empty ones.
inline std::vector<std::string> SplitCommas(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (std::string_view part = Trimmed(text.substr(0, comma)); !part.empty()) {
      parts.emplace_back(part);
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

}  // namespace nodekeep
