#pragma once

// Aborts when a property does not hold, so that the fuzzer records the input.

#include <cstdio>
#include <cstdlib>

namespace nodekeep {

inline void Require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "property violated: %s\n", property);
  std::abort();
}

}  // namespace nodekeep
