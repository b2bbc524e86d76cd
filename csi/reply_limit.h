#pragma once

#include <cstddef>

namespace nodekeep {

// The largest reply to a mount that the driver accepts by default: --max-call-recv-msg-size
// (docs/protocol/csi-provider.md, "Limits and retries").
inline constexpr std::size_t kMaxReplyBytes = 4u << 20;

}  // namespace nodekeep
