#pragma once

// Splits the text of a template into tokens.

#include <cstdint>
#include <string>
#include <string_view>

namespace nodekeep::go {

struct Token {
  enum class Kind {
    kError,  // `text` says what is wrong; nothing follows
    kEnd,
    kText,
    kLeftDelimiter,
    kRightDelimiter,
    kSpace,
    kBool,
    kCharConstant,
    kNumber,
    kComplex,
    kString,
    kRawString,
    kField,
    kIdentifier,
    kVariable,
    kAssign,
    kDeclare,
    kPipe,
    kLeftParen,
    kRightParen,
    kOther,  // another printable ASCII character
    kBlock,
    kBreak,
    kContinue,
    kDot,
    kDefine,
    kElse,
    kEndKeyword,
    kIf,
    kNil,
    kRange,
    kTemplate,
    kWith,
  };
  Kind kind = Kind::kEnd;
  std::uint32_t position = 0;
  std::uint32_t line = 1;
  std::string_view text;
};

// As error texts show a token: "<if>", "\"abc\"", "EOF".
std::string TextOf(const Token& token);

class Lexer {
 public:
  // `text` and the delimiters must outlive the lexer; its tokens are views of `text`.
  Lexer(std::string_view text, std::string_view left, std::string_view right)
      : text_(text), left_(left), right_(right) {}

  Token Next();

 private:
  using Kind = Token::Kind;

  std::string_view rest() const { return text_.substr(position_); }
  Token Emit(Kind kind);
  Token Fail(std::string message);
  // Starts the next token here: what was read since the last one is dropped.
  void Drop();
  std::uint32_t Peek() const;
  void Skip();
  bool Accept(std::string_view set);
  void AcceptRun(std::string_view set);

  // Text up to the next action. Comments are dropped.
  Token LexOutside();
  Token LexLeftDelimiter();
  // False: `error` is set.
  bool SkipComment(Token& error);
  bool AtRightDelimiter(bool& trims) const;
  bool AtTerminator() const;
  Token LexRightDelimiter(bool trims);
  Token LexInside();
  Token LexSymbol(std::uint32_t rune);
  Token LexSpace();
  Token LexName(Kind kind);
  Token LexIdentifier();
  Token LexQuoted(char quote, Kind kind, std::string_view what);
  Token LexRawString();
  Token LexNumber();
  bool ScanNumber();

  const std::string_view text_;
  const std::string_view left_;
  const std::string_view right_;
  std::size_t start_ = 0;
  std::size_t position_ = 0;
  std::uint32_t line_ = 1;  // of start_
  bool inside_ = false;
  int open_parens_ = 0;
  std::string error_;
};

}  // namespace nodekeep::go
