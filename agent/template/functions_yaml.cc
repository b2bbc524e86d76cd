#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> YamlFunctions() { return {}; }

}  // namespace nodekeep::go
