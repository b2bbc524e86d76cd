#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> RegexpFunctions() { return {}; }

}  // namespace nodekeep::go
