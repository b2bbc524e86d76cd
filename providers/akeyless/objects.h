#pragma once

// Parses the parameter `objects`, a YAML list, into typed entries. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/secrets/spc_warnings.h"
#include "providers/akeyless/item.h"

namespace nodekeep::akeyless {

// A checked entry.
struct ObjectEntry {
  std::string file_name;    // a path that CheckVolumePath accepts
  std::string secret_path;  // not empty
  std::string version;      // decimal, "" = latest
  std::string property;
  std::string decode;                 // "", "base64", "hex"
  std::optional<std::uint32_t> mode;  // absent = that of the request
  std::optional<bool> ignore_cache;   // absent = that of the class
  std::optional<bool> json_text;      // absent = that of the class
  bool optional = false;
  bool secret_args = false;  // secretArgs is set, which has no effect
  ItemRequest request;       // without ignore_cache

  bool operator==(const ObjectEntry&) const = default;
};

// The entries in the order of the list, without exact duplicates; none for text without a list.
// Errors begin with "parameter objects: line L, column C: ".
Result<std::vector<ObjectEntry>> ReadObjects(std::string_view text, SpcWarnings& warnings);

}  // namespace nodekeep::akeyless
