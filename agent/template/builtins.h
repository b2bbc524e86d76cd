#pragma once

// The functions of text/template itself. `and`, `or` and `call` are part of the executor, since
// they look at their arguments as written.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/template/call.h"
#include "agent/template/syntax.h"
#include "agent/template/value.h"

namespace nodekeep::go {

std::optional<Builtin> FindBuiltin(std::string_view name);
// In the notation of Function::parameters.
std::string_view ParametersOf(Builtin builtin);

// `arguments` fit the parameters. Errors: kInvalid with the text of Go, without "error calling
// NAME: "; kTooLarge for a limit.
Result<Value> CallBuiltin(Call& call, Builtin builtin, std::span<const Value> arguments);

// What `if` and `and` make of a value.
bool IsTrue(const Value& value);

// eq with two arguments.
Result<bool> IsEqual(Call& call, const Value& left, const Value& right);
// lt.
Result<bool> IsLess(const Value& left, const Value& right);

// The name of the type that a pointer points to; of another type its own.
std::string NameOfPointee(Type type);

}  // namespace nodekeep::go
