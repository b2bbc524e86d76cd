#pragma once

// JSON written byte for byte as Go's encoding/json writes it (Go 1.22 and newer): upstream
// providers are written in Go, and users compare our files with theirs.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/secret_bytes.h"

namespace nodekeep {

// `text` as a quoted JSON string: <, >, & as \u003c, \u003e, \u0026; U+2028 and U+2029 escaped;
// \b \f \n \r \t, other control characters as \u00XX; invalid UTF-8 as \ufffd; the rest unescaped.
std::string GoJsonString(std::string_view text);
// The same, appended to `out`.
void AppendGoJsonString(std::string_view text, SecretBytes& out);

// A float64: the shortest digits that parse to the same value, without exponent from 1e-6 up to
// below 1e21. Infinities and NaN, which JSON cannot represent, become null.
std::string GoJsonNumber(double value);

// Writes a JSON object, its members in the order of the calls.
class GoJsonObject {
 public:
  GoJsonObject& String(std::string_view name, std::string_view value);
  GoJsonObject& Strings(std::string_view name, std::span<const std::string> values);
  GoJsonObject& Number(std::string_view name, std::int64_t value);
  GoJsonObject& Bool(std::string_view name, bool value);
  // `json` is the text of a JSON value and is copied as it is.
  GoJsonObject& Raw(std::string_view name, std::string_view json);

  // The whole object; "{}" without members. Call it last.
  SecretBytes Finish();

 private:
  SecretBytes text_;
};

}  // namespace nodekeep
