#include "agent/query/json_pretty.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "agent/query/lenient_json.h"

namespace nodekeep {
namespace {

bool IsSpace(char c) { return static_cast<unsigned char>(c) <= ' '; }

// The order of values: null, false, numbers, strings, true, containers; then by content.
int RankOf(std::string_view json) {
  if (json.empty()) return 0;
  switch (json[0]) {
    case 'n': return 0;
    case 'f': return 1;
    case '"': return 3;
    case 't': return 4;
    case '[':
    case '{': return 5;
    default: return 2;
  }
}

// The text of a quoted string; "" if its escapes are wrong.
SecretBytes StringOf(std::string_view json) {
  const JsonStringToken token = ScanJsonString(json, 0);
  if (!token.is_closed) return {};
  if (!token.has_escape) return SecretBytes(token.content());
  SecretBytes text;
  if (IsValidJson(token.raw)) AppendUnescaped(token.content(), text);
  return text;
}

bool IsLess(std::string_view a, std::string_view b) {
  const int rank = RankOf(a);
  if (rank != RankOf(b)) return rank < RankOf(b);
  if (rank == 3) return StringOf(a).Reveal() < StringOf(b).Reveal();
  if (rank == 2) return LenientNumber(a) < LenientNumber(b);
  return a < b;
}

class Printer {
 public:
  Printer(std::string_view json, const PrettyJsonOptions& options, int max_depth,
          std::size_t max_bytes)
      : json_(json),
        options_(options),
        max_depth_(max_depth),
        max_bytes_(max_bytes),
        work_left_(16 * max_bytes) {}

  std::optional<SecretBytes> Print() {
    Write(options_.prefix);
    PrintValue({.on_lines = true, .sort_keys = options_.sort_keys});
    if (!out_.empty()) Write("\n");
    if (exceeded_) return std::nullopt;
    return std::move(out_);
  }

 private:
  // How a value is printed.
  struct Style {
    bool on_lines = false;  // members on lines of their own; otherwise all on one line
    bool one_line_attempt = false;
    bool sort_keys = false;
    int tabs = 0;
  };
  // A member of an object: its key in json_, and itself in out_.
  struct Member {
    std::string_view key;
    std::size_t start = 0;
    std::size_t end = 0;
  };

  void Write(std::string_view text) {
    if (exceeded_) return;
    if (out_.size() + text.size() > max_bytes_ || text.size() + 1 > work_left_) {
      exceeded_ = true;
      return;
    }
    work_left_ -= text.size() + 1;
    out_.Append(text);
  }

  char Last() const { return out_.Reveal().back(); }

  // Begins a line; a space at the end of the previous one becomes the line break.
  void NewLine() {
    if (exceeded_) return;
    line_start_ = out_.size();
    if (Last() == ' ') {
      out_.MutableData()[out_.size() - 1] = '\n';
    } else {
      Write("\n");
    }
  }

  void Indent(int tabs) {
    Write(options_.prefix);
    for (int i = 0; i < tabs && !exceeded_; ++i) Write(options_.indent);
  }

  // Each Print function reads from at_ on. False: an object, which is never part of one line.
  bool PrintValue(const Style& style) {
    for (; at_ < json_.size() && !exceeded_; ++at_) {
      const char c = json_[at_];
      if (IsSpace(c)) continue;
      if (c == '"') {
        PrintString();
        return true;
      }
      if ((c >= '0' && c <= '9') || c == '-' || IsNotFinite()) {
        PrintNumber();
        return true;
      }
      if (c == '{' || c == '[') {
        if (++depth_ > max_depth_) exceeded_ = true;
        const bool fits = PrintContainer(c, style);
        --depth_;
        return fits;
      }
      for (const std::string_view literal : {"true", "false", "null"}) {
        if (c != literal[0]) continue;
        Write(literal);
        at_ += literal.size();
        return true;
      }
    }
    return true;
  }

  bool IsNotFinite() const {
    const char c = json_[at_];
    return c == 'i' || c == 'I' || c == '+' || c == 'N' ||
           (c == 'n' && at_ + 1 < json_.size() && json_[at_ + 1] != 'u');
  }

  void PrintString() {
    const JsonStringToken token = ScanJsonString(json_, at_);
    Write(token.raw);
    at_ = token.end;
  }

  void PrintNumber() {
    std::size_t end = at_ + 1;
    while (end < json_.size() && !IsSpace(json_[end]) &&
           std::string_view(",:]}").find(json_[end]) == std::string_view::npos) {
      ++end;
    }
    Write(json_.substr(at_, end - at_));
    at_ = end;
  }

