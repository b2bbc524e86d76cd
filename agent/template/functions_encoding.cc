#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> EncodingFunctions() { return {}; }

}  // namespace nodekeep::go
