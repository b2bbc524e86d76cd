#include "agent/app/finding.h"

#include <fmt/format.h>

#include <charconv>

namespace nodekeep {
namespace {

// Removes "<word><number>" from the front of `text`; returns 0 if it does not begin with that.
int ConsumeNumber(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return 0;
  int number = 0;
  const char* begin = text.data() + word.size();
  const auto [end, failure] = std::from_chars(begin, text.data() + text.size(), number);
  if (failure != std::errc()) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

std::string Finding::Text() const {
  std::string text = source;
  if (line > 0) text += fmt::format(":{}", line);
  if (line > 0 && column > 0) text += fmt::format(":{}", column);
  if (!object.empty()) text += ": " + object;
  if (!field.empty()) text += ": " + field;
  text += ": " + message;
  if (!fix.empty()) text += "; " + fix;
  return text;
}

Finding FindingOf(std::string source, const Error& error) {
  Finding finding{.source = std::move(source), .message = error.message()};
  std::string_view text = error.message();
  const int line = ConsumeNumber(text, "line ");
  const int column = ConsumeNumber(text, ", column ");
  if (line > 0 && column > 0 && text.starts_with(": ")) {
    finding.line = line;
    finding.column = column;
    finding.message = text.substr(2);
  }
  return finding;
}

}  // namespace nodekeep
