#include "agent/base/go_json.h"

#include <charconv>
#include <cmath>

#include "agent/base/go_number.h"
#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

// The escape sequence for the first character of `text`; empty if it is written unescaped. Sets
// `length` to that character's bytes.
std::string EscapeOf(std::string_view text, std::size_t& length) {
  length = Utf8SequenceLength(text);
  if (length == 0) {
    length = 1;
    return "\\ufffd";
  }
  if (length == 3 && text.substr(0, 3) == "\xE2\x80\xA8") return "\\u2028";
  if (length == 3 && text.substr(0, 3) == "\xE2\x80\xA9") return "\\u2029";
  const char c = text[0];
  switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
  }
  const auto byte = static_cast<unsigned char>(c);
  if (byte < 0x20 || c == '<' || c == '>' || c == '&') {
    return {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
  }
  return {};
}

bool IsPlain(char c) {
  return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

// Runs of plain bytes are written in one piece.
template <typename Write>
void WriteQuoted(std::string_view text, const Write& write) {
  write("\"");
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (IsPlain(text[i])) {
      ++i;
      continue;
    }
    std::size_t length = 0;
    const std::string escape = EscapeOf(text.substr(i), length);
    if (!escape.empty()) {
      write(text.substr(start, i - start));
      write(escape);
      start = i + length;
    }
    i += length;
  }
  write(text.substr(start));
  write("\"");
}

}  // namespace

std::string GoJsonString(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  WriteQuoted(text, [&](std::string_view piece) { out.append(piece); });
  return out;
}

void AppendGoJsonString(std::string_view text, SecretBytes& out) {
  WriteQuoted(text, [&](std::string_view piece) { out.Append(piece); });
}

std::string GoJsonNumber(double value) {
  if (!std::isfinite(value)) return "null";
  const double size = std::fabs(value);
  const bool exponent = size != 0 && (size < 1e-6 || size >= 1e21);
  if (!exponent) return GoFloatWithoutExponent(value);
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  std::string text(buffer, end.ptr);
  // Go writes 1e-7 where C writes 1e-07; positive exponents of two digits or more are equal.
  const std::size_t n = text.size();
  if (n >= 4 && text[n - 4] == 'e' && text[n - 3] == '-' && text[n - 2] == '0') {
    text.erase(n - 2, 1);
  }
  return text;
}

GoJsonObject& GoJsonObject::Raw(std::string_view name, std::string_view json) {
  text_.Append(text_.empty() ? "{" : ",");
  AppendGoJsonString(name, text_);
  text_.Append(":");
  text_.Append(json);
  return *this;
}

GoJsonObject& GoJsonObject::String(std::string_view name, std::string_view value) {
  Raw(name, "");
  AppendGoJsonString(value, text_);
  return *this;
}

GoJsonObject& GoJsonObject::Strings(std::string_view name, std::span<const std::string> values) {
  Raw(name, "[");
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text_.Append(",");
    AppendGoJsonString(values[i], text_);
  }
  text_.Append("]");
  return *this;
}

GoJsonObject& GoJsonObject::Number(std::string_view name, std::int64_t value) {
  return Raw(name, std::to_string(value));
}

GoJsonObject& GoJsonObject::Bool(std::string_view name, bool value) {
  return Raw(name, value ? "true" : "false");
}

SecretBytes GoJsonObject::Finish() {
  text_.Append(text_.empty() ? "{}" : "}");
  return std::move(text_);
}

}  // namespace nodekeep
