#include "agent/query/lenient_json.h"

#include <cstdint>
#include <vector>

#include "agent/base/go_number.h"
#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20; }

int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The number of backslashes directly before `at`, at most down to `first`.
std::size_t BackslashesBefore(std::string_view text, std::size_t at, std::size_t first) {
  std::size_t count = 0;
  while (at > first && text[at - 1] == '\\') {
    --at;
    ++count;
  }
  return count;
}

// Position of the quote that ends a string whose content begins at `first`; npos if there is none.
std::size_t FindClosingQuote(std::string_view text, std::size_t first) {
  for (std::size_t at = text.find('"', first); at != std::string_view::npos;
       at = text.find('"', at + 1)) {
    if (BackslashesBefore(text, at, first) % 2 == 0) return at;
  }
  return std::string_view::npos;
}

// Four hexadecimal digits; 0 if one of them is none. Precondition: they are within `text`.
std::uint32_t CodeUnit(std::string_view text, std::size_t at) {
  std::uint32_t unit = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const int digit = HexDigit(text[i]);
    if (digit < 0) return 0;
    unit = unit * 16 + static_cast<std::uint32_t>(digit);
  }
  return unit;
}

// Reads the escape sequence \uXXXX whose 'u' is at `at`, and the second half of a pair. Returns the
// position after it.
std::size_t AppendCodePoint(std::string_view text, std::size_t at, SecretBytes& out) {
  std::uint32_t code = CodeUnit(text, at + 1);
  at += 5;
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (is_surrogate && text.size() >= at + 6 && text[at] == '\\' && text[at + 1] == 'u') {
    const std::uint32_t second = CodeUnit(text, at + 2);
    const bool is_pair = code <= 0xDBFF && second >= 0xDC00 && second <= 0xDFFF;
    code = is_pair ? 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00) : 0xFFFD;
    at += 6;
  } else if (is_surrogate) {
    code = 0xFFFD;
  }
  out.Append(EncodeUtf8(code));
  return at;
}

// A validator with a stack of its own, so that nesting does not use the thread's.
class Validator {
 public:
  explicit Validator(std::string_view text) : text_(text) {}

  bool IsValid() {
    bool needs_value = true;
    for (;;) {
      SkipSpace();
      if (needs_value) {
        if (!Value(needs_value)) return false;
      } else if (open_.empty()) {
        return at_ == text_.size();
      } else if (!AfterValue(needs_value)) {
        return false;
      }
    }
  }

 private:
  char Next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  bool Skip(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }

  // Reads a scalar or the start of a container. Sets whether a value must follow.
  bool Value(bool& needs_value) {
    needs_value = false;
    switch (Next()) {
      case '{':
        ++at_;
        SkipSpace();
        if (Skip("}")) return true;
        open_.push_back('{');
        needs_value = true;
        return Key();
      case '[':
        ++at_;
        SkipSpace();
        if (Skip("]")) return true;
        open_.push_back('[');
        needs_value = true;
        return true;
      case '"': return String();
      case 't': return Skip("true");
      case 'f': return Skip("false");
      case 'n': return Skip("null");
      default: return Number();
    }
  }

  bool AfterValue(bool& needs_value) {
    const bool in_object = open_.back() == '{';
    if (Skip(in_object ? "}" : "]")) {
      open_.pop_back();
      return true;
    }
    if (!Skip(",")) return false;
    needs_value = true;
    if (!in_object) return true;
    SkipSpace();
    return Key();
  }

  bool Key() {
    if (!String()) return false;
    SkipSpace();
    return Skip(":");
  }

