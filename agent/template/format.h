#pragma once

// Values as text, as Go's fmt prints them.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/template/call.h"
#include "agent/template/value.h"

namespace nodekeep::go {

// fmt's %v, appended: "map[a:1 b:2]", "[1 2]", "1e+06", "<nil>". Errors: kTooLarge.
Status AppendValue(Call& call, const Value& value, SecretBytes& out);

// fmt.Sprintf, with all verbs and flags. Errors: kTooLarge.
Result<SecretBytes> Sprintf(Call& call, std::string_view format, std::span<const Value> operands);

// fmt.Sprint and fmt.Sprintln. Errors: kTooLarge.
Result<SecretBytes> Sprint(Call& call, std::span<const Value> operands);
Result<SecretBytes> Sprintln(Call& call, std::span<const Value> operands);

// strconv.Quote, of any length.
SecretBytes Quote(std::string_view text);
// strconv.IsPrint.
bool IsPrintable(std::uint32_t rune);

// What a type with a String method prints: times, durations, months, weekdays, versions. nullopt
// for other types.
std::optional<std::string> StringOf(const Value& value);

}  // namespace nodekeep::go
