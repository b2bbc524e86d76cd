#pragma once

// "Did you mean" suggestions for misspelt words.

#include <span>
#include <string>
#include <string_view>

namespace nodekeep {

// The word of `known` closest to `word`; "" when none is close. Close: at most two edits (a swap of
// two adjacent letters is one), and at most half of the word. Case and characters other than
// letters and digits are ignored.
std::string ClosestTo(std::string_view word, std::span<const std::string_view> known);

// For an error about `word`: "did you mean <closest>?", or, when no known word is close, `all` and
// the known words: "they are a, b".
std::string SuggestOrList(std::string_view word, std::span<const std::string_view> known,
                          std::string_view all = "they are");

}  // namespace nodekeep
