#include "agent/base/closest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <numeric>
#include <vector>

#include "agent/base/ascii.h"

namespace nodekeep {
namespace {

// Its letters and digits in lower case.
std::string Normalized(std::string_view word) {
  std::string normalized;
  for (char c : word) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) normalized += AsciiLower(c);
  }
  return normalized;
}

// Insertions, deletions, replacements, and swaps of two adjacent letters, the most common typo.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> rows(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  std::iota(rows[0].begin(), rows[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    rows[i][0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      rows[i][j] = std::min({replaced, rows[i - 1][j] + 1, rows[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[a.size()][b.size()];
}

}  // namespace

std::string ClosestTo(std::string_view word, std::span<const std::string_view> known) {
  constexpr std::size_t kLongest = 64;
  constexpr std::size_t kMostEdits = 2;
  if (word.size() > kLongest) return "";
  const std::string wanted = Normalized(word);
  std::string closest;
  // At most half of the word may differ, else a short word would match everything.
  std::size_t limit = std::min(kMostEdits, wanted.size() / 2) + 1;
  for (std::string_view candidate : known) {
    const std::size_t distance = EditDistance(wanted, Normalized(candidate));
    if (distance >= limit) continue;
    limit = distance;
    closest = candidate;
  }
  return closest;
}

std::string SuggestOrList(std::string_view word, std::span<const std::string_view> known,
                          std::string_view all) {
  const std::string closest = ClosestTo(word, known);
  if (!closest.empty()) return fmt::format("did you mean {}?", closest);
  return fmt::format("{} {}", all, fmt::join(known, ", "));
}

}  // namespace nodekeep
