#include "agent/template/semver.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

namespace nodekeep::go {
namespace {

bool IsNumber(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

std::optional<std::uint64_t> NumberOf(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, failure] = std::from_chars(text.data(), end, value);
  if (!IsNumber(text) || failure != std::errc() || at != end) return std::nullopt;
  return value;
}

// The part before the first dot; `text` then begins behind it.
std::string_view TakePart(std::string_view& text) {
  const std::size_t dot = text.find('.');
  const std::string_view part = text.substr(0, dot);
  text = dot == text.npos ? std::string_view() : text.substr(dot + 1);
  return part;
}

// Numbers come before words; a missing part comes before every other.
int ComparePart(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  if (a.empty()) return -1;
  if (b.empty()) return 1;
  const std::optional<std::uint64_t> a_number = NumberOf(a);
  const std::optional<std::uint64_t> b_number = NumberOf(b);
  if (!a_number && !b_number) return a < b ? -1 : 1;
  if (!b_number) return -1;
  if (!a_number) return 1;
  return *a_number < *b_number ? -1 : 1;
}

int ComparePrereleases(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  if (a.empty()) return 1;
  if (b.empty()) return -1;
  while (!a.empty() || !b.empty()) {
    if (const int result = ComparePart(TakePart(a), TakePart(b)); result != 0) return result;
  }
  return 0;
}

// strconv.ParseUint into `out`.
Status ReadSegment(const re2::StringPiece& piece, std::uint64_t& out) {
  std::string_view text(piece.data(), piece.size());
  if (text.starts_with('.')) text.remove_prefix(1);
  if (text.empty()) return {};
  const std::optional<std::uint64_t> value = NumberOf(text);
  if (!value) {
    return Error::Format(ErrorCode::kInvalid,
                         "error parsing version segment: strconv.ParseUint: parsing \"{}\": value "
                         "out of range",
                         text);
  }
  out = *value;
  return {};
}

// Groups of a suffix: "-" prerelease, prerelease; "+" metadata, metadata.
constexpr std::string_view kSuffix =
    R"((-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?)";
// A version in a constraint, whose parts may be wildcards.
constexpr std::string_view kPattern = R"(v?([0-9|xX*]+)(\.[0-9|xX*]+)?(\.[0-9|xX*]+)?)";
constexpr std::string_view kOperators = R"((=|!=|>=|=>|<=|=<|~>|>|<|~|\^|))";

const RE2& Expression(const std::string& pattern) {
  return *new RE2(pattern, RE2::Quiet);  // kept until the process exits
}

enum class Part { kMajor, kMinor, kPatch, kNone };

struct Constraint {
  std::string operation;
  Version version;
  Part first_wildcard = Part::kNone;

