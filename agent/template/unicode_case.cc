#include "agent/template/unicode_case.h"

#include <utf8proc.h>

namespace nodekeep::go {
namespace {

utf8proc_category_t CategoryOf(std::uint32_t rune) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(rune));
}

std::uint32_t Mapped(utf8proc_int32_t (*map)(utf8proc_int32_t), std::uint32_t rune) {
  return static_cast<std::uint32_t>(map(static_cast<utf8proc_int32_t>(rune)));
}

// utf8proc maps it to the capital that Unicode 5.1 added; the Unicode tables, and Go, do not.
constexpr std::uint32_t kSharpS = 0xDF;

}  // namespace

bool IsSpace(std::uint32_t rune) {
  if (rune < 0x80) return rune == ' ' || (rune >= '\t' && rune <= '\r');
  return rune == 0x85 || rune == 0xA0 || rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200A) ||
         rune == 0x2028 || rune == 0x2029 || rune == 0x202F || rune == 0x205F || rune == 0x3000;
}

bool IsUpper(std::uint32_t rune) { return CategoryOf(rune) == UTF8PROC_CATEGORY_LU; }

bool IsLower(std::uint32_t rune) { return CategoryOf(rune) == UTF8PROC_CATEGORY_LL; }

bool IsTitle(std::uint32_t rune) { return CategoryOf(rune) == UTF8PROC_CATEGORY_LT; }

bool IsLetter(std::uint32_t rune) {
  const utf8proc_category_t category = CategoryOf(rune);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool IsDigit(std::uint32_t rune) { return CategoryOf(rune) == UTF8PROC_CATEGORY_ND; }

bool IsNumber(std::uint32_t rune) {
  const utf8proc_category_t category = CategoryOf(rune);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool IsPunctuation(std::uint32_t rune) {
  const utf8proc_category_t category = CategoryOf(rune);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

std::uint32_t ToUpper(std::uint32_t rune) {
  if (rune == kSharpS) return rune;
  return Mapped(utf8proc_toupper, rune);
}

std::uint32_t ToLower(std::uint32_t rune) { return Mapped(utf8proc_tolower, rune); }

std::uint32_t ToTitle(std::uint32_t rune) {
  if (rune == kSharpS) return rune;
  return Mapped(utf8proc_totitle, rune);
}

std::string_view TrimSpace(std::string_view text) {
  for (Rune rune = FirstRune(text); rune.length > 0 && IsSpace(rune.code); rune = FirstRune(text)) {
    text.remove_prefix(rune.length);
  }
  for (Rune rune = LastRune(text); rune.length > 0 && IsSpace(rune.code); rune = LastRune(text)) {
    text.remove_suffix(rune.length);
  }
  return text;
}

}  // namespace nodekeep::go
