#pragma once

// A user of a lease's credentials. A lease is kept while one of its holders exists.

#include <functional>
#include <string>

namespace nodekeep {

struct LeaseHolder {
  // Unique on the node. When a holder gets a newer lease of the same ref, it no longer holds the
  // older one.
  std::string name;
  // Whether the holder no longer exists. Thread-safe; may read the file system, must not block.
  // Null if that cannot be determined: the lease is then kept until its maximum.
  std::function<bool()> gone;
};

}  // namespace nodekeep
