#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const Function> CertificateFunctions() { return {}; }

std::span<const Method> CertificateMethods() { return {}; }

}  // namespace nodekeep::go
