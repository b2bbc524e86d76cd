#pragma once

// Scalars of SecretProviderClass parameters and mount requests, parsed as Go's standard library
// does.

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace nodekeep {

// strconv.Quote, for error texts: in double quotes, with \" \\ \n..., \x1b for other control
// characters and for invalid UTF-8. Text over 100 bytes is truncated and ends in "...".
std::string GoQuote(std::string_view text);

// strconv.ParseBool: 1 t T TRUE true True, 0 f F FALSE false False. Error text:
// strconv.ParseBool: parsing "<x>": invalid syntax.
Result<bool> ParseGoBool(std::string_view text);

// The `permission` field of a mount request: a JSON number that fits into uint32. `null` is 0;
// leading zeros, signs, fractions and exponents are refused. Empty text is the error "unexpected
// end of JSON input".
Result<std::uint32_t> ParsePermission(std::string_view text);

}  // namespace nodekeep
