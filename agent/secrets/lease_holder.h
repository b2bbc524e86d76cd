#pragma once

// Whoever uses what came with a lease: the lease is kept while one of its holders exists.

#include <functional>
#include <string>

namespace nodekeep {

struct LeaseHolder {
  // Unique among the holders of a node. A holder that is given a newer lease of the same ref lets
  // go of the older one.
  std::string name;
  // Whether the holder no longer exists. Thread-safe; may read the file system, must not wait.
  // Null when that cannot be known: the lease is then kept until its maximum.
  std::function<bool()> gone;
};

}  // namespace nodekeep
