#include "agent/app/shares.h"

namespace nodekeep {

Shares::Shares(const Config&, const RefusalReporter& on_refusal)
    : class_watches(
          {.name = "class_watches", .capacity = kClassWatches, .on_refusal = on_refusal}) {}

}  // namespace nodekeep
