#pragma once

#include <cstdint>
#include <string_view>

namespace nodekeep {

// Whether all of `text` matches `pattern`, as tidwall/match 1.1.1 decides: '*' is any number of
// characters, '?' one, '\' makes the next character literal. Characters are UTF-8; invalid bytes
// are U+FFFD each. `steps` is reduced by the work done; no match once it is used up.
bool MatchesWildcard(std::string_view text, std::string_view pattern, std::uint64_t& steps);

}  // namespace nodekeep
