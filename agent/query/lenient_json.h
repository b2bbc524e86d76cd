#pragma once

// Scanning of JSON text without validation, as tidwall/gjson 1.18 does: documents with trailing
// text, missing commas, missing ends or misspelt literals are scanned as far as possible, because
// manifests may rely on what it answers for them. Only IsValidJson checks a text.
//
// Pure. Positions are byte offsets; positions past the end are allowed and mean "nothing left".

#include <cstddef>
#include <string_view>

#include "agent/base/secret_bytes.h"

namespace nodekeep {

// A quoted string; `raw` includes its quotes.
struct JsonStringToken {
  std::string_view raw;
  std::size_t end = 0;  // position after the string
  bool has_escape = false;
  bool is_closed = false;  // otherwise `raw` is the rest of the text

  // Between the quotes. Precondition: is_closed.
  std::string_view content() const { return raw.substr(1, raw.size() - 2); }
};
// Precondition: text[at] is the opening quote.
JsonStringToken ScanJsonString(std::string_view text, std::size_t at);

// An object, an array or a parenthesis; to the end of the text if it is not closed.
struct JsonNestedToken {
  std::string_view raw;
  // Position after it; past the end of the text if that is inside of a string.
  std::size_t end = 0;
};
// Precondition: text[at] is the opening bracket. The kind of a closing bracket is not compared with
// that of the opening one.
JsonNestedToken ScanNested(std::string_view text, std::size_t at);
// The raw text of the same, or of a string if the text begins with a quote.
std::string_view ScanNestedOrString(std::string_view text);

// From `at` to white space, a comma, or a closing bracket.
std::string_view ScanNumber(std::string_view text, std::size_t at);
// The lower-case letters after `at`, and the character at `at`.
std::string_view ScanLiteral(std::string_view text, std::size_t at);

// Whether a value that begins with text[at] is a number: digits, signs, and the first letters of
// inf, Inf, NaN and nan (but not of null).
bool BeginsNumber(std::string_view text, std::size_t at);

// Without the bytes up to U+0020 at both ends: what gjson takes for white space.
std::string_view TrimmedOfControls(std::string_view text);

// strings.TrimSpace, for the white space of ASCII.
std::string_view TrimmedOfSpace(std::string_view text);

// strconv.ParseFloat; 0 if the text is not a number.
double LenientNumber(std::string_view text);

// Appends the text that a string's content represents. Ends at a control character and at an escape
// sequence that JSON does not know; surrogates without a pair become U+FFFD.
void AppendUnescaped(std::string_view content, SecretBytes& out);

// RFC 8259, any nesting. Strings may contain invalid UTF-8.
bool IsValidJson(std::string_view text);

}  // namespace nodekeep
