#include "agent/query/decoding.h"

#include <utility>

#include "agent/base/codecs.h"

namespace nodekeep {
namespace {

char StandardDigit(char c) {
  switch (c) {
    case '-': return '+';
    case '_': return '/';
    case '+':
    case '/': return '!';  // no digit of either alphabet
    default: return c;
  }
}

// Base64UrlDecode accepts text without padding, Go's URLEncoding does not.
Result<SecretBytes> DecodePaddedUrl(std::string_view text) {
  SecretBytes standard(text);
  char* digits = standard.MutableData();
  for (std::size_t i = 0; i < text.size(); ++i) digits[i] = StandardDigit(text[i]);
  return Base64Decode(standard.Reveal());
}

}  // namespace

Result<DecodingStrategy> ParseDecodingStrategy(std::string_view name) {
  if (name.empty() || name == "None") return DecodingStrategy::kNone;
  if (name == "Base64") return DecodingStrategy::kBase64;
  if (name == "Base64URL") return DecodingStrategy::kBase64Url;
  if (name == "Auto") return DecodingStrategy::kAuto;
  return Error::Format(ErrorCode::kInvalid, "decoding strategy {} is not supported", name);
}

Result<SecretBytes> DecodeValue(DecodingStrategy strategy, SecretBytes value) {
  switch (strategy) {
    case DecodingStrategy::kNone: return value;
    case DecodingStrategy::kBase64: return Base64Decode(value.Reveal());
    case DecodingStrategy::kBase64Url: return DecodePaddedUrl(value.Reveal());
    case DecodingStrategy::kAuto: break;
  }
  if (Result<SecretBytes> decoded = Base64Decode(value.Reveal()); decoded.ok()) return decoded;
  if (Result<SecretBytes> decoded = DecodePaddedUrl(value.Reveal()); decoded.ok()) return decoded;
  return value;
}

Result<SecretMap> DecodeValues(DecodingStrategy strategy, SecretMap values) {
  for (auto& [key, value] : values) {
    Result<SecretBytes> decoded = DecodeValue(strategy, std::move(value));
    if (!decoded.ok()) return decoded.error().Prepend("failure decoding key {}", key);
    value = *std::move(decoded);
  }
  return values;
}

}  // namespace nodekeep
