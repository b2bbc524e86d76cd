#pragma once

// Which keys of the map that a template is executed with it may read.

#include <set>
#include <string>
#include <string_view>

#include "agent/template/syntax.h"

namespace nodekeep::go {

struct FieldUse {
  std::set<std::string> names;
  bool all = false;  // others too
};

// Never too few: where a value may be the map, it counts as the map.
FieldUse AnalyzeFields(const SyntaxTree& tree, std::string_view name);

}  // namespace nodekeep::go