  // Tries to print the array at at_ on the current line; otherwise prints nothing.
  bool FitsOnLine(const Style& style) {
    const auto room = static_cast<std::ptrdiff_t>(options_.width) -
                      static_cast<std::ptrdiff_t>(out_.size() - line_start_);
    if (room <= 3) return false;
    const std::size_t before = out_.size();
    const std::size_t start = at_;
    const std::size_t line_start = std::exchange(line_start_, 0);
    const bool is_flat = PrintContainer(
        '[', {.on_lines = false, .one_line_attempt = true, .sort_keys = style.sort_keys});
    line_start_ = line_start;
    if (is_flat && static_cast<std::ptrdiff_t>(out_.size() - before) <= room) return true;
    if (!exceeded_) out_.Truncate(before);
    at_ = start;
    return false;
  }

  bool PrintContainer(char open, const Style& style) {
    if (options_.width > 0) {
      if (style.on_lines && open == '[' && !style.one_line_attempt) {
        if (FitsOnLine(style)) return true;
      } else if (style.one_line_attempt && open == '{') {
        return false;
      }
    }
    const char close = open == '{' ? '}' : ']';
    Write(std::string_view(&open, 1));
    ++at_;
    bool sorts = open == '{' && style.sort_keys;
    std::vector<Member> members;
    bool is_first = true;
    for (; at_ < json_.size() && !exceeded_; ++at_) {
      if (IsSpace(json_[at_])) continue;
      if (json_[at_] == close) {
        if (style.on_lines) {
          if (sorts) Sort(members);
          if (!is_first) NewLine();
          if (!exceeded_ && Last() != open) Indent(style.tabs);
        }
        Write(std::string_view(&close, 1));
        ++at_;
        return open != '{';
      }
      if (open == '{' && json_[at_] != '"') continue;
      if (!is_first) Write(open == '[' && options_.width != -1 ? ", " : ",");
      Member member;
      if (style.on_lines) {
        NewLine();
        member.start = out_.size();
        Indent(style.tabs + 1);
      }
      if (open == '{') {
        const std::size_t key_start = at_;
        PrintString();
        member.key = json_.substr(key_start, at_ - key_start);
        Write(style.on_lines ? ": " : ":");
      }
      Style inner = style;
      ++inner.tabs;
      const bool fits = PrintValue(inner);
      if (style.one_line_attempt && !fits) return false;
      if (style.on_lines && sorts) {
        member.end = out_.size();
        sorts = member.start <= member.end;
        if (sorts) members.push_back(member);
      }
      --at_;
      is_first = false;
    }
    return open != '{';
  }

  // The value of a member as printed.
  std::string_view ValueOf(const Member& member) const {
    const std::string_view text =
        TrimmedOfSpace(out_.Reveal().substr(member.start, member.end - member.start));
    return text.size() > member.key.size() ? TrimmedOfSpace(text.substr(member.key.size() + 1))
                                           : text;
  }

  void Sort(std::vector<Member>& members) {
    if (members.empty() || exceeded_) return;
    const std::size_t start = members.front().start;
    std::stable_sort(members.begin(), members.end(), [&](const Member& a, const Member& b) {
      if (IsLess(a.key, b.key)) return true;
      if (IsLess(b.key, a.key)) return false;
      return IsLess(ValueOf(a), ValueOf(b));
    });
    SecretBytes sorted;
    for (const Member& member : members) {
      if (!sorted.empty()) sorted.Append(",\n");
      sorted.Append(out_.Reveal().substr(member.start, member.end - member.start));
    }
    out_.Truncate(start);
    Write(sorted.Reveal());
  }

  const std::string_view json_;
  const PrettyJsonOptions& options_;
  const int max_depth_;
  const std::size_t max_bytes_;
  std::size_t work_left_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;  // in out_
  int depth_ = 0;
  bool exceeded_ = false;
  SecretBytes out_;
};

}  // namespace

std::optional<SecretBytes> PrettyJson(std::string_view json, const PrettyJsonOptions& options,
                                      int max_depth, std::size_t max_bytes) {
  return Printer(json, options, max_depth, max_bytes).Print();
}

SecretBytes UglyJson(std::string_view json) {
  SecretBytes out;
  out.Reserve(json.size());
  for (std::size_t at = 0; at < json.size(); ++at) {
    if (json[at] == '"') {
      const JsonStringToken token = ScanJsonString(json, at);
      out.Append(token.raw);
      at = token.end - 1;
    } else if (!IsSpace(json[at])) {
      out.Append(json.substr(at, 1));
    }
  }
  return out;
}

}  // namespace nodekeep
