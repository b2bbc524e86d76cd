#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> PemFunctions() { return {}; }

}  // namespace nodekeep::go
