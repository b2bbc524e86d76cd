#pragma once

// External Secrets' decodingStrategy: values that are stored encoded.

#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/query/secret_map.h"

namespace nodekeep {

enum class DecodingStrategy {
  kNone,
  kBase64,     // standard alphabet, with padding
  kBase64Url,  // URL alphabet, with padding
  kAuto,       // the first of kBase64, kBase64Url and kNone that fits
};

// "None", "Base64", "Base64URL", "Auto"; "" is kNone. Errors: kInvalid.
Result<DecodingStrategy> ParseDecodingStrategy(std::string_view name);

// As Go's decoders: line breaks are skipped, unused bits of the last digit are ignored. Errors:
// kInvalid "illegal base64 data at input byte N".
Result<SecretBytes> DecodeValue(DecodingStrategy strategy, SecretBytes value);
// The error names the key.
Result<SecretMap> DecodeValues(DecodingStrategy strategy, SecretMap values);

}  // namespace nodekeep
