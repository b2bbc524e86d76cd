#pragma once

// The parsed parameters of a SecretProviderClass, and the reads that they need. Immutable and
// shared by all mounts of the class. Contains no credential.

#include <cstddef>
#include <memory>
#include <vector>

#include "agent/secrets/read_plan.h"
#include "agent/secrets/spc_dialect.h"

namespace nodekeep {

struct ParsedClass {
  ParsedClass() = default;
  ParsedClass(const ParsedClass&) = delete;  // `reads` points into this object
  ParsedClass& operator=(const ParsedClass&) = delete;

  ParsedMount mount;
  // The distinct refs of the projections, in their order; each points into mount.projections.
  std::vector<PlannedRead> reads;
  std::vector<std::size_t> read_of;  // for each projection, its index in `reads`
};

using ParsedClassPtr = std::shared_ptr<const ParsedClass>;

ParsedClassPtr MakeParsedClass(ParsedMount mount);

}  // namespace nodekeep
