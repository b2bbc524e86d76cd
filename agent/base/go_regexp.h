#pragma once

// Regular expressions as Go's package regexp: its syntax, its rules for empty matches, its
// replacement templates and its error texts; matched by RE2, in time linear in the text.
//
// Text that is not valid UTF-8 is matched as in Go: an invalid byte counts as one character U+FFFD.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// Told the cost of a search before it is done; an error of it ends the search. This one allows
// everything.
class RegexpBudget {
 public:
  virtual ~RegexpBudget() = default;
  // A step stands for about 100 microseconds at worst.
  virtual Status Steps(std::uint64_t) { return {}; }
  virtual Status Bytes(std::size_t) { return {}; }
};

// Immutable, hence thread-safe.
class GoRegexp {
 public:
  // Bytes of a text; `begin` is npos for a group that did not take part in the match.
  struct Range {
    std::size_t begin = std::string_view::npos;
    std::size_t end = std::string_view::npos;
  };

  // Errors: kInvalid "error parsing regexp: ..." as in Go.
  static Result<GoRegexp> Compile(std::string_view pattern);

  // Instructions of the compiled program: the work of compiling, and of each byte that is searched,
  // at worst.
  std::size_t program_size() const;

  Result<bool> Matches(std::string_view text, RegexpBudget& budget) const;
  // The leftmost match; nullopt if there is none.
  Result<std::optional<Range>> Find(std::string_view text, RegexpBudget& budget) const;
  // At most `limit` matches; all if it is negative.
  Result<std::vector<Range>> FindAll(std::string_view text, std::int64_t limit,
                                     RegexpBudget& budget) const;
  // Replaces all matches. In `replacement`, $1, $name, ${1} and ${name} stand for groups (the
  // longest name counts: $1x is ${1x}), $$ for $; an unknown group is empty.
  // Errors: kTooLarge, also for an expression of very many groups.
  Result<SecretBytes> ReplaceAll(std::string_view text, std::string_view replacement,
                                 RegexpBudget& budget) const;
  Result<SecretBytes> ReplaceAllLiteral(std::string_view text, std::string_view replacement,
                                        RegexpBudget& budget) const;
  // The parts between matches, at most `limit`; all if it is negative.
  Result<std::vector<Range>> Split(std::string_view text, std::int64_t limit,
                                   RegexpBudget& budget) const;

 private:
  struct Compiled;
  class Search;
  class Output;
  explicit GoRegexp(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}

  Result<SecretBytes> Replace(std::string_view text, std::string_view replacement, bool expand,
                              RegexpBudget& budget) const;
  void Expand(std::string_view replacement, std::string_view text, std::span<const Range> groups,
              Output& out) const;
  std::string_view GroupText(std::string_view name, std::string_view text,
                             std::span<const Range> groups) const;

  std::shared_ptr<const Compiled> compiled_;
};

// A pattern that matches `text` itself.
std::string QuoteRegexp(std::string_view text);

}  // namespace nodekeep
