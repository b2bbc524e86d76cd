#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> DateFunctions() { return {}; }

std::span<const Method> TimeMethods() { return {}; }

std::optional<std::string> TimeText(const Value&) { return std::nullopt; }

}  // namespace nodekeep::go
