#include "agent/template/lexer.h"

#include <utf8proc.h>

#include <algorithm>
#include <utility>

#include "agent/base/utf8.h"
#include "agent/template/format.h"
#include "agent/template/quote.h"

namespace nodekeep::go {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::string_view kDecimalDigits = "0123456789_";
// No character: above every code point.
constexpr std::uint32_t kEnd = 0xFFFFFFFF;

bool IsSpace(std::uint32_t rune) {
  return rune == ' ' || rune == '\t' || rune == '\r' || rune == '\n';
}

bool IsDigit(std::uint32_t rune) { return rune >= '0' && rune <= '9'; }

bool IsNameRune(std::uint32_t rune) {
  if (rune == kEnd) return false;
  if (rune == '_') return true;
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(rune));
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         category == UTF8PROC_CATEGORY_ND;
}

bool StartsTrimmed(std::string_view text) {
  return text.size() >= 2 && text[0] == '-' && IsSpace(static_cast<unsigned char>(text[1]));
}

bool EndsTrimmed(std::string_view text) {
  return text.size() >= 2 && IsSpace(static_cast<unsigned char>(text[0])) && text[1] == '-';
}

std::size_t LengthOfSpaces(std::string_view text) {
  return std::min(text.find_first_not_of(kSpaces), text.size());
}

std::string_view WithoutFinalSpaces(std::string_view text) {
  const std::size_t last = text.find_last_not_of(kSpaces);
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

Token::Kind KeywordOf(std::string_view word) {
  using Kind = Token::Kind;
  static constexpr std::pair<std::string_view, Kind> kKeywords[] = {
      {"block", Kind::kBlock},
      {"break", Kind::kBreak},
      {"continue", Kind::kContinue},
      {"define", Kind::kDefine},
      {"else", Kind::kElse},
      {"end", Kind::kEndKeyword},
      {"if", Kind::kIf},
      {"nil", Kind::kNil},
      {"range", Kind::kRange},
      {"template", Kind::kTemplate},
      {"with", Kind::kWith},
      {"true", Kind::kBool},
      {"false", Kind::kBool},
  };
  for (const auto& [name, kind] : kKeywords) {
    if (name == word) return kind;
  }
  return Kind::kIdentifier;
}

std::string QuotedExcerpt(std::string_view text) {
  constexpr std::size_t kLongest = 10;
  if (text.size() <= kLongest) return std::string(Quote(text).Reveal());
  std::size_t end = 0;
  for (std::size_t runes = 0; runes < kLongest && end < text.size(); ++runes) {
    end += FirstRune(text.substr(end)).length;
  }
  return std::string(Quote(text.substr(0, end)).Reveal()) + "...";
}

}  // namespace

std::string TextOf(const Token& token) {
  switch (token.kind) {
    case Token::Kind::kEnd: return "EOF";
    case Token::Kind::kError: return std::string(token.text);
    default: break;
  }
  if (token.kind >= Token::Kind::kBlock) return "<" + std::string(token.text) + ">";
  return QuotedExcerpt(token.text);
}

Token Lexer::Next() {
  if (!error_.empty()) return {Kind::kError, static_cast<std::uint32_t>(start_), line_, error_};
  return inside_ ? LexInside() : LexOutside();
}

Token Lexer::Emit(Kind kind) {
  const Token token{kind, static_cast<std::uint32_t>(start_), line_,
                    text_.substr(start_, position_ - start_)};
  Drop();
  return token;
}

Token Lexer::Fail(std::string message) {
  error_ = std::move(message);
  return Next();
}

void Lexer::Drop() {
  const std::string_view dropped = text_.substr(start_, position_ - start_);
  line_ += static_cast<std::uint32_t>(std::count(dropped.begin(), dropped.end(), '\n'));
  start_ = position_;
}

std::uint32_t Lexer::Peek() const {
  return position_ < text_.size() ? FirstRune(rest()).code : kEnd;
}

void Lexer::Skip() { position_ += FirstRune(rest()).length; }

