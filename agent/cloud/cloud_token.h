#pragma once

#include "agent/base/clock.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// A bearer token of Azure or Google, and how long it lives from when it was obtained (zero = nobody
// said).
struct CloudToken {
  SecretBytes token;
  Duration lifetime = Duration::zero();
};

}  // namespace nodekeep
