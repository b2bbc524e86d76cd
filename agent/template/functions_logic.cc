#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> LogicFunctions() { return {}; }

}  // namespace nodekeep::go