bool Lexer::Accept(std::string_view set) {
  if (position_ == text_.size() || set.find(text_[position_]) == std::string_view::npos) {
    return false;
  }
  ++position_;
  return true;
}

void Lexer::AcceptRun(std::string_view set) {
  while (Accept(set)) {
  }
}

Token Lexer::LexOutside() {
  while (true) {
    const std::size_t length = rest().find(left_);
    if (length == std::string_view::npos) {
      position_ = text_.size();
      return Emit(position_ > start_ ? Kind::kText : Kind::kEnd);
    }
    const std::size_t delimiter = position_ + length;
    const std::size_t after = delimiter + left_.size();
    std::string_view before = text_.substr(position_, length);
    const bool trims = StartsTrimmed(text_.substr(after));
    if (trims) before = WithoutFinalSpaces(before);
    if (!before.empty()) {
      position_ += before.size();
      const Token token = Emit(Kind::kText);
      position_ = delimiter;
      Drop();
      return token;
    }
    position_ = delimiter;
    Drop();
    if (!text_.substr(after + (trims ? 2 : 0)).starts_with("/*")) return LexLeftDelimiter();
    Token error;
    if (!SkipComment(error)) return error;
  }
}

Token Lexer::LexLeftDelimiter() {
  position_ += left_.size();
  const Token token = Emit(Kind::kLeftDelimiter);
  if (StartsTrimmed(rest())) position_ += 2;
  Drop();
  inside_ = true;
  open_parens_ = 0;
  return token;
}

bool Lexer::SkipComment(Token& error) {
  position_ += left_.size();
  if (StartsTrimmed(rest())) position_ += 2;
  Drop();
  const std::size_t end = text_.find("*/", position_ + 2);
  if (end == std::string_view::npos) {
    error = Fail("unclosed comment");
    return false;
  }
  position_ = end + 2;
  bool trims = false;
  if (!AtRightDelimiter(trims)) {
    error = Fail("comment ends before closing delimiter");
    return false;
  }
  position_ += right_.size() + (trims ? 2 : 0);
  if (trims) position_ += LengthOfSpaces(rest());
  Drop();
  return true;
}

bool Lexer::AtRightDelimiter(bool& trims) const {
  trims = EndsTrimmed(rest()) && rest().substr(2).starts_with(right_);
  return trims || rest().starts_with(right_);
}

bool Lexer::AtTerminator() const {
  const std::uint32_t rune = Peek();
  if (rune == kEnd || IsSpace(rune)) return true;
  if (rune < 0x80 &&
      std::string_view(".,|:)(").find(static_cast<char>(rune)) != std::string_view::npos) {
    return true;
  }
  return rest().starts_with(right_);
}

Token Lexer::LexRightDelimiter(bool trims) {
  if (trims) {
    position_ += 2;
    Drop();
  }
  position_ += right_.size();
  const Token token = Emit(Kind::kRightDelimiter);
  if (trims) {
    position_ += LengthOfSpaces(rest());
    Drop();
  }
  inside_ = false;
  return token;
}

Token Lexer::LexInside() {
  bool trims = false;
  if (AtRightDelimiter(trims)) {
    if (open_parens_ == 0) return LexRightDelimiter(trims);
    return Fail("unclosed left paren");
  }
  const std::uint32_t rune = Peek();
  if (rune == kEnd) return Fail("unclosed action");
  if (IsSpace(rune)) return LexSpace();
  const std::uint32_t following =
      position_ + 1 < text_.size() ? static_cast<unsigned char>(text_[position_ + 1]) : kEnd;
  // At the very end, a dot counts as the start of a number.
  if (rune == '.' && following != kEnd && !IsDigit(following)) {
    Skip();
    return LexName(Kind::kField);
  }
  if (rune == '.' || rune == '+' || rune == '-' || IsDigit(rune)) return LexNumber();
  if (IsNameRune(rune)) return LexIdentifier();
  Skip();
  return LexSymbol(rune);
}

