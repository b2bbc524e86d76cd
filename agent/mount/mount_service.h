#pragma once

// Serves mount requests with the complete content of the volume.
//
// One instance serves all provider sockets and the CSI driver. Thread-safe; blocks the caller until
// its context ends at the latest.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret_bytes.h"
#include "agent/mount/assemble.h"
#include "agent/mount/mount_ledger.h"
#include "agent/mount/mount_metrics.h"
#include "agent/mount/mount_plan.h"
#include "agent/secrets/bundle.h"
#include "agent/secrets/fetcher.h"

namespace nodekeep {

class MountService {
 public:
  // The maximum number of objects that MountFromMemory serves, to bound its duration.
  static constexpr std::size_t kMaxFromMemory = 64;

  struct Options {
    SecretBytes version_key;        // see AssembleBundle
    TokenSource* tokens = nullptr;  // null without an API server; must outlive this object
    std::size_t max_bundle_bytes = SIZE_MAX;  // of the files of one mount
  };
  // All must outlive this object.
  struct Dependencies {
    // Returns the provider of that name as currently configured; null if it is not enabled.
    std::function<std::shared_ptr<const Provider>(const std::string& name)> providers;
    Fetcher& fetcher;
    MountLedger& ledger;
    const Clock& clock;
    Logger& log;
    MountMetrics& metrics;
    SharedResource& class_bytes;   // see ParseMemo
    SharedResource& answer_bytes;  // see AssembleBundle
  };

  MountService(Options options, Dependencies dependencies);

  // Writes the log line of the mount, its metrics and its ledger record, whatever the outcome. The
  // line has level debug if the volume was given the same before, warn for last good values and
  // failures, else info. `request` is an error if it could not be parsed. `warnings`, if given, is
  // set to those of the class (SpcWarnings), also if the mount fails after it was parsed.
  Result<Bundle> Mount(const Context& context, const std::string& provider,
                       Result<MountRequest> request, SpcWarnings* warnings = nullptr);
  // As Mount, for a class mounted before whose secrets are all in memory and fresh. Otherwise
  // nullopt: nothing was logged, counted or recorded, and `request` is unchanged. Never waits.
  std::optional<Result<Bundle>> MountFromMemory(MountRequest& request);

  // Whether a mount of the request's volume has succeeded before, as far as it is recorded.
  bool HasServed(const MountRequest& request) const {
    return dependencies_.ledger.HasServed(request);
  }

  // Whether the provider of that name is enabled.
  bool Serves(const std::string& provider) const {
    return dependencies_.providers(provider) != nullptr;
  }

 private:
  BundleLimits Limits() const;
  void Account(const std::string& provider, const MountPlan* plan, const Result<Bundle>& outcome,
               SteadyTime::duration took);

  const Options options_;
  const Dependencies dependencies_;
  ParseMemo parsed_;
};

}  // namespace nodekeep
