#pragma once

// The parsed parameters of a SecretProviderClass, and the reads that they need. Immutable and
// shared by all mounts of the class. Contains no credential. Its memory is charged to the namespace
// that parsed it first, for as long as anything refers to it.

#include <cstddef>
#include <memory>
#include <vector>

#include "agent/base/shared_resource.h"
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
  std::size_t options_bytes = 0;     // about what mount.options occupies
  SharedResource::Grant share;       // empty: not charged
};

using ParsedClassPtr = std::shared_ptr<const ParsedClass>;

// About what the parsed class occupies, its options included. `parameters_bytes`: what its
// parameters occupy as text, which the options are made of.
std::size_t MemoryOf(const ParsedMount& mount, std::size_t parameters_bytes);
std::size_t BytesOf(const SpcInput& input);

// `options_text`: bytes of the parameters that the options keep, all but `objects`.
ParsedClassPtr MakeParsedClass(ParsedMount mount, std::size_t options_text,
                               SharedResource::Grant share = {});

}  // namespace nodekeep
