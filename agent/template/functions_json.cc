#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> JsonFunctions() { return {}; }

}  // namespace nodekeep::go
