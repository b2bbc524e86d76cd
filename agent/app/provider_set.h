#pragma once

// The providers as configured now. A reload replaces those whose own settings have changed, all at
// once; mounts under way keep theirs. The others stay as they are, because a provider may know what
// cannot be had again: the newest token of an identity that is rotated, or how often logins were
// refused.
//
// Thread-safe.

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "agent/app/config.h"
#include "agent/base/result.h"
#include "agent/base/thread_guard.h"
#include "providers/registry.h"

namespace nodekeep {

class ProviderSet {
 public:
  // `version_key` keys the hashes by which object versions are told apart. `on_exception`: of the
  // threads of providers.
  ProviderSet(HttpClient& http, const Clock& clock, Logger& log, const SecretBytes& version_key,
              ExceptionReporter on_exception = {});

  // Makes every enabled provider anew that is new or has other settings or another policy than the
  // one there is. On an error the old ones stay, all of them.
  Status Configure(const Config& config, std::span<const ProviderEntry> registry);

  // Null when it is not enabled.
  std::shared_ptr<const Provider> Find(const std::string& name) const;

 private:
  struct Made {
    ProviderConfig config;  // all that it was made from but the environment, which stays
    std::shared_ptr<const Provider> provider;
  };

  HttpClient& http_;
  const Clock& clock_;
  Logger& log_;
  const SecretBytes& version_key_;
  const ExceptionReporter on_exception_;

  mutable std::mutex mutex_;
  std::map<std::string, Made> providers_;  // guarded by mutex_
};

}  // namespace nodekeep
