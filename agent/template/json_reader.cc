// Reading JSON. Not on jsoncons, because the texts of Go's errors are part of what users see, and
// Go accepts lone surrogates.

#include <cmath>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/utf8.h"
#include "agent/template/format.h"
#include "agent/template/json_values.h"

namespace nodekeep::go {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// A character in an error text: in single quotes, bytes from 0x80 on as Latin-1.
std::string QuotedCharacter(char c) {
  if (c == '\'') return R"('\'')";
  if (c == '"') return R"('"')";
  const std::string quoted(Quote(EncodeUtf8(static_cast<unsigned char>(c))).Reveal());
  return "'" + quoted.substr(1, quoted.size() - 2) + "'";
}

class Reader {
 public:
  Reader(Call& call, std::string_view text) : call_(call), text_(text) {}

  Result<ParsedJson> Run() {
    if (Status status = ReadValue(parsed_.value, 0); !status.ok()) return status.error();
    SkipSpace();
    if (at_ < text_.size()) return Invalid("after top-level value");
    return std::move(parsed_);
  }

 private:
  static Error EndOfInput() { return Error(ErrorCode::kInvalid, "unexpected end of JSON input"); }

  // The character at the position, or the end of the text, is not what may follow there.
  Error Invalid(std::string_view context) const {
    if (at_ >= text_.size()) return EndOfInput();
    return Error::Format(ErrorCode::kInvalid, "invalid character {} {}",
                         QuotedCharacter(text_[at_]), context);
  }

