#include "agent/template/words.h"

#include <cstring>
#include <utility>

#include "agent/base/utf8.h"
#include "agent/template/unicode_case.h"

namespace nodekeep::go {
namespace {

constexpr std::uint32_t kInvalid = 0xFFFD;

bool IsConnector(std::uint32_t rune) { return rune == '-' || rune == '_' || IsSpace(rune); }

// Chinese characters are not cut into words.
bool IsAlphabetic(std::uint32_t rune) {
  const bool is_chinese = (rune >= 0x4E00 && rune <= 0x9FCC) ||
                          (rune >= 0x3400 && rune <= 0x4D85) ||
                          (rune >= 0x20000 && rune <= 0x2B81D);
  return IsLetter(rune) && !is_chinese;
}

enum class WordKind { kNone, kNumber, kUpper, kLetters, kConnector, kPunctuation, kOther };

struct Word {
  WordKind kind = WordKind::kNone;
  std::string_view text;
};

// Cuts a text into words of one kind.
class WordReader {
 public:
  explicit WordReader(std::string_view text) : rest_(text) {}

  bool AtEnd() const { return rest_.empty(); }

  Word Next() {
    if (rest_.empty()) return {};
    const Rune first = FirstValid(rest_, kInvalid);
    if (first.code == kInvalid) return Take(WordKind::kNone, first.length);
    if (IsConnector(first.code)) {
      return Take(WordKind::kConnector, Run(first.length, first.code, IsConnector));
    }
    if (IsPunctuation(first.code)) {
      return Take(WordKind::kPunctuation, Run(first.length, first.code, IsPunctuation));
    }
    if (IsUpper(first.code)) return Take(WordKind::kUpper, UpperLength(first));
    if (IsAlphabetic(first.code)) {
      return Take(WordKind::kLetters, Run(first.length, first.code, IsSmall));
    }
    if (IsNumber(first.code)) {
      return Take(WordKind::kNumber, Run(first.length, first.code, IsNumber));
    }
    return Take(WordKind::kOther, Run(first.length, first.code, IsOther));
  }

 private:
  // The first character that is not invalid, with what stands before it; `previous` if there is
  // none.
  static Rune FirstValid(std::string_view text, std::uint32_t previous) {
    Rune found{previous, 0};
    while (!text.empty()) {
      const Rune rune = FirstRune(text);
      found.length += rune.length;
      if (rune.code != kInvalid) return {rune.code, found.length};
      text.remove_prefix(rune.length);
    }
    return found;
  }

  static bool IsSmall(std::uint32_t rune) { return IsAlphabetic(rune) && !IsUpper(rune); }
  static bool IsOther(std::uint32_t rune) {
    return !IsConnector(rune) && !IsAlphabetic(rune) && !IsNumber(rune) && !IsPunctuation(rune);
  }

  Word Take(WordKind kind, std::size_t length) {
    const Word word{kind, rest_.substr(0, length)};
    rest_.remove_prefix(length);
    return word;
  }

  // The end of the characters from `at` on that satisfy `belongs`. `last` stands before them.
  template <typename Predicate>
  std::size_t Run(std::size_t at, std::uint32_t last, Predicate belongs) const {
    while (at < rest_.size()) {
      const Rune rune = FirstValid(rest_.substr(at), last);
      if (!belongs(rune.code)) break;
      last = rune.code;
      at += rune.length;
    }
    return at;
  }

  // Of a word that begins in upper case. The last capital of several belongs to the letters that
  // follow it.
  std::size_t UpperLength(const Rune& first) const {
    std::size_t at = first.length;
    if (at == rest_.size()) return at;
    Rune rune = FirstValid(rest_.substr(at), first.code);
    if (!IsUpper(rune.code)) return IsAlphabetic(rune.code) ? Run(at, first.code, IsSmall) : at;
    std::size_t last = 0;
    while (IsUpper(rune.code)) {
      last = rune.length;
      at += rune.length;
      if (at == rest_.size()) return at;
      rune = FirstValid(rest_.substr(at), rune.code);
    }
    return IsAlphabetic(rune.code) ? at - last : at;
  }

  std::string_view rest_;
};

class WordJoiner {
 public:
  WordJoiner(std::string_view text, char connector) : reader_(text), connector_(connector) {}

  std::string Run() {
    word_ = reader_.Next();
    while (!reader_.AtEnd()) {
      if (word_.kind != WordKind::kConnector) Write(word_);
      const Word previous = word_;
      word_ = reader_.Next();
      AfterWord(previous);
    }
    Write(word_);
    return std::move(out_);
  }

