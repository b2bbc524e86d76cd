#pragma once

#include "agent/base/clock.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// A bearer token of Azure or Google, and its lifetime from when it was obtained (zero = unknown).
struct CloudToken {
  SecretBytes token;
  Duration lifetime = Duration::zero();
};

}  // namespace nodekeep
