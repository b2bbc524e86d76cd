#pragma once

// JSON, parsed without loss and written as Go writes it.
//
// A number keeps its text (1.50, 123456789012345678901234567890): integers that fit into 64 bits
// are stored as such, all others as a string tagged as a number. Consequences:
// - Json::is_string() is true for some numbers: use IsText.
// - operator== compares numbers as float64: compare the GoJson texts.
// Object keys are sorted bytewise; of duplicate keys the last wins.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <jsoncons/json.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

using Json = jsoncons::json;

// Maximum nesting of arrays and objects.
inline constexpr int kMaxJsonDepth = 64;

// How many values a text of that many bytes may have, nested ones and containers counted. A value
// takes many times the memory of the two bytes it can be written with.
constexpr std::size_t MaxJsonValues(std::size_t text_bytes) { return 10'000 + text_bytes / 16; }

// Parses exactly one JSON value (RFC 8259; no comments, nothing after it). Invalid UTF-8 becomes
// U+FFFD, as in Go; a lone surrogate escape is refused. Errors are kInvalid: "unexpected end of
// JSON input" for text that is empty or truncated, else line, column and reason; never content.
// Text with more than MaxJsonValues values is refused before they are all built.
Result<Json> ParseJson(std::string_view text);

// Compact, keys sorted, strings as GoJsonString, numbers in their original text.
SecretBytes GoJson(const Json& value);

// The value at `path`, one key per level (for an array a decimal index); null if there is none.
const Json* Find(const Json& value, std::initializer_list<std::string_view> path);

// True for a JSON string, false for numbers that are stored as strings.
bool IsText(const Json& value);

// The getters below return nullopt when the value is absent (null pointer) or of another type.

// The text of a JSON string.
std::optional<std::string> TextOf(const Json* value);
inline std::optional<std::string> TextOf(const Json& value) { return TextOf(&value); }
// The text of a string, number (as in the source) or boolean.
std::optional<std::string> ScalarText(const Json* value);
inline std::optional<std::string> ScalarText(const Json& value) { return ScalarText(&value); }
// An integer in the range of int64, written without fraction or exponent.
std::optional<std::int64_t> IntOf(const Json* value);
inline std::optional<std::int64_t> IntOf(const Json& value) { return IntOf(&value); }
std::optional<bool> BoolOf(const Json* value);
inline std::optional<bool> BoolOf(const Json& value) { return BoolOf(&value); }

// Go's rules for unmarshalling into a map[string]string: the text `null` is an empty map; a null
// value is an empty string; any other value that is not a string is an error that names its key;
// empty text is the error "unexpected end of JSON input".
Result<std::map<std::string, std::string>> ParseStringMap(std::string_view text);

}  // namespace nodekeep
