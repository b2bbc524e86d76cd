#pragma once

// "Did you mean": the known word that somebody surely meant by a misspelt one.

#include <span>
#include <string>
#include <string_view>

namespace nodekeep {

// `word` as the user should have written it, or "" when nothing known is near: case aside, at most
// two letters differ, and at most half of the word.
std::string ClosestTo(std::string_view word, std::span<const std::string_view> known);

}  // namespace nodekeep
