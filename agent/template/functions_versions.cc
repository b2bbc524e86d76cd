#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> VersionFunctions() { return {}; }

std::span<const Method> VersionMethods() { return {}; }

std::optional<std::string> VersionText(const Value&) { return std::nullopt; }

}  // namespace nodekeep::go
