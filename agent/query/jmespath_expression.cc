#include "agent/query/jmespath_expression.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

namespace nodekeep {
namespace {

constexpr std::array<std::string_view, 26> kFunctions = {
    "abs",      "avg",       "ceil",      "contains", "ends_with", "floor",       "join",
    "keys",     "length",    "map",       "max",      "max_by",    "merge",       "min",
    "min_by",   "not_null",  "reverse",   "sort",     "sort_by",   "starts_with", "sum",
    "to_array", "to_number", "to_string", "type",     "values"};

constexpr std::string_view kSpace = " \t\r\n";

bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

Error SyntaxError(std::string_view what) {
  return Error::Format(ErrorCode::kInvalid, "SyntaxError: {}", what);
}

// The kinds of tokens; other tokens are their own kind.
struct Kind {
  static constexpr char kName = 'n';
  static constexpr char kQuoted = 'q';  // a name in quotes
  static constexpr char kValue = 'v';
  static constexpr char kNumber = '0';
  static constexpr char kFlatten = 'E';
  static constexpr char kFilter = 'F';
  static constexpr char kBinary = '|';
};

// Whether tokens are an expression; one character for each, its kind. The parser of jsoncons does
// not end for some texts that are none, and its evaluation of '!' in an argument with '&' reads a
// null pointer: such a key of a function is refused. Precedence does not matter here. Recursion is
// bounded by the limit of brackets.
class Grammar {
 public:
  explicit Grammar(std::string_view kinds) : kinds_(kinds) {}

  bool Accepts() { return Expression() && at_ == kinds_.size(); }

 private:
  char Next() const { return at_ < kinds_.size() ? kinds_[at_] : '\0'; }
  bool Skip(char kind) {
    if (Next() != kind) return false;
    ++at_;
    return true;
  }

  bool Expression() {
    if (!Operand()) return false;
    for (;;) {
      const std::size_t before = at_;
      if (!Suffix()) return false;
      if (at_ == before) return true;
    }
  }

  bool Operand() {
    while (Skip('!')) {
      if (references_ > 0) return false;
    }
    if (Skip(Kind::kValue) || Skip('@') || Skip('*') || Skip(Kind::kFlatten)) return true;
    if (Skip(Kind::kFilter)) return Expression() && Skip(']');
    if (Skip('(')) return Expression() && Skip(')');
    if (Skip('{')) return Members();
    if (!Skip('[')) return Name();
    const bool is_index = Next() == Kind::kNumber || Next() == ':';
    const bool is_star = kinds_.substr(at_).starts_with("*]");
    return is_index || is_star ? Index() : List(']');
  }

  // True without progress where the expression ends.
  bool Suffix() {
    if (Skip(Kind::kBinary)) return Operand();
    if (Skip('.')) return Member();
    if (Skip(Kind::kFlatten)) return true;
    if (Skip(Kind::kFilter)) return Expression() && Skip(']');
    return !Skip('[') || Index();
  }

  bool Member() {
    if (Skip('*')) return true;
    if (Skip('[')) return List(']');
    return Skip('{') ? Members() : Name();
  }

  bool Name() {
    if (Skip(Kind::kQuoted)) return Next() != '(';
    if (!Skip(Kind::kName)) return false;
    if (!Skip('(')) return true;
    return Skip(')') || Arguments();
  }

  bool Index() {
    if (Skip('*')) return Skip(']');
    const bool has_number = Skip(Kind::kNumber);
    if (Next() != ':') return has_number && Skip(']');
    for (int parts = 0; parts < 2 && Skip(':'); ++parts) Skip(Kind::kNumber);
    return Skip(']');
  }

  bool List(char closing) {
    do {
      if (!Expression()) return false;
    } while (Skip(','));
    return Skip(closing);
  }

  bool Arguments() {
    do {
      const int references = references_;
      if (Skip('&')) ++references_;
      if (!Expression()) return false;
      references_ = references;
    } while (Skip(','));
    return Skip(')');
  }

  bool Members() {
    do {
      if (!(Skip(Kind::kName) || Skip(Kind::kQuoted)) || !Skip(':') || !Expression()) return false;
    } while (Skip(','));
    return Skip('}');
  }

  std::string_view kinds_;
  std::size_t at_ = 0;
  int references_ = 0;  // & of arguments that are open
};

class Checker {
 public:
  Checker(std::string_view expression, std::size_t document_bytes, const JmespathLimits& limits)
      : text_(expression), bytes_(expression.size() + document_bytes), limits_(limits) {}

  Result<std::string> Check() {
    if (text_.size() > limits_.expression_bytes) {
      return Error::Format(ErrorCode::kTooLarge, "the expression has {} bytes; the limit is {}",
                           text_.size(), limits_.expression_bytes);
    }
    while (at_ < text_.size()) {
      if (Status token = Token(); !token.ok()) return token.error();
    }
    if (!Grammar(kinds_).Accepts()) return SyntaxError("Incomplete expression or unexpected token");
    return std::move(checked_);
  }

