#pragma once

#include <cstddef>

namespace nodekeep {

// The largest reply to a mount that a driver accepts by default: --max-call-recv-msg-size
// (docs/protocol/csi-provider.md, "Limits and retries"). Also what our own driver accepts from
// providers that are not built in.
inline constexpr std::size_t kMaxReplyBytes = 4u << 20;

}  // namespace nodekeep
