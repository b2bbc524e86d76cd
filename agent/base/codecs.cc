#include "agent/base/codecs.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "agent/base/ascii.h"

namespace nodekeep {
namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> ValuesOf(std::string_view alphabet) {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}

constexpr auto kStandardValues = ValuesOf(kStandard);
constexpr auto kUrlValues = ValuesOf(kUrl);

std::string Encode64(std::string_view bytes, std::string_view alphabet) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    text += alphabet[group >> 18];
    text += alphabet[group >> 12 & 63];
    text += count > 1 ? alphabet[group >> 6 & 63] : '=';
    text += count > 2 ? alphabet[group & 63] : '=';
  }
  return text;
}

Error Illegal64(std::size_t offset) {
  return Error::Format(ErrorCode::kInvalid, "illegal base64 data at input byte {}", offset);
}

bool IsLineBreak(char c) { return c == '\r' || c == '\n'; }

// Checks that from `from` on there is only the padding for `digits` digits of the last group, and
// line breaks.
Status CheckPadding(std::string_view text, std::size_t from, std::size_t digits, bool required) {
  std::size_t padding = 0;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (IsLineBreak(text[i])) continue;
    if (text[i] != '=' || digits < 2 || ++padding + digits > 4) return Illegal64(i);
  }
  const bool complete = digits == 0 || digits + padding == 4;
  const bool left_out = !required && padding == 0 && digits >= 2;
  if (!complete && !left_out) return Illegal64(text.size());
  return {};
}

Result<SecretBytes> Decode64(std::string_view text, const std::array<std::int8_t, 256>& values,
                             bool padding_required) {
  SecretBytes bytes = SecretBytes::OfSize(text.size() / 4 * 3 + 3);
  char* out = bytes.MutableData();
  std::uint32_t group = 0;
  std::size_t digits = 0;
  std::size_t i = 0;
  for (; i < text.size() && text[i] != '='; ++i) {
    if (IsLineBreak(text[i])) continue;
    const std::int8_t value = values[static_cast<unsigned char>(text[i])];
    if (value < 0) return Illegal64(i);
    group = group << 6 | static_cast<std::uint32_t>(value);
    if (++digits < 4) continue;
    *out++ = static_cast<char>(group >> 16);
    *out++ = static_cast<char>(group >> 8);
    *out++ = static_cast<char>(group);
    group = 0;
    digits = 0;
  }
  if (Status padding = CheckPadding(text, i, digits, padding_required); !padding.ok()) {
    return padding.error();
  }
  if (digits == 3) {
    *out++ = static_cast<char>(group >> 10);
    *out++ = static_cast<char>(group >> 2);
  } else if (digits == 2) {
    *out++ = static_cast<char>(group >> 4);
  }
  bytes.Truncate(static_cast<std::size_t>(out - bytes.MutableData()));
  return bytes;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsUnreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

std::string Base64Encode(std::string_view bytes) { return Encode64(bytes, kStandard); }

Result<SecretBytes> Base64Decode(std::string_view text) {
  return Decode64(text, kStandardValues, /*padding_required=*/true);
}

std::string Base64UrlEncode(std::string_view bytes) { return Encode64(bytes, kUrl); }

Result<SecretBytes> Base64UrlDecode(std::string_view text) {
  return Decode64(text, kUrlValues, /*padding_required=*/false);
}

std::string HexEncode(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

Result<SecretBytes> HexDecode(std::string_view text) {
  SecretBytes bytes = SecretBytes::OfSize(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int value = HexValue(text[i]);
    if (value < 0) return Error::Format(ErrorCode::kInvalid, "illegal hex digit at byte {}", i);
    if (i / 2 == bytes.size()) break;
    char& byte = bytes.MutableData()[i / 2];
    byte = static_cast<char>(static_cast<unsigned char>(byte) << 4 | value);
  }
  if (text.size() % 2 != 0) return Error(ErrorCode::kInvalid, "odd number of hex digits");
  return bytes;
}

Result<SecretBytes> Decode(std::string_view encoding, SecretBytes value) {
  if (EqualsIgnoreCase(encoding, "base64")) return Base64Decode(value.Reveal());
  if (EqualsIgnoreCase(encoding, "hex")) {
    std::string_view digits = value.Reveal();
    while (!digits.empty() && IsLineBreak(digits.back())) digits.remove_suffix(1);
    return HexDecode(digits);
  }
  return value;
}

std::string PercentEncode(std::string_view segment, bool keep_slash) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text;
  text.reserve(segment.size());
  for (char c : segment) {
    if (IsUnreserved(c) || (keep_slash && c == '/')) {
      text += c;
    } else {
      text += {'%', kDigits[static_cast<unsigned char>(c) >> 4],
               kDigits[static_cast<unsigned char>(c) & 15]};
    }
  }
  return text;
}

}  // namespace nodekeep
