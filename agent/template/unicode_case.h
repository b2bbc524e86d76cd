#pragma once

// Character classes and case of Go's package unicode.

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/utf8.h"

namespace nodekeep::go {

bool IsSpace(std::uint32_t rune);
bool IsUpper(std::uint32_t rune);
bool IsLower(std::uint32_t rune);
bool IsTitle(std::uint32_t rune);
bool IsLetter(std::uint32_t rune);
bool IsDigit(std::uint32_t rune);   // category Nd
bool IsNumber(std::uint32_t rune);  // category N
bool IsPunctuation(std::uint32_t rune);

// Simple mappings: one character for one.
std::uint32_t ToUpper(std::uint32_t rune);
std::uint32_t ToLower(std::uint32_t rune);
std::uint32_t ToTitle(std::uint32_t rune);

// `text` without white space at both ends.
std::string_view TrimSpace(std::string_view text);

// Each character mapped by `map(rune)`; invalid bytes are mapped as U+FFFD.
template <typename Mapping>
std::string MapRunes(std::string_view text, Mapping map) {
  std::string mapped;
  mapped.reserve(text.size());
  while (!text.empty()) {
    const Rune rune = FirstRune(text);
    text.remove_prefix(rune.length);
    mapped += EncodeUtf8(map(rune.code));
  }
  return mapped;
}

}  // namespace nodekeep::go
