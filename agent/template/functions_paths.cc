#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> PathFunctions() { return {}; }

}  // namespace nodekeep::go
