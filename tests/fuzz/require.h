#pragma once

// How a fuzzer says that a property does not hold.

#include <cstdio>
#include <cstdlib>

namespace nodekeep {

inline void Require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "property violated: %s\n", property);
  std::abort();
}

}  // namespace nodekeep
