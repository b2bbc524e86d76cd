#pragma once

// reflect.DeepEqual.

#include "agent/base/result.h"
#include "agent/template/call.h"
#include "agent/template/value.h"

namespace nodekeep::go {

// Types count: int 1 differs from float64 1, the nil of a list type from an empty list. Errors:
// kTooLarge.
Result<bool> DeepEqual(Call& call, const Value& a, const Value& b);

}  // namespace nodekeep::go
