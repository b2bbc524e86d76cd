#pragma once

// Text encodings of bytes. Decoders return SecretBytes, because most encoded input is a token or a
// secret; their errors name the offset, never the content.

#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// Standard alphabet, padded.
std::string Base64Encode(std::string_view bytes);
// Standard alphabet, padding required, CR and LF ignored, as Go's base64.StdEncoding. Error text:
// "illegal base64 data at input byte N".
Result<SecretBytes> Base64Decode(std::string_view text);

// URL alphabet (- and _), padded.
std::string Base64UrlEncode(std::string_view bytes);
// URL alphabet, padding optional. Errors as Base64Decode.
Result<SecretBytes> Base64UrlDecode(std::string_view text);

// Lower case.
std::string HexEncode(std::string_view bytes);
// Either case, an even number of digits.
Result<SecretBytes> HexDecode(std::string_view text);

// Decodes `value` when `encoding` is "base64" or "hex" (case-insensitive); for any other encoding
// returns `value` unchanged. Line breaks at the end of hex digits are ignored, as Base64Decode
// ignores them. Errors as Base64Decode and HexDecode.
Result<SecretBytes> Decode(std::string_view encoding, SecretBytes value);

// RFC 3986: everything except letters, digits and -._~ becomes %XX; `/` is kept if `keep_slash`.
std::string PercentEncode(std::string_view segment, bool keep_slash);

}  // namespace nodekeep
