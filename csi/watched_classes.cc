#include "csi/watched_classes.h"

#include "agent/base/mutex.h"
#include "csi/secrets_store_api.h"

namespace nodekeep {

WatchedClasses::WatchedClasses(WatchLoop& loop, ClassSource& live, OnChange on_change)
    : loop_(loop), live_(live), on_change_(std::move(on_change)) {}

Result<ClassPtr> WatchedClasses::Get(const Context& context, const std::string& namespace_name,
                                     const std::string& name) {
  const Key key(namespace_name, name);
  if (const WatchPtr watch = Find(key)) {
    MutexLock lock(watch->mutex);
    // A class that was deleted between the read and the first list is never reported.
    const bool gone = !watch->reported && watch->informer != nullptr && watch->informer->synced();
    if (watch->value != nullptr && !gone) return watch->value;
    if (watch->error) {
      return watch->error->Prepend("failed to get secretproviderclass {}/{}, error", namespace_name,
                                   name);
    }
  }
  // Not watched, or created so recently that the watch has not reported it.
  Result<ClassPtr> answer = live_.Get(context, namespace_name, name);
  if (answer.ok()) Start(key, *answer);
  return answer;
}

WatchedClasses::WatchPtr WatchedClasses::Find(const Key& key) {
  MutexLock lock(mutex_);
  auto found = watches_.find(key);
  if (found == watches_.end()) return nullptr;
  found->second->unused = false;
  return found->second;
}

void WatchedClasses::Start(const Key& key, ClassPtr seen) {
  const auto watch = std::make_shared<Watch>(std::move(seen));
  {
    MutexLock lock(mutex_);
    if (!watches_.try_emplace(key, watch).second) return;
  }
  auto informer = std::make_unique<Informer>(
      loop_,
      Informer::Options{
          .selection = {.path = kSecretProviderClassResource.CollectionPath(key.first),
                        .field_selector = "metadata.name=" + key.second}},
      [this, key, raw = watch.get()](const ObjectChange& change) {
        Result<SecretProviderClass> next = change.after
                                               ? ReadSecretProviderClass(*change.after)
                                               : Result<SecretProviderClass>(SecretProviderClass());
        {
          MutexLock lock(raw->mutex);
          raw->reported = true;
          const bool same = next.ok() && change.after && raw->value != nullptr &&
                            raw->value->resource_version == next->resource_version;
          if (same) return;
          raw->value = nullptr;
          raw->error.reset();
          if (!next.ok()) {
            raw->error = next.error();
          } else if (change.after) {
            raw->value = std::make_shared<const SecretProviderClass>(*std::move(next));
          }
        }
        on_change_(key);
      });
  MutexLock lock(watch->mutex);
  watch->informer = std::move(informer);
}

void WatchedClasses::KeepOnly(const std::set<Key>& in_use) {
  std::vector<WatchPtr> ended;  // destroyed after the unlock: an informer waits for its handler
  MutexLock lock(mutex_);
  for (auto at = watches_.begin(); at != watches_.end();) {
    Watch& watch = *at->second;
    if (in_use.contains(at->first)) {
      watch.unused = false;
    } else if (!std::exchange(watch.unused, true)) {
      // It may be used by a publish in progress, whose volume is not registered yet.
    } else {
      ended.push_back(at->second);
      at = watches_.erase(at);
      continue;
    }
    ++at;
  }
}

}  // namespace nodekeep
