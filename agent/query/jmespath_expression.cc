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
    if (!open_.empty()) return SyntaxError("Unexpected end of the expression");
    return std::move(checked_);
  }

 private:
  struct Bracket {
    char closing;
    std::size_t items = 1;
  };

  Status Token() {
    const char c = text_[at_];
    if (IsNameStart(c)) return Name();
    if (c == '\'' || c == '"' || c == '`') return Quoted(c);
    if (c == '-') return Minus();
    if (c == '(' || c == '[' || c == '{') return Open(c);
    if (c == ')' || c == ']' || c == '}') return Close(c);
    if (c == ',' && !open_.empty()) ++open_.back().items;
    if (c == '=' && !IsComparison()) return SyntaxError("Unknown char: '='");
    if (!IsDigit(c) && std::string_view(" \t\r\n.*,:@&|<>!=").find(c) == std::string_view::npos) {
      return SyntaxError("Unknown char");
    }
    Copy(1);
    return {};
  }

  // "==", "<=", ">=", "!="; the first character of "==" is followed, the second preceded.
  bool IsComparison() const {
    if (text_.substr(at_ + 1).starts_with('=')) return true;
    return !checked_.empty() && std::string_view("=<>!").find(checked_.back()) != std::string::npos;
  }

  Status Name() {
    std::size_t end = at_;
    while (end < text_.size() && (IsNameStart(text_[end]) || IsDigit(text_[end]))) ++end;
    const std::string_view name = text_.substr(at_, end - at_);
    const std::size_t next = text_.find_first_not_of(kSpace, end);
    if (next == std::string_view::npos || text_[next] != '(') {
      Copy(name.size());
      return {};
    }
    if (std::find(kFunctions.begin(), kFunctions.end(), name) == kFunctions.end()) {
      return Error::Format(ErrorCode::kInvalid, "unknown function: {}", name);
    }
    checked_ += name == "to_string" ? kJmespathToString : name;
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
    Copy(end + 1 - at_);
    return quote == '`' ? Repeat(items) : Status();
  }

  // Only of an index or a bound of a slice.
  Status Minus() {
    const std::size_t before = checked_.find_last_not_of(kSpace);
    const bool begins =
        before != std::string::npos && (checked_[before] == '[' || checked_[before] == ':');
    if (!begins || at_ + 1 == text_.size() || !IsDigit(text_[at_ + 1])) {
      return SyntaxError("Unknown char: '-'");
    }
    Copy(1);
    return {};
  }

  Status Open(char c) {
    if (static_cast<int>(open_.size()) >= limits_.depth) {
      return Error::Format(ErrorCode::kTooLarge,
                           "the expression has more than {} brackets in each other", limits_.depth);
    }
    open_.push_back({c == '(' ? ')' : c == '[' ? ']' : '}'});
    Copy(1);
    return {};
  }

  Status Close(char c) {
    if (open_.empty() || open_.back().closing != c) return SyntaxError("Unexpected bracket");
    const std::size_t items = open_.back().items;
    open_.pop_back();
    Copy(1);
    ++brackets_;
    return Repeat(items);
  }

  Status Repeat(std::size_t items) {
    product_ *= items;
    if (product_ <= limits_.work / (brackets_ * bytes_)) return {};
    return Error(ErrorCode::kTooLarge, "the expression's lists can repeat the document too often");
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
