#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> ListFunctions() { return {}; }

}  // namespace nodekeep::go