 private:
  void AfterWord(const Word& previous) {
    switch (previous.kind) {
      case WordKind::kNumber: return AfterNumber();
      case WordKind::kConnector: return Write(previous);
      case WordKind::kPunctuation: return;
      default: return AfterLetters();
    }
  }

  // Letters and numbers that follow a number directly belong to it.
  void AfterNumber() {
    while (word_.kind == WordKind::kLetters || word_.kind == WordKind::kNumber) {
      Write(word_);
      word_ = reader_.Next();
    }
    if (word_.kind != WordKind::kNone) Separate();
  }

  void AfterLetters() {
    if (word_.kind != WordKind::kNumber) return Separate();
    if (reader_.AtEnd()) return;
    const Word number = word_;
    word_ = reader_.Next();
    if (word_.kind != WordKind::kLetters) {
      // The number belongs to the word before it: "Bld4Floor" is bld4_floor.
      Write(number);
      return Separate();
    }
    out_ += connector_;
    Write(number);
    AfterNumber();
  }

  void Separate() {
    if (word_.kind != WordKind::kConnector && word_.kind != WordKind::kPunctuation) {
      out_ += connector_;
    }
  }

  void Write(const Word& word) {
    if (word.kind != WordKind::kUpper && word.kind != WordKind::kConnector) {
      out_ += word.text;
      return;
    }
    out_ += MapRunes(word.text, [&](std::uint32_t rune) -> std::uint32_t {
      if (IsConnector(rune)) return static_cast<unsigned char>(connector_);
      return IsUpper(rune) ? ToLower(rune) : rune;
    });
  }

  WordReader reader_;
  const char connector_;
  Word word_;
  std::string out_;
};

// Whether a letter after `rune` begins a word.
bool SeparatesTitles(std::uint32_t rune) {
  if (rune == '_' || IsLetter(rune) || IsDigit(rune)) return false;
  return rune < 0x80 || IsSpace(rune);
}

std::uint32_t TakeRune(std::string_view& text) {
  const Rune rune = FirstRune(text);
  text.remove_prefix(rune.length);
  return rune.code;
}

}  // namespace

std::string LowerCaseWords(std::string_view text, char connector) {
  return WordJoiner(text, connector).Run();
}

std::string PascalCase(std::string_view text) {
  std::string out;
  std::uint32_t current = 0;
  bool in_capitals = false;
  bool found = false;
  while (!text.empty() && !found) {
    current = TakeRune(text);
    found = !IsConnector(current);
    if (!found) out += EncodeUtf8(current);
  }
  if (found) {
    in_capitals = IsUpper(current);
    current = ToUpper(current);
  } else if (out.empty()) {
    return out;
  }
  // A text of connectors alone has its last one twice.
  while (!text.empty()) {
    const std::uint32_t previous = current;
    current = TakeRune(text);
    if (IsConnector(current) && IsConnector(previous)) {
      out += EncodeUtf8(previous);
      continue;
    }
    if (IsConnector(previous)) {
      in_capitals = IsUpper(current);
      current = ToUpper(current);
      continue;
    }
    in_capitals = in_capitals && IsUpper(current);
    if (in_capitals) current = ToLower(current);
    out += EncodeUtf8(previous);
  }
  return out + EncodeUtf8(current);
}

std::string TitleCase(std::string_view text) {
  std::uint32_t previous = ' ';
  return MapRunes(text, [&](std::uint32_t rune) {
    const bool first = SeparatesTitles(previous);
    previous = rune;
    return first ? ToTitle(rune) : rune;
  });
}

std::string Uncapitalized(std::string_view text) {
  bool at_start = true;
  return MapRunes(text, [&](std::uint32_t rune) {
    if (IsSpace(rune)) {
      at_start = true;
      return rune;
    }
    const bool first = at_start;
    at_start = false;
    return first ? ToLower(rune) : rune;
  });
}

std::string SwappedCase(std::string_view text) {
  bool at_start = true;
  return MapRunes(text, [&](std::uint32_t rune) {
    const bool first = at_start;
    at_start = false;
    if (IsUpper(rune) || IsTitle(rune)) return ToLower(rune);
    if (IsLower(rune)) return first ? ToTitle(rune) : ToUpper(rune);
    at_start = IsSpace(rune);
    return rune;
  });
}

std::size_t FindText(std::string_view text, std::string_view part) {
  if (part.empty()) return 0;
  if (part.size() > text.size()) return std::string_view::npos;
  const void* const found = memmem(text.data(), text.size(), part.data(), part.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace nodekeep::go
