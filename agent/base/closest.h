#pragma once

// "Did you mean": the known word that is closest to a misspelt one.

#include <span>
#include <string>
#include <string_view>

namespace nodekeep {

// `word` as the user should have written it, or "" when nothing known is near: at most two edits
// (a swap of two neighbouring letters is one), and at most half of the word. Case, dashes and other
// characters that are not letters or digits do not count.
std::string ClosestTo(std::string_view word, std::span<const std::string_view> known);

// For an error about `word`: "did you mean <closest>?", or, when nothing known is near, `all` and
// the known words: "they are a, b".
std::string MeantOrAll(std::string_view word, std::span<const std::string_view> known,
                       std::string_view all = "they are");

}  // namespace nodekeep
