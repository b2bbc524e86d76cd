#include "agent/app/version.h"

namespace nodekeep {

std::string_view Version() { return NODEKEEP_VERSION; }

}  // namespace nodekeep
