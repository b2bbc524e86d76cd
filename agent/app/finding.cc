#include "agent/app/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <numeric>

namespace nodekeep {
namespace {

// Takes "<word><number>" off the front of `text`; 0 when it does not begin with that.
int TakeNumber(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return 0;
  int number = 0;
  const char* begin = text.data() + word.size();
  const auto [end, failure] = std::from_chars(begin, text.data() + text.size(), number);
  if (failure != std::errc()) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::string Normal(std::string_view word) {
  std::string normal;
  for (char c : word) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      normal += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return normal;
}

// Two letters that changed places count once, as what they are: the commonest slip.
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

std::string Finding::Text() const {
  std::string text = source;
  if (line > 0) text += fmt::format(":{}", line);
  if (line > 0 && column > 0) text += fmt::format(":{}", column);
  if (!field.empty()) text += ": " + field;
  text += ": " + message;
  if (!fix.empty()) text += "; " + fix;
  return text;
}

Finding FindingOf(std::string source, const Error& error) {
  Finding finding{.source = std::move(source), .message = error.message()};
  std::string_view text = error.message();
  const int line = TakeNumber(text, "line ");
  const int column = TakeNumber(text, ", column ");
  if (line > 0 && column > 0 && text.starts_with(": ")) {
    finding.line = line;
    finding.column = column;
    finding.message = text.substr(2);
  }
  return finding;
}

std::string Nearest(std::string_view word, const std::vector<std::string>& candidates) {
  // A name of any length could be a typing error of another one that is very short.
  constexpr std::size_t kLongest = 64;
  if (word.size() > kLongest) return "";
  const std::string wanted = Normal(word);
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = EditDistance(wanted, Normal(candidate));
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

}  // namespace nodekeep
