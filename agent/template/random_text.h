#pragma once

// Unbiased random choices from Call::Random.

#include <cstdint>
#include <string_view>

#include "agent/base/result.h"
#include "agent/template/call.h"
#include "agent/template/value.h"

namespace nodekeep::go {

// Uniform in [0, limit). Precondition: limit > 0.
std::uint64_t RandomBelow(const Call& call, std::uint64_t limit);

// `count` characters of `alphabet` (at most 256); "" for a negative count. Errors: kTooLarge.
Result<Value> RandomText(Call& call, std::int64_t count, std::string_view alphabet);

// The characters of `text` in random order. Errors: kTooLarge.
Result<Value> Shuffled(Call& call, std::string_view text);

// A UUID of version 4.
Value RandomUuid(const Call& call);

}  // namespace nodekeep::go
