#include "agent/query/wildcard.h"

#include <optional>

#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

// The next element of a pattern.
struct Element {
  enum class Kind { kEnd, kAnyText, kAnyCharacter, kCharacter, kNothing };
  Kind kind = Kind::kEnd;
  std::uint32_t code = 0;  // of kCharacter
  std::size_t length = 0;
};

Element FirstElement(std::string_view pattern, bool after_star) {
  if (pattern.empty()) return {};
  if (pattern[0] == '*') return {Element::Kind::kAnyText, 0, 1};
  if (pattern[0] == '?') return {Element::Kind::kAnyCharacter, 0, 1};
  if (pattern[0] != '\\') {
    const Rune rune = FirstRune(pattern);
    return {Element::Kind::kCharacter, rune.code, rune.length};
  }
  const Rune escaped = FirstRune(pattern.substr(1));
  if (escaped.length > 0) return {Element::Kind::kCharacter, escaped.code, escaped.length + 1};
  // A backslash at the end: the original compares what follows a star from the end, and takes it
  // literally there, but refuses it elsewhere.
  if (after_star) return {Element::Kind::kCharacter, '\\', 1};
  return {Element::Kind::kNothing, 0, 1};
}

}  // namespace

bool MatchesWildcard(std::string_view text, std::string_view pattern, std::uint64_t& steps) {
  // Where to continue if the rest does not match: the last star takes one character more.
  struct Retry {
    std::string_view text;
    std::string_view pattern;
  };
  std::optional<Retry> retry;
  for (;;) {
    if (steps == 0) return false;
    --steps;
    const Element element = FirstElement(pattern, retry.has_value());
    if (element.kind == Element::Kind::kAnyText) {
      pattern.remove_prefix(1);
      if (pattern.empty()) return true;
      retry = {text, pattern};
      continue;
    }
    if (element.kind == Element::Kind::kEnd && text.empty()) return true;
    const Rune rune = FirstRune(text);
    const bool matches = rune.length > 0 &&
                         (element.kind == Element::Kind::kAnyCharacter ||
                          (element.kind == Element::Kind::kCharacter && element.code == rune.code));
    if (matches) {
      text.remove_prefix(rune.length);
      pattern.remove_prefix(element.length);
      continue;
    }
    if (!retry || retry->text.empty()) return false;
    retry->text.remove_prefix(FirstRune(retry->text).length);
    text = retry->text;
    pattern = retry->pattern;
  }
}

}  // namespace nodekeep
