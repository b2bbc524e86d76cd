#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> StringFunctions() { return {}; }

}  // namespace nodekeep::go
