#include "agent/base/closest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "agent/base/ascii.h"

namespace nodekeep {

std::string ClosestTo(std::string_view word, std::span<const std::string_view> known) {
  constexpr std::size_t kFar = 3;
  if (word.size() > 64) return "";
  std::string closest;
  std::size_t best = kFar;
  for (std::string_view candidate : known) {
    // Levenshtein distance, ignoring case, one row at a time.
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i + 1;
      for (std::size_t j = 0; j < candidate.size(); ++j) {
        const bool same = AsciiLower(word[i]) == AsciiLower(candidate[j]);
        const std::size_t changed = diagonal + (same ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
      }
    }
    // A short word is close to everything: at most half of it may differ.
    if (row.back() < best && row.back() * 2 <= word.size()) {
      best = row.back();
      closest = candidate;
    }
  }
  return closest;
}

std::string MeantOrAll(std::string_view word, std::span<const std::string_view> known,
                       std::string_view all) {
  const std::string closest = ClosestTo(word, known);
  if (!closest.empty()) return fmt::format("did you mean {}?", closest);
  return fmt::format("{} {}", all, fmt::join(known, ", "));
}

}  // namespace nodekeep