 private:
  struct Bracket {
    char closing;
    std::size_t items = 1;
  };

  Status Token() {
    const char c = text_[at_];
    if (kSpace.find(c) != std::string_view::npos) {
      Copy(1);
      return {};
    }
    if (IsNameStart(c)) return Name();
    if (c == '\'' || c == '"' || c == '`') return Quoted(c);
    if (c == '-' || IsDigit(c)) return Number();
    if (text_.substr(at_).starts_with("[]")) return Take(Kind::kFlatten, 2);
    if (c == '(' || c == '[' || c == '{') return Open(c);
    if (c == ')' || c == ']' || c == '}') return Close(c);
    return Operator(c);
  }

  Status Operator(char c) {
    if (c == ',' && !open_.empty()) ++open_.back().items;
    if (std::string_view(".*,:@").find(c) != std::string_view::npos) return Take(c, 1);
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with("||") || rest.starts_with("&&")) return Take(Kind::kBinary, 2);
    if (rest.substr(1).starts_with('=') && std::string_view("=<>!").find(c) != std::string::npos) {
      return Take(Kind::kBinary, 2);
    }
    if (c == '<' || c == '>' || c == '|') return Take(Kind::kBinary, 1);
    if (c == '!' || c == '&') return Take(c, 1);
    return SyntaxError("Unknown char");
  }

  Status Name() {
    std::size_t end = at_;
    while (end < text_.size() && (IsNameStart(text_[end]) || IsDigit(text_[end]))) ++end;
    const std::string_view name = text_.substr(at_, end - at_);
    const std::size_t next = text_.find_first_not_of(kSpace, end);
    if (next == std::string_view::npos || text_[next] != '(') {
      return Take(Kind::kName, name.size());
    }
    if (std::find(kFunctions.begin(), kFunctions.end(), name) == kFunctions.end()) {
      return Error::Format(ErrorCode::kInvalid, "unknown function: {}", name);
    }
    checked_ += name == "to_string" ? kJmespathToString : name == "abs" ? kJmespathAbs : name;
    kinds_ += Kind::kName;
    at_ = next;
    return {};
  }

  Status Quoted(char quote) {
    std::size_t end = at_ + 1;
    std::size_t items = 1;
    for (; end < text_.size() && text_[end] != quote; ++end) {
      if (text_[end] == ',') ++items;
      if (text_[end] == '\\') ++end;
    }
    if (end >= text_.size()) return SyntaxError("Unclosed delimiter");
    if (Status taken = Take(quote == '"' ? Kind::kQuoted : Kind::kValue, end + 1 - at_);
        !taken.ok()) {
      return taken;
    }
    return quote == '`' ? Repeat(items) : Status();
  }

  Status Number() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && IsDigit(text_[end])) ++end;
    if (text_[at_] == '-' && end == at_ + 1) return SyntaxError("Unknown char: '-'");
    return Take(Kind::kNumber, end - at_);
  }

  Status Open(char c) {
    if (static_cast<int>(open_.size()) >= limits_.depth) {
      return Error::Format(ErrorCode::kTooLarge,
                           "the expression has more than {} brackets in each other", limits_.depth);
    }
    open_.push_back({c == '(' ? ')' : c == '[' ? ']' : '}'});
    if (text_.substr(at_).starts_with("[?")) return Take(Kind::kFilter, 2);
    return Take(c, 1);
  }

  Status Close(char c) {
    if (open_.empty() || open_.back().closing != c) return SyntaxError("Unexpected bracket");
    const std::size_t items = open_.back().items;
    open_.pop_back();
    if (Status taken = Take(c, 1); !taken.ok()) return taken;
    ++brackets_;
    return Repeat(items);
  }

  Status Repeat(std::size_t items) {
    product_ *= items;
    if (product_ <= limits_.work / (brackets_ * bytes_)) return {};
    return Error(ErrorCode::kTooLarge, "the expression's lists can repeat the document too often");
  }

  Status Take(char kind, std::size_t length) {
    kinds_ += kind;
    Copy(length);
    return {};
  }

  void Copy(std::size_t length) {
    checked_ += text_.substr(at_, length);
    at_ += length;
  }

  std::string_view text_;
  std::size_t bytes_;
  const JmespathLimits& limits_;
  std::size_t at_ = 0;
  std::string checked_;
  std::string kinds_;
  std::vector<Bracket> open_;
  std::size_t brackets_ = 1;
  std::size_t product_ = 1;
};

}  // namespace

Result<std::string> CheckedJmespath(std::string_view expression, std::size_t document_bytes,
                                    const JmespathLimits& limits) {
  return Checker(expression, document_bytes, limits).Check();
}

}  // namespace nodekeep
