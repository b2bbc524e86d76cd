#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> Pkcs12Functions() { return {}; }

}  // namespace nodekeep::go
