#include "agent/base/go_regexp.h"

#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

bool IsWordCharacter(char c) {
  const char lower = AsciiLower(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

// Of the letters, digits and underscores at the start of `text`, in bytes.
std::size_t NameLength(std::string_view text) {
  static const re2::RE2 kName(R"([\pL\p{Nd}_]+)");
  re2::StringPiece name;
  if (!kName.Match(text, 0, text.size(), re2::RE2::ANCHOR_START, &name, 1)) return 0;
  return name.size();
}

Error Refusal(std::string_view reason, std::string_view part) {
  return Error::Format(ErrorCode::kInvalid, "error parsing regexp: {}: `{}`", reason, part);
}

// The short name of a general category; `name` itself if it is not the long name of one.
std::string_view CategoryName(std::string_view name) {
  static const std::map<std::string_view, std::string_view> kCategories = {
      {"letter", "L"},
      {"uppercaseletter", "Lu"},
      {"lowercaseletter", "Ll"},
      {"titlecaseletter", "Lt"},
      {"modifierletter", "Lm"},
      {"otherletter", "Lo"},
      {"mark", "M"},
      {"nonspacingmark", "Mn"},
      {"spacingmark", "Mc"},
      {"enclosingmark", "Me"},
      {"number", "N"},
      {"decimalnumber", "Nd"},
      {"digit", "Nd"},
      {"letternumber", "Nl"},
      {"othernumber", "No"},
      {"punctuation", "P"},
      {"punct", "P"},
      {"connectorpunctuation", "Pc"},
      {"dashpunctuation", "Pd"},
      {"openpunctuation", "Ps"},
      {"closepunctuation", "Pe"},
      {"initialpunctuation", "Pi"},
      {"finalpunctuation", "Pf"},
      {"otherpunctuation", "Po"},
      {"symbol", "S"},
      {"mathsymbol", "Sm"},
      {"currencysymbol", "Sc"},
      {"modifiersymbol", "Sk"},
      {"othersymbol", "So"},
      {"separator", "Z"},
      {"spaceseparator", "Zs"},
      {"lineseparator", "Zl"},
      {"paragraphseparator", "Zp"},
      {"other", "C"},
      {"control", "Cc"},
      {"cntrl", "Cc"},
      {"format", "Cf"},
      {"privateuse", "Co"},
      {"surrogate", "Cs"},
  };
  std::string folded;
  for (const char c : name) {
    if (c != '_' && c != '-' && c != ' ') folded += AsciiLower(c);
  }
  const auto found = kCategories.find(folded);
  return found == kCategories.end() ? name : found->second;
}

// A pattern in the syntax of Go, rewritten for RE2: groups get other names, because this RE2 knows
// one spelling of them only and refuses repeated ones.
class Translation {
 public:
  explicit Translation(std::string_view pattern) : source_(pattern) {}

  Status Run() {
    if (const std::size_t bad = FindInvalidUtf8(source_); bad != std::string_view::npos) {
      return Refusal("invalid UTF-8", source_.substr(bad));
    }
    while (at_ < source_.size()) {
      if (Status status = Next(); !status.ok()) return status;
    }
    return {};
  }

  std::string& pattern() { return pattern_; }
  // Of each group, group 0 included; "" for one without a name.
  std::vector<std::string>& names() { return names_; }

 private:
  std::string_view rest() const { return source_.substr(at_); }

  void Copy(std::size_t count) {
    count = std::min(count, source_.size() - at_);
    pattern_ += source_.substr(at_, count);
    at_ += count;
  }

  Status Next() {
    switch (source_[at_]) {
      case '\\': return Escape();
      case '[': return Class();
      case '(': return Group();
      case '{': return Repeat();
      default: Copy(1); return {};
    }
  }

  Status Escape() {
    const std::string_view text = rest();
    if (text.starts_with("\\Q")) {
      const std::size_t end = text.find("\\E", 2);
      Copy(end == std::string_view::npos ? text.size() : end + 2);
      return {};
    }
    return SimpleEscape();
  }

  Status SimpleEscape() {
    const std::string_view text = rest();
    if (text.starts_with("\\C")) return Refusal("invalid escape sequence", "\\C");
    if (text.starts_with("\\p{") || text.starts_with("\\P{")) {
      const std::size_t end = text.find('}');
      if (end != std::string_view::npos) return Category(text.substr(0, end + 1));
    }
    Copy(2);
    return {};
  }

  // `text`: "\p{Letter}", "\P{^Letter}".
  Status Category(std::string_view text) {
    const std::size_t name = text[3] == '^' ? 4 : 3;
    pattern_ += text.substr(0, name);
    pattern_ += CategoryName(text.substr(name, text.size() - name - 1));
    pattern_ += '}';
    at_ += text.size();
    return {};
  }

  Status Class() {
    Copy(rest().starts_with("[^") ? 2 : 1);
    if (rest().starts_with("]")) Copy(1);
    while (at_ < source_.size() && source_[at_] != ']') {
      if (source_[at_] == '\\') {
        if (Status status = SimpleEscape(); !status.ok()) return status;
        continue;
      }
      const std::size_t end = rest().starts_with("[:") ? rest().find(":]", 2) : 0;
      Copy(end == std::string_view::npos || end == 0 ? 1 : end + 2);
    }
    Copy(1);
    return {};
  }

  // RE2 takes a count over eight digits for literal text.
  Status Repeat() {
    const std::string_view text = rest();
    const std::size_t end = text.find_first_not_of("0123456789", 1);
    std::size_t longest = std::min(end, text.size()) - 1;
    std::size_t close = end;
    if (text.substr(std::min(end, text.size())).starts_with(',')) {
      close = text.find_first_not_of("0123456789", end + 1);
      longest = std::max(longest, std::min(close, text.size()) - end - 1);
    }
    const bool is_repeat = end > 1 && close != std::string_view::npos && text[close] == '}';
    if (is_repeat && longest > 8) {
      return Refusal("invalid repeat count", text.substr(0, close + 1));
    }
    Copy(1);
    return {};
  }

  Status Group() {
    const std::string_view text = rest();
    const bool is_named = text.starts_with("(?P<") || text.starts_with("(?<");
    if (is_named) return NamedGroup(text, text[2] == 'P' ? 4 : 3);
    if (!text.starts_with("(?")) names_.emplace_back();
    Copy(text.starts_with("(?") ? 2 : 1);
    return {};
  }

  Status NamedGroup(std::string_view text, std::size_t name_at) {
    constexpr std::string_view kReason = "invalid named capture";
    const std::size_t end = text.find('>');
    if (end == std::string_view::npos) return Refusal(kReason, text);
    const std::string_view name = text.substr(name_at, end - name_at);
    if (name.empty() || !std::all_of(name.begin(), name.end(), IsWordCharacter)) {
      return Refusal(kReason, text.substr(0, end + 1));
    }
    pattern_ += fmt::format("(?P<g{}>", names_.size());
    names_.emplace_back(name);
    at_ += end + 1;
    return {};
  }

  const std::string_view source_;
  std::size_t at_ = 0;
  std::string pattern_;
  std::vector<std::string> names_ = std::vector<std::string>(1);
};

// `translated`: what `compiled` was made from.
Error CompileFailure(const re2::RE2& compiled, std::string_view translated,
                     std::string_view pattern) {
  const std::string& part = compiled.error_arg();
  switch (compiled.error_code()) {
    case re2::RE2::ErrorBadEscape: return Refusal("invalid escape sequence", part);
    case re2::RE2::ErrorBadCharClass: return Refusal("invalid character class", part);
    case re2::RE2::ErrorBadCharRange: return Refusal("invalid character class range", part);
    case re2::RE2::ErrorMissingBracket: return Refusal("missing closing ]", part);
    case re2::RE2::ErrorMissingParen:
      // RE2 has no other code for "(?" followed by an unknown character.
      if (part.starts_with("(?") && part != translated) {
        return Refusal("invalid or unsupported Perl syntax", part);
      }
      return Refusal("missing closing )", pattern);
    case re2::RE2::ErrorUnexpectedParen: return Refusal("unexpected )", pattern);
    case re2::RE2::ErrorTrailingBackslash:
      return Refusal("trailing backslash at end of expression", "");
    case re2::RE2::ErrorRepeatArgument:
      return Refusal("missing argument to repetition operator", part);
    case re2::RE2::ErrorRepeatSize: return Refusal("invalid repeat count", part);
    case re2::RE2::ErrorRepeatOp: return Refusal("invalid nested repetition operator", part);
    case re2::RE2::ErrorBadPerlOp: return Refusal("invalid or unsupported Perl syntax", part);
    case re2::RE2::ErrorBadUTF8: return Refusal("invalid UTF-8", part);
    case re2::RE2::ErrorBadNamedCapture: return Refusal("invalid named capture", part);
    default: return Error(ErrorCode::kInvalid, "error parsing regexp: expression too large");
  }
}

}  // namespace

struct GoRegexp::Compiled {
  Compiled(const std::string& pattern, const re2::RE2::Options& options) : re2(pattern, options) {}

  re2::RE2 re2;
  std::vector<std::string> names;
  bool is_empty = false;  // the pattern
};

// Appends text after the budget has allowed it; ignores everything after a refusal.
class GoRegexp::Output {
 public:
  explicit Output(RegexpBudget& budget) : budget_(budget) {}

  void Append(std::string_view text) {
    if (status_.ok()) status_ = budget_.Bytes(text.size());
    if (status_.ok()) bytes_.Append(text);
  }

  const Status& status() const { return status_; }
  SecretBytes Take() { return std::move(bytes_); }

 private:
  RegexpBudget& budget_;
  SecretBytes bytes_;
  Status status_;
};

Result<GoRegexp> GoRegexp::Compile(std::string_view pattern) {
  Translation translation(pattern);
  if (Status status = translation.Run(); !status.ok()) return status.error();
  re2::RE2::Options options;
  options.set_log_errors(false);
  const auto compiled = std::make_shared<Compiled>(translation.pattern(), options);
  if (!compiled->re2.ok()) {
    return CompileFailure(compiled->re2, translation.pattern(), pattern);
  }
  compiled->names = std::move(translation.names());
  compiled->is_empty = pattern.empty();
  return GoRegexp(compiled);
}

// The matches of one text, from left to right, none overlapping another.
class GoRegexp::Search {
 public:
  Search(const Compiled& compiled, std::string_view text, RegexpBudget& budget)
      // A null pointer means to RE2 that a group took no part in the match.
      : re2_(compiled.re2), text_(text.empty() ? "" : text), budget_(budget) {}

  // To be called first.
  Status Prepare() {
    if (FindInvalidUtf8(text_) == std::string_view::npos) return {};
    if (Status status = budget_.Bytes(text_.size() * 3); !status.ok()) return status;
    std::size_t at = 0;
    while (at < text_.size()) {
      const std::size_t bad = std::min(FindInvalidUtf8(text_.substr(at)), text_.size() - at);
      valid_text_.append(text_.substr(at, bad));
      at += bad;
      if (at == text_.size()) break;
      replaced_.push_back(valid_text_.size());
      valid_text_.append("\xEF\xBF\xBD");
      ++at;
    }
    text_ = valid_text_;
    return {};
  }

  // The next match: its whole range and those of `groups` - 1 groups. False if there is none.
  Result<bool> Next(int groups) {
    while (position_ <= text_.size()) {
      if (Status status = budget_.Steps(Cost(groups)); !status.ok()) return status.error();
      submatches_.assign(static_cast<std::size_t>(groups), {});
      if (!re2_.Match(text_, position_, text_.size(), re2::RE2::UNANCHORED, submatches_.data(),
                      groups)) {
        position_ = text_.size() + 1;
        return false;
      }
      if (!StartsInsideCharacter() && Accept()) return true;
    }
    return false;
  }

  std::vector<Range> Groups() const {
    std::vector<Range> ranges;
    ranges.reserve(submatches_.size());
    for (const re2::StringPiece& submatch : submatches_) {
      if (submatch.data() == nullptr) {
        ranges.emplace_back();
        continue;
      }
      const std::size_t begin = Offset(submatch);
      ranges.push_back({SourceOffset(begin), SourceOffset(begin + submatch.size())});
    }
    return ranges;
  }
  Range Whole() const { return Groups()[0]; }

 private:
  std::size_t Offset(const re2::StringPiece& part) const {
    return static_cast<std::size_t>(part.data() - text_.data());
  }

  // At worst each byte visits each instruction of the program, and copies the groups there.
  std::uint64_t Cost(int groups) const {
    constexpr std::uint64_t kPerStep = 32 << 10;
    const std::uint64_t bytes = text_.size() - position_;
    const auto work = static_cast<std::uint64_t>(re2_.ProgramSize()) * (1 + groups / 8);
    return 1 + bytes * work / kPerStep;
  }

  // RE2 finds \B between the bytes of a character. Moves behind the character then.
  bool StartsInsideCharacter() {
    std::size_t at = Offset(submatches_[0]);
    const auto is_inside = [&] {
      return at < text_.size() && (static_cast<unsigned char>(text_[at]) & 0xC0) == 0x80;
    };
    if (!is_inside()) return false;
    while (is_inside()) ++at;
    position_ = at;
    return true;
  }

  // Moves behind the match. An empty match that follows another match directly is none.
  bool Accept() {
    const std::size_t begin = Offset(submatches_[0]);
    const std::size_t end = begin + submatches_[0].size();
    const bool is_empty_here = end == position_;
    const bool accepted = !is_empty_here || begin != previous_end_;
    previous_end_ = end;
    if (is_empty_here) {
      position_ += std::max<std::size_t>(1, FirstRune(text_.substr(position_)).length);
    } else {
      position_ = end;
    }
    return accepted;
  }

  // Where an offset of `text_` is in the text that was given.
  std::size_t SourceOffset(std::size_t offset) const {
    const auto before = std::lower_bound(replaced_.begin(), replaced_.end(), offset);
    return offset - 2 * static_cast<std::size_t>(before - replaced_.begin());
  }

  const re2::RE2& re2_;
  std::string_view text_;
  RegexpBudget& budget_;
  std::string valid_text_;
  std::vector<std::size_t> replaced_;  // offsets in valid_text_ of what stands for invalid bytes
  std::size_t position_ = 0;
  std::size_t previous_end_ = std::string_view::npos;
  std::vector<re2::StringPiece> submatches_;
};

std::size_t GoRegexp::program_size() const {
  return static_cast<std::size_t>(compiled_->re2.ProgramSize());
}

Result<bool> GoRegexp::Matches(std::string_view text, RegexpBudget& budget) const {
  Search search(*compiled_, text, budget);
  if (Status status = search.Prepare(); !status.ok()) return status.error();
  return search.Next(1);
}

Result<std::optional<GoRegexp::Range>> GoRegexp::Find(std::string_view text,
                                                      RegexpBudget& budget) const {
  Result<std::vector<Range>> found = FindAll(text, 1, budget);
  if (!found.ok()) return found.error();
  if (found->empty()) return std::optional<Range>();
  return std::optional<Range>(found->front());
}

Result<std::vector<GoRegexp::Range>> GoRegexp::FindAll(std::string_view text, std::int64_t limit,
                                                       RegexpBudget& budget) const {
  Search search(*compiled_, text, budget);
  if (Status status = search.Prepare(); !status.ok()) return status.error();
  std::vector<Range> found;
  while (limit < 0 || found.size() < static_cast<std::uint64_t>(limit)) {
    Result<bool> next = search.Next(1);
    if (!next.ok()) return next.error();
    if (!*next) break;
    if (Status status = budget.Bytes(sizeof(Range)); !status.ok()) return status.error();
    found.push_back(search.Whole());
  }
  return found;
}

Result<SecretBytes> GoRegexp::ReplaceAll(std::string_view text, std::string_view replacement,
                                         RegexpBudget& budget) const {
  return Replace(text, replacement, replacement.find('$') != std::string_view::npos, budget);
}

Result<SecretBytes> GoRegexp::ReplaceAllLiteral(std::string_view text, std::string_view replacement,
                                                RegexpBudget& budget) const {
  return Replace(text, replacement, false, budget);
}

Result<SecretBytes> GoRegexp::Replace(std::string_view text, std::string_view replacement,
                                      bool expand, RegexpBudget& budget) const {
  Search search(*compiled_, text, budget);
  if (Status status = search.Prepare(); !status.ok()) return status.error();
  const int groups = expand ? static_cast<int>(compiled_->names.size()) : 1;
  // RE2 keeps all groups for each instruction.
  constexpr std::size_t kMostGroupsInProgram = 500'000;
  if (static_cast<std::size_t>(groups) * program_size() > kMostGroupsInProgram) {
    return Error(ErrorCode::kTooLarge, "the regular expression has too many groups for its size");
  }
  Output out(budget);
  std::size_t copied = 0;
  while (true) {
    Result<bool> next = search.Next(groups);
    if (!next.ok()) return next.error();
    if (!*next) break;
    const std::vector<Range> match = search.Groups();
    out.Append(text.substr(copied, match[0].begin - copied));
    copied = match[0].end;
    if (expand) {
      Expand(replacement, text, match, out);
    } else {
      out.Append(replacement);
    }
    if (!out.status().ok()) return out.status().error();
  }
  out.Append(text.substr(copied));
  if (!out.status().ok()) return out.status().error();
  return out.Take();
}

void GoRegexp::Expand(std::string_view replacement, std::string_view text,
                      std::span<const Range> groups, Output& out) const {
  while (out.status().ok()) {
    const std::size_t dollar = replacement.find('$');
    out.Append(replacement.substr(0, dollar));
    if (dollar == std::string_view::npos) return;
    replacement.remove_prefix(dollar + 1);
    if (replacement.starts_with('$')) {
      out.Append("$");
      replacement.remove_prefix(1);
      continue;
    }
    const std::size_t begin = replacement.starts_with('{') ? 1 : 0;
    const std::size_t end = begin + NameLength(replacement.substr(begin));
    const bool is_closed = begin == 0 || replacement.substr(end).starts_with('}');
    if (end == begin || !is_closed) {
      out.Append("$");
      continue;
    }
    out.Append(GroupText(replacement.substr(begin, end - begin), text, groups));
    replacement.remove_prefix(end + begin);
  }
}

std::string_view GoRegexp::GroupText(std::string_view name, std::string_view text,
                                     std::span<const Range> groups) const {
  const auto part = [&](std::size_t i) {
    return groups[i].begin == std::string_view::npos
               ? std::string_view()
               : text.substr(groups[i].begin, groups[i].end - groups[i].begin);
  };
  const bool is_number =
      std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
      (name.size() == 1 || name[0] != '0');
  if (is_number) {
    std::size_t number = 0;
    for (const char c : name) {
      number = number * 10 + static_cast<std::size_t>(c - '0');
      if (number >= groups.size()) return {};
    }
    return part(number);
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const bool takes_part = groups[i].begin != std::string_view::npos;
    if (takes_part && compiled_->names[i] == name) return part(i);
  }
  return {};
}

Result<std::vector<GoRegexp::Range>> GoRegexp::Split(std::string_view text, std::int64_t limit,
                                                     RegexpBudget& budget) const {
  if (limit == 0) return std::vector<Range>();
  if (text.empty() && !compiled_->is_empty) return std::vector<Range>{{0, 0}};
  Result<std::vector<Range>> matches = FindAll(text, limit, budget);
  if (!matches.ok()) return matches.error();
  std::vector<Range> parts;
  std::size_t begin = 0;
  std::size_t last_match = 0;
  for (const Range& match : *matches) {
    if (limit > 0 && parts.size() + 1 == static_cast<std::uint64_t>(limit)) break;
    last_match = match.begin;
    // An empty match at the start of the text separates nothing.
    if (match.end != 0) parts.push_back({begin, match.begin});
    begin = match.end;
  }
  if (last_match != text.size()) parts.push_back({begin, text.size()});
  return parts;
}

std::string QuoteRegexp(std::string_view text) {
  constexpr std::string_view kSpecial = R"(\.+*?()|[]{}^$)";
  std::string quoted;
  quoted.reserve(text.size());
  for (const char c : text) {
    if (kSpecial.find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

}  // namespace nodekeep
