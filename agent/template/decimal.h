#pragma once

// Exact decimal arithmetic on the shortest digits of float64 numbers: addf, subf, mulf, divf.

#include <span>

#include "agent/base/result.h"
#include "agent/template/call.h"

namespace nodekeep::go {

enum class DecimalOperation { kAdd, kSubtract, kMultiply, kDivide };

// `first` combined with each of `others` in turn. A quotient has 16 decimals, its last one rounded
// half away from zero. Errors: kInvalid for NaN, infinities and a division by zero; kTooLarge.
Result<double> CombineDecimals(Call& call, DecimalOperation operation, double first,
                               std::span<const double> others);

}  // namespace nodekeep::go
