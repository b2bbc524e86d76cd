#pragma once

// Quoted text, as Go's strconv writes and reads it. strconv.Quote and IsPrint are in format.h.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/secret_bytes.h"

namespace nodekeep::go {

// strconv.QuoteToASCII.
SecretBytes QuoteToAscii(std::string_view text);
// strconv.QuoteRune and QuoteRuneToASCII.
std::string QuoteRune(std::uint32_t rune, bool ascii_only);
// strconv.CanBackquote: it can be written as it is between backquotes.
bool CanBackquote(std::string_view text);
// "U+0041 'A'" or, if not printable, "U+0000".
std::string NameOfRune(std::uint32_t rune);

// strconv.Unquote of a text in double quotes or backquotes; nullopt: not well formed.
std::optional<SecretBytes> Unquote(std::string_view quoted);

// The character after an opening single quote.
struct UnquotedRune {
  std::uint32_t rune = 0;
  std::string_view rest;  // what follows
};
std::optional<UnquotedRune> UnquoteRune(std::string_view text);

}  // namespace nodekeep::go
