#pragma once

// The providers as configured now. A reload replaces them all at once; mounts under way keep theirs.
//
// Thread-safe.

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "agent/app/config.h"
#include "agent/base/result.h"
#include "providers/registry.h"

namespace nodekeep {

class ProviderSet {
 public:
  // `version_key` keys the hashes by which object versions are told apart.
  ProviderSet(HttpClient& http, const Clock& clock, Logger& log, const SecretBytes& version_key);

  // Makes every enabled provider anew. On an error the old ones stay.
  Status Configure(const Config& config, std::span<const ProviderEntry> registry);

  // Null when it is not enabled.
  std::shared_ptr<Provider> Find(const std::string& name) const;

 private:
  HttpClient& http_;
  const Clock& clock_;
  Logger& log_;
  const SecretBytes& version_key_;

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Provider>> providers_;  // guarded by mutex_
};

}  // namespace nodekeep
