#pragma once

// UTF-8 as Go reads it: shortest form only, no surrogates, nothing above U+10FFFF.

#include <cstddef>
#include <string>
#include <string_view>

namespace nodekeep {

// Length of the valid sequence that `text` begins with; 0 if it begins with none (or is empty).
std::size_t Utf8SequenceLength(std::string_view text);

// Offset of the first byte that belongs to no valid sequence; npos if all of `text` is valid.
std::size_t FindInvalidUtf8(std::string_view text);

// The longest beginning of at most `limit` bytes that does not end within a character.
std::string_view Utf8Prefix(std::string_view text, std::size_t limit);

// Text from outside as one line of a message: none of the white space and control characters at its
// ends, one space for each run of them within, and what is longer than `limit` bytes ends in "...".
std::string OneLine(std::string_view text, std::size_t limit);

// Each byte that belongs to no valid sequence becomes U+FFFD, as Go's decoders do.
std::string ReplaceInvalidUtf8(std::string_view text);

}  // namespace nodekeep