Token Lexer::LexSymbol(std::uint32_t rune) {
  switch (rune) {
    case '=': return Emit(Kind::kAssign);
    case ':': return Accept("=") ? Emit(Kind::kDeclare) : Fail("expected :=");
    case '|': return Emit(Kind::kPipe);
    case '"': return LexQuoted('"', Kind::kString, "unterminated quoted string");
    case '\'': return LexQuoted('\'', Kind::kCharConstant, "unterminated character constant");
    case '`': return LexRawString();
    case '$': return LexName(Kind::kVariable);
    case '(': ++open_parens_; return Emit(Kind::kLeftParen);
    case ')':
      if (open_parens_ == 0) return Fail("unexpected right paren");
      --open_parens_;
      return Emit(Kind::kRightParen);
    default: break;
  }
  if (rune < 0x80 && IsPrintable(rune)) return Emit(Kind::kOther);
  return Fail("unrecognized character in action: " + NameOfRune(rune));
}

Token Lexer::LexSpace() {
  std::size_t length = LengthOfSpaces(rest());
  // The last space belongs to a closing delimiter that trims.
  const std::string_view last = rest().substr(length - 1);
  if (EndsTrimmed(last) && last.substr(2).starts_with(right_)) {
    if (length == 1) return LexRightDelimiter(true);
    --length;
  }
  position_ += length;
  return Emit(Kind::kSpace);
}

Token Lexer::LexName(Kind kind) {
  if (AtTerminator()) return Emit(kind == Kind::kField ? Kind::kDot : kind);
  while (IsNameRune(Peek())) Skip();
  if (!AtTerminator()) return Fail("bad character " + NameOfRune(Peek()));
  return Emit(kind);
}

Token Lexer::LexIdentifier() {
  while (IsNameRune(Peek())) Skip();
  if (!AtTerminator()) return Fail("bad character " + NameOfRune(Peek()));
  return Emit(KeywordOf(text_.substr(start_, position_ - start_)));
}

Token Lexer::LexQuoted(char quote, Kind kind, std::string_view what) {
  while (position_ < text_.size() && text_[position_] != '\n') {
    const char c = text_[position_++];
    if (c == quote) return Emit(kind);
    if (c != '\\') continue;
    if (position_ == text_.size() || text_[position_] == '\n') break;
    ++position_;
  }
  return Fail(std::string(what));
}

Token Lexer::LexRawString() {
  const std::size_t end = text_.find('`', position_);
  if (end == std::string_view::npos) return Fail("unterminated raw quoted string");
  position_ = end + 1;
  return Emit(Kind::kRawString);
}

Token Lexer::LexNumber() {
  const auto bad = [&] {
    const std::string_view number = text_.substr(start_, position_ - start_);
    return Fail("bad number syntax: " + std::string(Quote(number).Reveal()));
  };
  if (!ScanNumber()) return bad();
  if (Peek() != '+' && Peek() != '-') return Emit(Kind::kNumber);
  if (!ScanNumber() || text_[position_ - 1] != 'i') return bad();
  return Emit(Kind::kComplex);
}

bool Lexer::ScanNumber() {
  std::string_view digits = kDecimalDigits;
  char exponent = 'e';
  Accept("+-");
  if (Accept("0")) {
    if (Accept("xX")) {
      digits = "0123456789abcdefABCDEF_";
      exponent = 'p';
    } else if (Accept("oO")) {
      digits = "01234567_";
      exponent = 0;
    } else if (Accept("bB")) {
      digits = "01_";
      exponent = 0;
    }
  }
  AcceptRun(digits);
  if (Accept(".")) AcceptRun(digits);
  if (exponent != 0 && Accept(exponent == 'e' ? "eE" : "pP")) {
    Accept("+-");
    AcceptRun(kDecimalDigits);
  }
  Accept("i");
  if (!IsNameRune(Peek())) return true;
  Skip();
  return false;
}

}  // namespace nodekeep::go
