#pragma once

// UTF-8 as Go decodes it: shortest form only, no surrogates, nothing above U+10FFFF.

#include <cstddef>
#include <cstdint>
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

// A character of a text, as Go's range over a string gives it.
struct Rune {
  std::uint32_t code = 0;  // U+FFFD for a byte that is not part of a valid sequence
  std::size_t length = 0;  // in bytes; 0: the text is empty
};
Rune FirstRune(std::string_view text);
Rune LastRune(std::string_view text);

// The bytes of a code point; U+FFFD for surrogates and values over U+10FFFF.
std::string EncodeUtf8(std::uint32_t code);

}  // namespace nodekeep
