#include "agent/query/key_conversion.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

constexpr std::size_t kMaxKeyBytes = 253;

bool IsLetterOrNumber(std::uint32_t code) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return true;
    default: return false;
  }
}

bool IsKeyCharacter(std::uint32_t code) {
  return code == '-' || code == '.' || code == '_' || IsLetterOrNumber(code);
}

std::string ConvertedCharacter(KeyConversion conversion, std::uint32_t code) {
  switch (conversion) {
    case KeyConversion::kDefault: return "_";
    case KeyConversion::kUnicode: return fmt::format("_U{:04x}_", code);
    case KeyConversion::kNone: break;
  }
  return EncodeUtf8(code);
}

template <typename Transform>
Result<SecretMap> Transformed(SecretMap values, Transform transform) {
  SecretMap transformed;
  for (auto& [key, value] : values) {
    const auto [entry, is_new] = transformed.try_emplace(transform(key), std::move(value));
    if (is_new) continue;
    return Error::Format(ErrorCode::kInvalid, "secret name collision during conversion: {}",
                         entry->first);
  }
  return transformed;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

struct EscapedCharacter {
  std::uint32_t code = 0;
  std::size_t length = 0;  // of the escape sequence; 0: there is none
};

// `text` begins with "_U".
EscapedCharacter ReadEscape(std::string_view text) {
  std::uint32_t code = 0;
  std::size_t at = 2;
  for (; at < text.size() && at < 7; ++at) {
    const int digit = HexDigit(text[at]);
    if (digit < 0) break;
    code = code * 16 + static_cast<std::uint32_t>(digit);
  }
  if (at < 6 || at == text.size() || text[at] != '_') return {};
  return {code, at + 1};
}

Status ValidateKey(std::string_view key) {
  if (key.size() > kMaxKeyBytes) {
    return Error::Format(ErrorCode::kInvalid,
                         "key has length {} but max is {}: (following is truncated): {}",
                         key.size(), kMaxKeyBytes, key.substr(0, kMaxKeyBytes));
  }
  for (std::string_view rest = key; !rest.empty();) {
    const Rune rune = FirstRune(rest);
    if (!IsKeyCharacter(rune.code)) {
      return Error::Format(ErrorCode::kInvalid,
                           "key has invalid character {}, only alphanumeric, '-', '.' and '_' are "
                           "allowed: {}",
                           EncodeUtf8(rune.code), key);
    }
    rest.remove_prefix(rune.length);
  }
  return {};
}

}  // namespace

KeyConversion ParseKeyConversion(std::string_view name) {
  if (name.empty() || name == "Default") return KeyConversion::kDefault;
  return name == "Unicode" ? KeyConversion::kUnicode : KeyConversion::kNone;
}

std::string ConvertedKey(KeyConversion conversion, std::string_view key) {
  std::string converted;
  while (!key.empty()) {
    const Rune rune = FirstRune(key);
    if (IsKeyCharacter(rune.code)) {
      converted += key.substr(0, rune.length);
    } else {
      converted += ConvertedCharacter(conversion, rune.code);
    }
    key.remove_prefix(rune.length);
  }
  return converted;
}

Result<SecretMap> ConvertKeys(KeyConversion conversion, SecretMap values) {
  return Transformed(std::move(values), [conversion](const std::string& key) {
    return ConvertedKey(conversion, key);
  });
}

std::string UnicodeReversedKey(std::string_view key) {
  std::string reversed;
  for (;;) {
    const std::size_t at = key.find("_U");
    reversed += key.substr(0, at);
    if (at == std::string_view::npos) return reversed;
    key.remove_prefix(at);
    const EscapedCharacter escape = ReadEscape(key);
    if (escape.length == 0) {
      reversed += key.front();
      key.remove_prefix(1);
      continue;
    }
    reversed += EncodeUtf8(escape.code);
    key.remove_prefix(escape.length);
  }
}

Result<SecretMap> ReverseUnicodeKeys(SecretMap values) {
  return Transformed(std::move(values),
                     [](const std::string& key) { return UnicodeReversedKey(key); });
}

Result<SecretMap> ValidateKeys(SecretMap values) {
  values.erase("");
  for (const auto& [key, value] : values) {
    if (Status valid = ValidateKey(key); !valid.ok()) return valid.error();
  }
  return values;
}

}  // namespace nodekeep