  // The same inside of a literal, a number or an escape, where Go reads a blank at the end.
  Error InvalidInToken(std::string_view context) const {
    const char c = at_ < text_.size() ? text_[at_] : ' ';
    return Error::Format(ErrorCode::kInvalid, "invalid character {} {}", QuotedCharacter(c),
                         context);
  }

  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void SkipSpace() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n')) {
      ++at_;
    }
  }

  Status ReadValue(Value& value, int depth) {
    SkipSpace();
    if (Status status = call_.Charge(2 * sizeof(Value)); !status.ok()) return status;
    if (at_ >= text_.size()) return EndOfInput();
    switch (text_[at_]) {
      case '{': return ReadObject(value, depth);
      case '[': return ReadArray(value, depth);
      case '"': return ReadText(value);
      case 't': return ReadLiteral("true", Value::Bool(true), value);
      case 'f': return ReadLiteral("false", Value::Bool(false), value);
      case 'n': return ReadLiteral("null", Value(), value);
      default: break;
    }
    if (text_[at_] == '-' || IsDigit(text_[at_])) return ReadNumber(value);
    return Invalid("looking for beginning of value");
  }

  Status Enter(int depth) {
    ++at_;
    if (depth < call_.limits().depth) return {};
    return Error::Format(ErrorCode::kTooLarge, "JSON is nested deeper than {} levels",
                         call_.limits().depth);
  }

  Status ReadArray(Value& value, int depth) {
    if (Status status = Enter(depth); !status.ok()) return status;
    std::vector<Value> items;
    SkipSpace();
    if (Peek() == ']') {
      ++at_;
      value = Value::List({});
      return {};
    }
    while (true) {
      Value item;
      if (Status status = ReadValue(item, depth + 1); !status.ok()) return status;
      items.push_back(std::move(item));
      SkipSpace();
      if (Peek() != ',' && Peek() != ']') return Invalid("after array element");
      if (text_[at_++] == ']') break;
    }
    value = Value::List(std::move(items));
    return {};
  }

  Status ReadObject(Value& value, int depth) {
    if (Status status = Enter(depth); !status.ok()) return status;
    Map entries;
    SkipSpace();
    if (Peek() == '}') {
      ++at_;
      value = Value::MapOf({});
      return {};
    }
    while (true) {
      if (Status status = ReadEntry(entries, depth); !status.ok()) return status;
      SkipSpace();
      if (Peek() != ',' && Peek() != '}') return Invalid("after object key:value pair");
      if (text_[at_++] == '}') break;
    }
    value = Value::MapOf(std::move(entries));
    return {};
  }

  Status ReadEntry(Map& entries, int depth) {
    constexpr std::size_t kMapNode = 64;
    SkipSpace();
    if (Peek() != '"') return Invalid("looking for beginning of object key string");
    std::string key;
    if (Status status = ReadString(key); !status.ok()) return status;
    SkipSpace();
    if (Peek() != ':') return Invalid("after object key");
    ++at_;
    if (Status status = call_.Charge(kMapNode + key.size()); !status.ok()) return status;
    Value value;
    if (Status status = ReadValue(value, depth + 1); !status.ok()) return status;
    entries.insert_or_assign(std::move(key), std::move(value));
    return {};
  }

  Status ReadLiteral(std::string_view word, Value literal, Value& value) {
    for (std::size_t i = 0; i < word.size(); ++i, ++at_) {
      if (at_ < text_.size() && text_[at_] == word[i]) continue;
      return InvalidInToken(
          fmt::format("in literal {} (expecting {})", word, QuotedCharacter(word[i])));
    }
    value = std::move(literal);
    return {};
  }

  Status SkipDigits(std::string_view context) {
    if (!IsDigit(Peek())) return InvalidInToken(context);
    while (IsDigit(Peek())) ++at_;
    return {};
  }

  Status ReadNumber(Value& value) {
    const std::size_t start = at_;
    if (Peek() == '-') ++at_;
    if (Peek() == '0') {
      ++at_;
    } else if (Status status = SkipDigits("in numeric literal"); !status.ok()) {
      return status;
    }
    if (Peek() == '.') {
      ++at_;
      if (Status status = SkipDigits("after decimal point in numeric literal"); !status.ok()) {
        return status;
      }
    }
    if (Peek() == 'e' || Peek() == 'E') {
      ++at_;
      if (Peek() == '+' || Peek() == '-') ++at_;
      if (Status status = SkipDigits("in exponent of numeric literal"); !status.ok()) {
        return status;
      }
    }
    const std::string number(text_.substr(start, at_ - start));
    const double real = std::strtod(number.c_str(), nullptr);  // the locale is "C"
    if (!std::isinf(real)) {
      value = Value::Float(real);
    } else if (parsed_.failure.empty()) {
      parsed_.failure =
          fmt::format("json: cannot unmarshal number {} into Go value of type float64", number);
    }
    return {};
  }

  Status ReadText(Value& value) {
    std::string text;
    if (Status status = ReadString(text); !status.ok()) return status;
    if (Status status = call_.Charge(text.size()); !status.ok()) return status;
    value = Value::Text(SecretBytes::MoveFrom(std::move(text)));
    return {};
  }

  Status ReadString(std::string& out) {
    ++at_;  // the opening quote
    while (true) {
      const std::size_t start = at_;
      while (at_ < text_.size() && IsPlain(text_[at_])) ++at_;
      out += text_.substr(start, at_ - start);
      if (at_ >= text_.size()) return EndOfInput();
      const char c = text_[at_];
      if (c == '"') break;
      if (c == '\\') {
        if (Status status = ReadEscape(out); !status.ok()) return status;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        return Invalid("in string literal");
      } else {
        const Rune rune = FirstRune(text_.substr(at_));
        out += EncodeUtf8(rune.code);
        at_ += rune.length;
      }
    }
    ++at_;
    return {};
  }

  static bool IsPlain(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
  }

  Status ReadEscape(std::string& out) {
    constexpr std::string_view kEscapes = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    ++at_;
    if (Peek() == 'u') return ReadUnicodeEscape(out);
    const std::size_t escape =
        at_ < text_.size() ? kEscapes.find(text_[at_]) : std::string_view::npos;
    if (escape == std::string_view::npos) return InvalidInToken("in string escape code");
    out += kMeanings[escape];
    ++at_;
    return {};
  }

  Status ReadUnicodeEscape(std::string& out) {
    std::uint32_t code = 0;
    ++at_;
    if (Status status = ReadHex(code); !status.ok()) return status;
    const bool is_high = code >= 0xD800 && code < 0xDC00;
    if (is_high && text_.substr(at_).starts_with("\\u")) {
      const std::size_t back = at_;
      std::uint32_t low = 0;
      at_ += 2;
      if (Status status = ReadHex(low); !status.ok()) return status;
      if (low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      } else {
        at_ = back;
      }
    }
    out += EncodeUtf8(code);  // U+FFFD for a surrogate
    return {};
  }

  Status ReadHex(std::uint32_t& code) {
    constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
    for (int i = 0; i < 4; ++i, ++at_) {
      const std::size_t digit =
          at_ < text_.size() ? kDigits.find(text_[at_]) : std::string_view::npos;
      if (digit == std::string_view::npos)
        return InvalidInToken("in \\u hexadecimal character escape");
      code = code << 4 | static_cast<std::uint32_t>(digit % 16);
    }
    return {};
  }

  Call& call_;
  const std::string_view text_;
  std::size_t at_ = 0;
  ParsedJson parsed_;
};

}  // namespace

Result<ParsedJson> ParseJsonValue(Call& call, std::string_view text) {
  return Reader(call, text).Run();
}

}  // namespace nodekeep::go
