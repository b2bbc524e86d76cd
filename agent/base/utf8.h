#pragma once

// UTF-8 as Go decodes it: shortest form only, no surrogates, nothing above U+10FFFF.

#include <cstddef>
#include <string>
#include <string_view>

namespace nodekeep {

// Length of the valid sequence at the start of `text`; 0 if there is none.
std::size_t Utf8SequenceLength(std::string_view text);

// Offset of the first byte that is not part of a valid sequence; npos if all of `text` is valid.
std::size_t FindInvalidUtf8(std::string_view text);

// The longest prefix of at most `limit` bytes that does not end inside a character.
std::string_view Utf8Prefix(std::string_view text, std::size_t limit);

// The start of a text that may be long (a parameter, a name, an address), for errors, logs and
// Events: at most `limit` bytes of it, and "..." where it was cut, which is never inside a
// character.
std::string Excerpt(std::string_view text, std::size_t limit = 256);

// Untrusted text as one line of a message: white space and control characters are removed at both
// ends and collapsed to one space inside; text longer than `limit` bytes is cut and ends in "...".
std::string OneLine(std::string_view text, std::size_t limit);

// Replaces each byte that is not part of a valid sequence with U+FFFD, as Go's decoders do.
std::string ReplaceInvalidUtf8(std::string_view text);

}  // namespace nodekeep
