#pragma once

// The parameter `objects`: a YAML list, entry by entry, into typed values. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "providers/akeyless/item.h"

namespace nodekeep::akeyless {

// An entry as it was written and checked.
struct ObjectEntry {
  std::string file_name;    // a path that CheckVolumePath takes
  std::string secret_path;  // not empty
  std::string version;      // decimal, "" = latest
  std::string property;
  std::string decode;                 // "", "base64", "hex"
  std::optional<std::uint32_t> mode;  // absent = that of the request
  std::optional<bool> ignore_cache;   // absent = that of the class
  std::optional<bool> json_text;      // absent = that of the class
  bool optional = false;
  bool secret_args = false;  // given, though they mean nothing
  ItemRequest request;       // without ignore_cache

  bool operator==(const ObjectEntry&) const = default;
};

// The entries in the list's order, those that repeat one word for word left out. Text without a
// list gives none. Errors begin with "parameter objects: line L, column C: ".
Result<std::vector<ObjectEntry>> ReadObjects(std::string_view text);

}  // namespace nodekeep::akeyless
