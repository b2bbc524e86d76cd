#pragma once

// Mounts: from a request to the complete content of the volume.
//
// One for all provider sockets and the CSI driver. Thread-safe; blocks the caller under its
// context.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret_bytes.h"
#include "agent/mount/mount_ledger.h"
#include "agent/mount/mount_metrics.h"
#include "agent/mount/mount_plan.h"
#include "agent/secrets/bundle.h"
#include "agent/secrets/fetcher.h"

namespace nodekeep {

class MountService {
 public:
  // Objects that MountFromMemory serves at most, so that it stays short.
  static constexpr std::size_t kMaxFromMemory = 64;

  struct Options {
    SecretBytes version_key;        // of AssembleBundle
    TokenSource* tokens = nullptr;  // null without an API server; outlives this object
  };
  // All outlive this object.
  struct Dependencies {
    // The provider of a name as configured now; null when it is not enabled.
    std::function<std::shared_ptr<const Provider>(const std::string& name)> providers;
    Fetcher& fetcher;
    MountLedger& ledger;
    const Clock& clock;
    Logger& log;
    MountMetrics& metrics;
  };

  MountService(Options options, Dependencies dependencies);

  // Writes the one log line of the mount, its metrics and its ledger record, whatever the outcome.
  // An error among `request` is that of a request that could not be read.
  Result<Bundle> Mount(const Context& context, const std::string& provider,
                       Result<MountRequest> request);
  // The same for a class mounted before whose secrets are all in memory and fresh. Else nothing:
  // nothing has been done or written, and `request` is as before. Never waits.
  std::optional<Result<Bundle>> MountFromMemory(MountRequest& request);

  // Whether the provider of that name is enabled.
  bool Serves(const std::string& provider) const {
    return dependencies_.providers(provider) != nullptr;
  }

 private:
  void Account(const std::string& provider, const MountPlan* plan, const Result<Bundle>& outcome,
               SteadyTime::duration took);

  const Options options_;
  const Dependencies dependencies_;
  ParseMemo parsed_;
};

}  // namespace nodekeep
