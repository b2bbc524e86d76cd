#pragma once

// The road of a mount, from the driver's request to the complete content of the volume.
//
// One for all provider sockets and the driver door. Thread-safe; blocks the caller under its context.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/metrics.h"
#include "agent/identity/mount_plan.h"
#include "agent/secrets/fetcher.h"
#include "agent/secrets/mount_ledger.h"

namespace nodekeep {

class MountRoad {
 public:
  static constexpr std::size_t kMaxInline = 64;

  // The provider of a name as configured now; null when it is not enabled.
  using ProviderLookup = std::function<std::shared_ptr<Provider>(const std::string& name)>;

  MountRoad(ProviderLookup providers, Fetcher& fetcher, MountLedger& ledger, TokenSource* tokens,
            std::string node, const Clock& clock, Logger& log, Metrics& metrics);

  struct Request {
    std::string provider;
    std::string_view attributes;  // texts as the driver sends them
    std::string_view secrets;
    std::string permission;
    std::string target_path;
  };

  // Writes the one log line of the mount, its metrics and its ledger record, whatever the outcome.
  Result<Bundle> Mount(const Context& context, const Request& request);
  // The same for a request that has been read: the driver door's. `values.node` is filled in.
  Result<Bundle> Mount(const Context& context, const std::string& provider,
                       MountRequestValues values);
  // The same for a request seen before whose secrets are all in memory and fresh; else nothing, and
  // nothing has been done or written. Never waits, and is small: at most kMaxInline objects.
  std::optional<Result<Bundle>> MountFromMemory(const Request& request);

  // Whether the provider of that name is enabled.
  bool Serves(const std::string& provider) const { return providers_(provider) != nullptr; }

 private:
  Result<Bundle> Run(const Context& context, const std::string& provider,
                     Result<MountRequestValues> values);
  void Account(const std::string& provider, const FetchPlan* plan, const Result<Bundle>& outcome,
               SteadyTime::duration took);

  const ProviderLookup providers_;
  Fetcher& fetcher_;
  MountLedger& ledger_;
  TokenSource* const tokens_;
  const std::string node_;
  const Clock& clock_;
  Logger& log_;
  Metrics& metrics_;
  ParseMemo parsed_;
};

}  // namespace nodekeep
