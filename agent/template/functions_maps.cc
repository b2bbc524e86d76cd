#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> MapFunctions() { return {}; }

}  // namespace nodekeep::go
