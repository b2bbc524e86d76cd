#pragma once

// Durations and sizes as written in configuration.

#include <cstddef>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace nodekeep {

// Go's syntax: "1h30m", "90s", "1.5h", "500ms", "0"; units ns, us, µs, ms, s, m, h. Truncated to
// milliseconds. Negative durations are refused, because no setting may be negative.
Result<Duration> ParseDuration(std::string_view text);

// As Go prints it: "1h30m0s", "1m30s", "1.5s", "500ms", "0s".
std::string FormatDuration(Duration duration);

// Size in bytes: "1048576", "64MiB", "64Mi" (powers of 1024); "4MB", "4M" (powers of 1000). Units
// up to T; fractions are refused.
Result<std::size_t> ParseByteSize(std::string_view text);

}  // namespace nodekeep
