#pragma once

// Paths into JSON text, with the results of tidwall/gjson 1.18: External Secrets selects the
// `property` of a remote value with it. https://github.com/tidwall/gjson/blob/v1.18.0/SYNTAX.md
//
// Like the original it does not validate: text that is not JSON gives whatever is found in it.
// Unlike the original it is bounded, because both path and document come from outside.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

struct GjsonLimits {
  std::size_t path_bytes = 8u << 10;
  // Bytes of text read or written; more than 100 times what a usual path needs on 1 MiB.
  std::uint64_t work = 256u << 20;
  // Bytes of all intermediate texts together, in addition to 16 times the document.
  std::size_t memory = 8u << 20;
  // Nesting of multipaths, pipes and queries in a path, and of values for @dig and @pretty.
  int depth = 500;
};

struct GjsonResult {
  bool exists = false;
  SecretBytes value;  // strings without quotes and escapes, null as "", all else as JSON text
  SecretBytes raw;    // the JSON text of the value, as in the document
};

// The value at `path`. A path that selects nothing is not an error: `exists` is then false. Errors
// are kTooLarge: a limit. Pure, hence thread-safe.
Result<GjsonResult> GjsonGet(std::string_view json, std::string_view path,
                             const GjsonLimits& limits = {});

}  // namespace nodekeep