  bool String() {
    if (!Skip("\"")) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (IsControl(c)) return false;
      if (c == '\\' && !Escape()) return false;
    }
    return false;
  }

  bool Escape() {
    const char c = Next();
    if (c == '\0' || std::string_view("\"\\/bfnrtu").find(c) == std::string_view::npos) {
      return false;
    }
    ++at_;
    if (c != 'u') return true;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (at_ >= text_.size() || HexDigit(text_[at_]) < 0) return false;
    }
    return true;
  }

  bool Digits() {
    if (!IsDigit(Next())) return false;
    while (IsDigit(Next())) ++at_;
    return true;
  }

  bool Number() {
    Skip("-");
    if (!Skip("0") && !Digits()) return false;
    if (Skip(".") && !Digits()) return false;
    if (Next() == 'e' || Next() == 'E') {
      ++at_;
      if (Next() == '+' || Next() == '-') ++at_;
      return Digits();
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<char> open_;
};

}  // namespace

JsonStringToken ScanJsonString(std::string_view text, std::size_t at) {
  JsonStringToken token;
  const std::size_t close = FindClosingQuote(text, at + 1);
  token.is_closed = close != std::string_view::npos;
  token.end = token.is_closed ? close + 1 : text.size();
  token.raw = text.substr(at, token.end - at);
  token.has_escape = token.raw.find('\\') != std::string_view::npos;
  return token;
}

JsonNestedToken ScanNested(std::string_view text, std::size_t at) {
  std::size_t depth = 1;
  std::size_t i = at + 1;
  for (; i < text.size(); ++i) {
    switch (text[i]) {
      case '"':
        i = FindClosingQuote(text, i + 1);
        if (i == std::string_view::npos) return {text.substr(at), text.size() + 1};
        break;
      case '{':
      case '[':
      case '(': ++depth; break;
      case '}':
      case ']':
      case ')':
        if (--depth == 0) return {text.substr(at, i + 1 - at), i + 1};
        break;
      default: break;
    }
  }
  return {text.substr(at), text.size()};
}

std::string_view ScanNestedOrString(std::string_view text) {
  return text[0] == '"' ? ScanJsonString(text, 0).raw : ScanNested(text, 0).raw;
}

std::string_view ScanNumber(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && static_cast<unsigned char>(text[end]) > ' ' && text[end] != ',' &&
         text[end] != ']' && text[end] != '}') {
    ++end;
  }
  return text.substr(at, end - at);
}

std::string_view ScanLiteral(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && text[end] >= 'a' && text[end] <= 'z') ++end;
  return text.substr(at, end - at);
}

bool BeginsNumber(std::string_view text, std::size_t at) {
  const char c = text[at];
  if (c == 'n') return at + 1 < text.size() && text[at + 1] != 'u';
  return IsDigit(c) || c == '+' || c == '-' || c == 'i' || c == 'I' || c == 'N';
}

std::string_view TrimmedOfControls(std::string_view text) {
  const auto is_space = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view TrimmedOfSpace(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

double LenientNumber(std::string_view text) { return ParseGoFloat(text).value_or(0); }

void AppendUnescaped(std::string_view content, SecretBytes& out) {
  out.Reserve(out.size() + content.size());
  for (std::size_t i = 0; i < content.size();) {
    const std::size_t plain = i;
    while (i < content.size() && content[i] != '\\' && !IsControl(content[i])) ++i;
    out.Append(content.substr(plain, i - plain));
    if (i >= content.size() || content[i] != '\\' || ++i >= content.size()) return;
    switch (content[i]) {
      case '\\':
      case '/':
      case '"': out.Append(content.substr(i++, 1)); break;
      case 'b': out.Append("\b"), ++i; break;
      case 'f': out.Append("\f"), ++i; break;
      case 'n': out.Append("\n"), ++i; break;
      case 'r': out.Append("\r"), ++i; break;
      case 't': out.Append("\t"), ++i; break;
      case 'u':
        if (content.size() < i + 5) return;
        i = AppendCodePoint(content, i, out);
        break;
      default: return;
    }
  }
}

bool IsValidJson(std::string_view text) { return Validator(text).IsValid(); }

}  // namespace nodekeep
