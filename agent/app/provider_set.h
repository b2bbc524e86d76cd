#pragma once

// The currently configured providers. A reload replaces those whose own settings have changed, all
// at once; mounts in progress keep theirs. The others are kept, because a provider may have state
// that cannot be restored: the newest token of a rotated identity, or the number of refused logins.
//
// Thread-safe.

#include <map>
#include <memory>
#include <string>

#include "agent/app/config.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/base/thread_guard.h"
#include "providers/registry.h"

namespace nodekeep {

class ProviderSet {
 public:
  // `version_key` keys the hashes that serve as object versions. `on_exception`: for threads of
  // providers.
  ProviderSet(HttpClient& http, const Clock& clock, Logger& log, const SecretBytes& version_key,
              ExceptionReporter on_exception = {}, ProviderShares shares = {});

  // Creates every enabled provider that is new or whose settings or policy differ from those of the
  // current one. On an error all current providers are kept.
  Status Configure(const Config& config, std::span<const ProviderEntry> registry);

  // Null if it is not enabled.
  std::shared_ptr<const Provider> Find(const std::string& name) const;

 private:
  struct Made {
    ProviderConfig config;  // all it was made from except the environment, which does not change
    std::shared_ptr<const Provider> provider;
  };

  HttpClient& http_;
  const Clock& clock_;
  Logger& log_;
  const SecretBytes& version_key_;
  const ExceptionReporter on_exception_;
  const ProviderShares shares_;

  mutable Mutex mutex_;
  std::map<std::string, Made> providers_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep
