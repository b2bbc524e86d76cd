#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> NumberFunctions() { return {}; }

}  // namespace nodekeep::go
