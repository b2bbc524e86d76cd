#include "agent/app/shares.h"

namespace nodekeep {

Shares::Shares(const Config&, const RefusalReporter&) {}

}  // namespace nodekeep
