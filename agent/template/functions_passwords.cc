#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> PasswordFunctions() { return {}; }

}  // namespace nodekeep::go
