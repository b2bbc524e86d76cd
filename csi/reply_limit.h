#pragma once

#include <cstddef>

namespace nodekeep {

// The largest reply to a mount that the driver accepts by default (csi.md 1.8,
// --max-call-recv-msg-size).
inline constexpr std::size_t kMaxReplyBytes = 4u << 20;

}  // namespace nodekeep
