#pragma once

// External Secrets' conversionStrategy: names of a backend as keys of a Secret, and back.

#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/query/secret_map.h"

namespace nodekeep {

// Of characters other than letters, numbers (both of any script), '-', '.' and '_'.
enum class KeyConversion {
  kNone,     // they stay
  kDefault,  // "_"
  kUnicode,  // "_U%04x_"
};

// "Default" or "", "Unicode"; upstream leaves keys as they are under any other name.
KeyConversion ParseKeyConversion(std::string_view name);

std::string ConvertedKey(KeyConversion conversion, std::string_view key);
// Errors: kInvalid, two keys become the same one.
Result<SecretMap> ConvertKeys(KeyConversion conversion, SecretMap values);

// The direction of a PushSecret: "_U0041_" becomes "A". Only four or five hexadecimal digits count,
// so that what kUnicode makes of U+100000 and above stays.
std::string UnicodeReversedKey(std::string_view key);
Result<SecretMap> ReverseUnicodeKeys(SecretMap values);

// Whether the keys can be those of a Secret. An empty key is left out. Errors: kInvalid.
Result<SecretMap> ValidateKeys(SecretMap values);

}  // namespace nodekeep
