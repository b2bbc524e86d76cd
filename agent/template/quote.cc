#include "agent/template/quote.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include "agent/base/utf8.h"
#include "agent/template/format.h"

namespace nodekeep::go {
namespace {

constexpr std::uint32_t kLastRune = 0x10FFFF;

bool IsSurrogate(std::uint32_t rune) { return rune >= 0xD800 && rune <= 0xDFFF; }

// The letter of an escape sequence; 0: none.
char EscapeLetter(std::uint32_t rune) {
  switch (rune) {
    case '\a': return 'a';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    case '\v': return 'v';
    default: return 0;
  }
}

std::string Escaped(std::uint32_t rune, char quote, bool ascii_only) {
  if (rune == static_cast<unsigned char>(quote) || rune == '\\') {
    return {'\\', static_cast<char>(rune)};
  }
  if (IsPrintable(rune) && (!ascii_only || rune < 0x80)) return EncodeUtf8(rune);
  if (const char letter = EscapeLetter(rune); letter != 0) return {'\\', letter};
  if (rune < ' ' || rune == 0x7f) return fmt::format("\\x{:02x}", rune);
  if (rune > kLastRune || IsSurrogate(rune)) rune = 0xFFFD;
  return rune < 0x10000 ? fmt::format("\\u{:04x}", rune) : fmt::format("\\U{:08x}", rune);
}

SecretBytes QuoteText(std::string_view text, bool ascii_only) {
  SecretBytes out;
  out.Reserve(text.size() + 2);
  out.Append("\"");
  while (!text.empty()) {
    const Rune rune = FirstRune(text);
    if (Utf8SequenceLength(text) == 0) {
      out.Append(fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0])));
    } else {
      out.Append(Escaped(rune.code, '"', ascii_only));
    }
    text.remove_prefix(rune.length);
  }
  out.Append("\"");
  return out;
}

std::optional<unsigned> DigitValue(char c, unsigned base) {
  unsigned value = base;
  if (c >= '0' && c <= '9') value = static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') value = static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') value = static_cast<unsigned>(c - 'A') + 10;
  if (value >= base) return std::nullopt;
  return value;
}

// Takes `count` digits from the start of `text`.
std::optional<std::uint32_t> TakeDigits(std::string_view& text, std::size_t count, unsigned base) {
  if (text.size() < count) return std::nullopt;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::optional<unsigned> digit = DigitValue(text[i], base);
    if (!digit) return std::nullopt;
    number = number * base + *digit;
  }
  text.remove_prefix(count);
  if (number > kLastRune) return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

struct Character {
  std::uint32_t code = 0;
  bool is_byte = false;  // of a text: this byte, not the bytes of a code point
};

std::optional<Character> TakeByte(std::string_view& text, std::size_t digits, unsigned base) {
  const std::optional<std::uint32_t> code = TakeDigits(text, digits, base);
  if (!code || *code > 0xFF) return std::nullopt;
  return Character{*code, true};
}

std::optional<Character> TakeCodePoint(std::string_view& text, std::size_t digits) {
  const std::optional<std::uint32_t> code = TakeDigits(text, digits, 16);
  if (!code || IsSurrogate(*code)) return std::nullopt;
  return Character{*code, false};
}

// `text` starts after the backslash.
std::optional<Character> TakeEscape(std::string_view& text, char quote) {
  if (text.empty()) return std::nullopt;
  const char letter = text.front();
  if (letter >= '0' && letter <= '7') return TakeByte(text, 3, 8);
  text.remove_prefix(1);
  switch (letter) {
    case 'a': return Character{'\a'};
    case 'b': return Character{'\b'};
    case 'f': return Character{'\f'};
    case 'n': return Character{'\n'};
    case 'r': return Character{'\r'};
    case 't': return Character{'\t'};
    case 'v': return Character{'\v'};
    case 'x': return TakeByte(text, 2, 16);
    case 'u': return TakeCodePoint(text, 4);
    case 'U': return TakeCodePoint(text, 8);
    case '\\': return Character{'\\'};
    default: break;
  }
  if (letter != quote) return std::nullopt;
  return Character{static_cast<unsigned char>(quote)};
}

std::optional<Character> TakeCharacter(std::string_view& text, char quote) {
  if (text.empty() || text.front() == quote || text.front() == '\n') return std::nullopt;
  if (text.front() == '\\') {
    text.remove_prefix(1);
    return TakeEscape(text, quote);
  }
  const Rune rune = FirstRune(text);
  text.remove_prefix(rune.length);
  return Character{rune.code};
}

std::optional<SecretBytes> UnquoteRaw(std::string_view text) {
  SecretBytes out;
  while (true) {
    const std::size_t end = text.find('\r');
    out.Append(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

bool IsPrintable(std::uint32_t rune) {
  if (rune < 0x80) return rune >= ' ' && rune < 0x7f;
  if (rune > kLastRune) return false;
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(rune));
  // Letters, marks, numbers, punctuation and symbols follow each other.
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_SO;
}

SecretBytes Quote(std::string_view text) { return QuoteText(text, false); }

SecretBytes QuoteToAscii(std::string_view text) { return QuoteText(text, true); }

std::string QuoteRune(std::uint32_t rune, bool ascii_only) {
  if (rune > kLastRune || IsSurrogate(rune)) rune = 0xFFFD;
  return "'" + Escaped(rune, '\'', ascii_only) + "'";
}

bool CanBackquote(std::string_view text) {
  if (FindInvalidUtf8(text) != std::string_view::npos) return false;
  // A byte order mark would be lost in a source file.
  if (text.find("\xEF\xBB\xBF") != std::string_view::npos) return false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < ' ' && byte != '\t') || byte == '`' || byte == 0x7f) return false;
  }
  return true;
}

std::string NameOfRune(std::uint32_t rune) {
  std::string name = fmt::format("U+{:04X}", rune);
  if (IsPrintable(rune)) name += " '" + EncodeUtf8(rune) + "'";
  return name;
}

std::optional<SecretBytes> Unquote(std::string_view quoted) {
  if (quoted.size() < 2 || quoted.front() != quoted.back()) return std::nullopt;
  const char quote = quoted.front();
  std::string_view text = quoted.substr(1, quoted.size() - 2);
  if (quote == '`') return UnquoteRaw(text);
  SecretBytes out;
  out.Reserve(text.size());
  while (!text.empty()) {
    const std::optional<Character> next = TakeCharacter(text, quote);
    if (!next) return std::nullopt;
    if (next->is_byte) {
      const char byte = static_cast<char>(next->code);
      out.Append({&byte, 1});
    } else {
      out.Append(EncodeUtf8(next->code));
    }
  }
  return out;
}

std::optional<UnquotedRune> UnquoteRune(std::string_view text) {
  const std::optional<Character> next = TakeCharacter(text, '\'');
  if (!next) return std::nullopt;
  return UnquotedRune{next->code, text};
}

}  // namespace nodekeep::go
