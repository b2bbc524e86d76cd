#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

bool IsBetween(unsigned char byte, unsigned char low, unsigned char high) {
  return byte >= low && byte <= high;
}

}  // namespace

std::size_t Utf8SequenceLength(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  // The range of the second byte excludes overlong forms, surrogates and values over U+10FFFF.
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  std::size_t length = 0;
  if (IsBetween(lead, 0xC2, 0xDF)) {
    length = 2;
  } else if (IsBetween(lead, 0xE0, 0xEF)) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (IsBetween(lead, 0xF0, 0xF4)) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (text.size() < length || !IsBetween(byte(1), low, high)) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (!IsBetween(byte(i), 0x80, 0xBF)) return 0;
  }
  return length;
}

std::size_t FindInvalidUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = Utf8SequenceLength(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return std::string_view::npos;
}

std::string_view Utf8Prefix(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

std::string Excerpt(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  return std::string(Utf8Prefix(text, limit)) + "...";
}

std::string OneLine(std::string_view text, std::size_t limit) {
  std::string line;
  for (unsigned char c : text) {
    const bool space = c <= 0x20 || c == 0x7f;
    if (!space) {
      line += static_cast<char>(c);
    } else if (!line.empty() && !line.ends_with(' ')) {
      line += ' ';
    }
  }
  if (line.ends_with(' ')) line.pop_back();
  return Excerpt(line, limit);
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (true) {
    const std::size_t bad = FindInvalidUtf8(text);
    valid.append(text.substr(0, bad));
    if (bad == std::string_view::npos) return valid;
    valid.append("\xEF\xBF\xBD");
    text.remove_prefix(bad + 1);
  }
}

}  // namespace nodekeep
