#pragma once

// A field inside a JSON value, as `nodekeep/property` of an object (SpcEntry::Property) names it:
// the same in every dialect. Pure. Errors never contain a value.

#include <span>
#include <string_view>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// The field `name` of `value`, which is an object, a list, or a text that holds one of them. `name`
// is a key, or keys joined by dots; a key that itself contains dots comes first, and elements of a
// list have their numbers. A field that is not there, or is null, is also looked for in the members
// `also_in` of the value.
//
// `what` names the value in errors: `secret "/app/db"`. Errors: kInvalid if it has no fields, or if
// `name` with its dots can be read in too many ways; kNotFound if it has no such field. A null, of
// the value itself too, is returned: see NoValue.
Result<Json> PropertyOf(const Json& value, std::string_view name, std::string_view what,
                        std::span<const std::string_view> also_in = {});

// What a file holds for a value: a text as it is, other values as compact JSON.
SecretBytes FileTextOf(const Json& value);

// The error (kNotFound) for a null where a class asks for a value: a file with the text "null"
// would look like one. It begins with "<what> is null"; `way_out` is appended, for dialects that
// can write it nevertheless.
Error NoValue(std::string_view what, std::string_view way_out = "");

}  // namespace nodekeep
