#pragma once

// Assembles the content of a volume from the backend's answers.

#include <cstddef>
#include <cstdint>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/base/shared_resource.h"
#include "agent/mount/mount_plan.h"
#include "agent/secrets/bundle.h"
#include "agent/secrets/fetcher.h"

namespace nodekeep {

struct BundleLimits {
  std::size_t max_bytes = SIZE_MAX;  // of all files
  // Memory for the files, from the share of the plan's namespace; null = not limited. Each byte
  // counts twice, because the reply or the volume is a copy.
  SharedResource* memory = nullptr;
};

// Returns all files of the plan, or the error of the first object that could not be read or
// rendered, with the dialect's prefix. Optional objects that do not exist are omitted and listed as
// absent. If the provider reports no version, the version is a keyed hash of the contents
// (`version_key`). The Secrets Store CSI driver refuses a response without versions, so a volume
// without objects has one, `nodekeep/no-objects`. Errors, before more is copied: kTooLarge over the
// limit, kThrottled over the share.
Result<Bundle> AssembleBundle(const MountPlan& plan, Answers answers,
                              const SecretBytes& version_key, const BundleLimits& limits = {});

}  // namespace nodekeep
