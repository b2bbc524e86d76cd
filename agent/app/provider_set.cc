#include "agent/app/provider_set.h"

#include "agent/base/mutex.h"

namespace nodekeep {

ProviderSet::ProviderSet(HttpClient& http, const Clock& clock, Logger& log,
                         const SecretBytes& version_key, ExceptionReporter on_exception,
                         ProviderShares shares)
    : http_(http),
      clock_(clock),
      log_(log),
      version_key_(version_key),
      on_exception_(std::move(on_exception)),
      shares_(std::move(shares)) {}

Status ProviderSet::Configure(const Config& config, std::span<const ProviderEntry> registry) {
  MutexLock lock(mutex_);
  std::map<std::string, Made> before = providers_;
  lock.unlock();
  std::map<std::string, Made> made;
  for (const std::string& name : config.enabled_providers) {
    for (const ProviderEntry& entry : registry) {
      if (entry.name != name) continue;
      const ProviderConfig& own = config.providers.at(name);
      if (auto same = before.find(name); same != before.end() && same->second.config == own) {
        made[name] = same->second;
        continue;
      }
      ProviderServices services{http_, clock_, log_, own.policy, version_key_.Clone()};
      services.on_exception = on_exception_;
      services.shares = shares_;
      auto provider = entry.make(own.values, std::move(services));
      if (!provider.ok()) return provider.error().Prepend("provider \"{}\"", name);
      made[name] = {own, std::make_shared<const Provider>(*std::move(provider))};
    }
  }
  lock.lock();
  providers_.swap(made);
  lock.unlock();  // old providers are destroyed at the end of their last mount
  return {};
}

std::shared_ptr<const Provider> ProviderSet::Find(const std::string& name) const {
  MutexLock lock(mutex_);
  auto found = providers_.find(name);
  return found == providers_.end() ? nullptr : found->second.provider;
}

}  // namespace nodekeep