  bool is_dirty() const { return first_wildcard != Part::kNone; }
  bool is_minor_dirty() const { return first_wildcard == Part::kMinor; }
  bool is_patch_dirty() const { return first_wildcard == Part::kPatch; }
};

bool IsWildcard(std::string_view part) {
  if (part.starts_with('.')) part.remove_prefix(1);
  return part.empty() || part == "x" || part == "X" || part == "*";
}

Error Improper(std::string_view text) {
  return Error::Format(ErrorCode::kInvalid, "improper constraint: {}", text);
}

Result<Constraint> ParseConstraint(std::string_view text) {
  static const RE2& expression =
      Expression(fmt::format(R"(^\s*{}\s*({}{})\s*$)", kOperators, kPattern, kSuffix));
  Constraint constraint;
  if (text.empty()) {
    constraint.first_wildcard = Part::kMajor;
    return constraint;
  }
  std::array<std::string, 7> groups;  // operator, all, major, minor, patch, -prerelease, prerelease
  if (!RE2::FullMatch(re2::StringPiece(text.data(), text.size()), expression, &groups[0],
                      &groups[1], &groups[2], &groups[3], &groups[4], &groups[5], &groups[6])) {
    return Improper(text);
  }
  constraint.operation = groups[0];
  std::string version = groups[1];
  if (IsWildcard(groups[2])) {
    version = "0.0.0" + groups[5];
    constraint.first_wildcard = Part::kMajor;
  } else if (IsWildcard(groups[3])) {
    version = groups[2] + ".0.0" + groups[5];
    constraint.first_wildcard = Part::kMinor;
  } else if (IsWildcard(groups[4])) {
    version = groups[2] + groups[3] + ".0" + groups[5];
    constraint.first_wildcard = Part::kPatch;
  }
  Result<Version> parsed = ParseVersion(version);
  if (!parsed.ok()) return Error(ErrorCode::kInvalid, "constraint parser error");
  constraint.version = *std::move(parsed);
  return constraint;
}

bool IsNotEqual(const Version& v, const Constraint& c) {
  const Version& other = c.version;
  if (!c.is_dirty()) return CompareVersions(v, other) != 0;
  if (v.major != other.major) return true;
  if (c.is_minor_dirty()) return false;
  if (v.minor != other.minor) return true;
  if (!c.is_patch_dirty()) return v.patch != other.patch || CompareVersions(v, other) != 0;
  return ComparePrereleases(v.prerelease, other.prerelease) != 0;
}

bool IsGreater(const Version& v, const Constraint& c) {
  const Version& other = c.version;
  if (!c.is_dirty()) return CompareVersions(v, other) > 0;
  if (v.major != other.major) return v.major > other.major;
  if (c.is_minor_dirty()) return false;
  if (c.is_patch_dirty()) return v.minor > other.minor;
  return CompareVersions(v, other) > 0;
}

bool IsAtMost(const Version& v, const Constraint& c) {
  if (!c.is_dirty()) return CompareVersions(v, c.version) <= 0;
  if (v.major != c.version.major) return v.major < c.version.major;
  return v.minor <= c.version.minor || c.is_minor_dirty();
}

bool IsNear(const Version& v, const Constraint& c) {
  const Version& other = c.version;
  if (CompareVersions(v, other) < 0) return false;
  const bool is_zero = other.major == 0 && other.minor == 0 && other.patch == 0;
  if (is_zero && !c.is_minor_dirty() && !c.is_patch_dirty()) return true;
  return v.major == other.major && (v.minor == other.minor || c.is_minor_dirty());
}

bool IsCompatible(const Version& v, const Constraint& c) {
  const Version& other = c.version;
  if (CompareVersions(v, other) < 0) return false;
  if (other.major > 0 || c.is_minor_dirty()) return v.major == other.major;
  if (v.major > other.major) return false;
  if (other.minor > 0 || c.is_patch_dirty()) return v.minor == other.minor;
  return v.minor == other.minor && v.patch == other.patch;
}

// `with_prereleases`: the constraint names some.
bool Satisfies(const Version& v, const Constraint& c, bool with_prereleases) {
  if (!v.prerelease.empty() && !with_prereleases) return false;
  const std::string& operation = c.operation;
  if (operation == "!=") return IsNotEqual(v, c);
  if (operation == ">") return IsGreater(v, c);
  if (operation == "<") return CompareVersions(v, c.version) < 0;
  if (operation == ">=" || operation == "=>") return CompareVersions(v, c.version) >= 0;
  if (operation == "<=" || operation == "=<") return IsAtMost(v, c);
  if (operation == "^") return IsCompatible(v, c);
  if (operation == "~" || operation == "~>" || c.is_dirty()) return IsNear(v, c);
  return CompareVersions(v, c.version) == 0;
}

// "1.2 - 2.3" becomes ">= 1.2, <= 2.3 ".
std::string RewriteRanges(std::string_view text) {
  static const RE2& expression =
      Expression(fmt::format(R"(\s*({0}{1})\s+-\s+({0}{1})\s*)", kPattern, kSuffix));
  // Group 1 is the first version, which has seven groups of its own; group 9 the second.
  std::string rewritten(text);
  RE2::GlobalReplace(&rewritten, expression, R"(>= \1, <= \9 )");
  return rewritten;
}

Result<std::vector<Constraint>> ParseAll(std::string_view text) {
  static const RE2& valid = Expression(fmt::format(
      R"(^(\s*{0}\s*{1}{2}\s*)((?:\s+|,\s*){0}\s*{1}{2}\s*)*$)", kOperators, kPattern, kSuffix));
  static const RE2& one = Expression(fmt::format(R"(({}\s*{}{}))", kOperators, kPattern, kSuffix));
  const re2::StringPiece piece(text.data(), text.size());
  if (!RE2::PartialMatch(piece, valid)) return Improper(text);
  std::vector<Constraint> constraints;
  re2::StringPiece rest = piece;
  std::string found;
  while (RE2::FindAndConsume(&rest, one, &found)) {
    Result<Constraint> constraint = ParseConstraint(found);
    if (!constraint.ok()) return constraint.error();
    constraints.push_back(*std::move(constraint));
  }
  return constraints;
}

}  // namespace

std::string Version::Text() const {
  std::string text = fmt::format("{}.{}.{}", major, minor, patch);
  if (!prerelease.empty()) text += "-" + prerelease;
  if (!metadata.empty()) text += "+" + metadata;
  return text;
}

Status ValidatePrerelease(std::string_view text) {
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    if (IsNumber(part) && part.size() > 1 && part[0] == '0') {
      return Error(ErrorCode::kInvalid, "version segment starts with 0");
    }
    const bool is_valid = std::all_of(part.begin(), part.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
    });
    if (!is_valid) return Error(ErrorCode::kInvalid, "invalid prerelease string");
    if (dot == text.npos) return {};
    text.remove_prefix(dot + 1);
  }
}

