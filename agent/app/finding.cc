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

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j + 1] + 1, row[j] + 1});
    }
  }
  return row[b.size()];
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
