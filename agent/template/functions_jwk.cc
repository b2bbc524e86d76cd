#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> JwkFunctions() { return {}; }

}  // namespace nodekeep::go
