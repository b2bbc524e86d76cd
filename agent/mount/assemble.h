#pragma once

// The content of a volume from what was read.

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/mount/mount_plan.h"
#include "agent/secrets/bundle.h"
#include "agent/secrets/fetcher.h"

namespace nodekeep {

// All files of the plan, or an error: that of the first object that could not be read or rendered,
// with the words that the dialect puts before it. Objects marked optional that do not exist are
// left out. Versions that the provider does not report are a keyed hash of the contents
// (`version_key`). The Secrets Store CSI driver refuses an answer without versions, so a volume
// without objects has one, `nodekeep/no-objects`.
Result<Bundle> AssembleBundle(const MountPlan& plan, Answers answers,
                              const SecretBytes& version_key);

}  // namespace nodekeep
