#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> UrlFunctions() { return {}; }

}  // namespace nodekeep::go