Result<Version> ParseVersion(std::string_view text) {
  static const RE2& expression =
      Expression(fmt::format(R"(^v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?{}$)", kSuffix));
  re2::StringPiece major;
  re2::StringPiece minor;
  re2::StringPiece patch;
  re2::StringPiece ignored;
  Version version;
  if (!RE2::FullMatch(re2::StringPiece(text.data(), text.size()), expression, &major, &minor,
                      &patch, &ignored, &version.prerelease, &ignored, &version.metadata)) {
    return Error(ErrorCode::kInvalid, "invalid semantic version");
  }
  version.original = text;
  if (Status read = ReadSegment(major, version.major); !read.ok()) return read.error();
  if (Status read = ReadSegment(minor, version.minor); !read.ok()) return read.error();
  if (Status read = ReadSegment(patch, version.patch); !read.ok()) return read.error();
  if (!version.prerelease.empty()) {
    const Status valid = ValidatePrerelease(version.prerelease);
    if (!valid.ok()) return valid.error();
  }
  return version;
}

int CompareVersions(const Version& a, const Version& b) {
  const std::array<std::uint64_t, 3> x = {a.major, a.minor, a.patch};
  const std::array<std::uint64_t, 3> y = {b.major, b.minor, b.patch};
  if (x != y) return x < y ? -1 : 1;
  return ComparePrereleases(a.prerelease, b.prerelease);
}

Result<bool> SatisfiesConstraint(const Version& version, std::string_view constraint) {
  const std::string rewritten = RewriteRanges(constraint);
  bool is_satisfied = false;
  std::string_view rest = rewritten;
  // All alternatives are parsed, because one that is malformed is an error.
  while (true) {
    const std::size_t bars = rest.find("||");
    const Result<std::vector<Constraint>> all = ParseAll(rest.substr(0, bars));
    if (!all.ok()) return all.error();
    const bool with_prereleases = std::any_of(all->begin(), all->end(), [](const Constraint& c) {
      return !c.version.prerelease.empty();
    });
    is_satisfied = is_satisfied || std::all_of(all->begin(), all->end(), [&](const Constraint& c) {
                     return Satisfies(version, c, with_prereleases);
                   });
    if (bars == rest.npos) return is_satisfied;
    rest.remove_prefix(bars + 2);
  }
}

}  // namespace nodekeep::go
