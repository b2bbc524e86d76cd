#include "csi/watched_classes.h"

#include "agent/base/mutex.h"
#include "csi/secrets_store_api.h"

namespace nodekeep {
namespace {

ClassPtr UnlessLarge(const ClassPtr& spc) { return SizeOf(*spc) > kMaxKeptClass ? nullptr : spc; }

}  // namespace

WatchedClasses::Watch::Watch(const ClassPtr& seen, SharedResource::Grant its_grant)
    : version(seen->resource_version), value(UnlessLarge(seen)), grant(std::move(its_grant)) {}

Json WatchedClasses::Watch::Keep(const Json& object) {
  Result<SecretProviderClass> spc = ReadSecretProviderClass(object);
  if (spc.ok()) {
    parsed.emplace(std::make_shared<const SecretProviderClass>(*std::move(spc)));
  } else {
    parsed.emplace(spc.error());
  }
  Json kept;
  if (const Json* number = nodekeep::Find(object, {"metadata", "resourceVersion"})) {
    kept["version"] = *number;
  }
  return kept;
}

bool WatchedClasses::Watch::Update(bool is_gone) {
  std::optional<Result<ClassPtr>> next = std::exchange(parsed, std::nullopt);
  MutexLock lock(mutex);
  reported = true;
  const bool is_valid = !is_gone && next && next->ok();
  if (is_valid && (**next)->resource_version == version) return false;
  value = is_valid ? UnlessLarge(**next) : nullptr;
  version = is_valid ? (**next)->resource_version : "";
  error.reset();
  if (!is_gone && next && !next->ok()) error = next->error();
  return true;
}

WatchedClasses::WatchedClasses(WatchLoop& loop, ClassSource& live, SharedResource& watches,
                               OnChange on_change)
    : loop_(loop), live_(live), shares_(watches), on_change_(std::move(on_change)) {}

Result<ClassPtr> WatchedClasses::Get(const Context& context, const std::string& namespace_name,
                                     const std::string& name) {
  const Key key(namespace_name, name);
  const WatchPtr watch = Find(key);
  if (watch != nullptr) {
    MutexLock lock(watch->mutex);
    // A class that was deleted between the read and the first list is never reported.
    const bool gone = !watch->reported && watch->informer != nullptr && watch->informer->synced();
    if (watch->value != nullptr && !gone) return watch->value;
    if (watch->error) {
      return watch->error->Prepend("failed to get secretproviderclass {}/{}, error", namespace_name,
                                   name);
    }
  }
  // Not watched, too large, or created so recently that the watch has not reported it.
  Result<ClassPtr> answer = live_.Get(context, namespace_name, name);
  if (answer.ok() && watch == nullptr) Start(key, *answer);
  return answer;
}

WatchedClasses::WatchPtr WatchedClasses::Find(const Key& key) {
  MutexLock lock(mutex_);
  auto found = watches_.find(key);
  if (found == watches_.end()) return nullptr;
  found->second->unused = false;
  return found->second;
}

void WatchedClasses::Start(const Key& key, const ClassPtr& seen) {
  std::optional<SharedResource::Grant> grant = shares_.TryTake(key.first, 1);
  if (!grant) return;
  const auto watch = std::make_shared<Watch>(seen, *std::move(grant));
  {
    MutexLock lock(mutex_);
    if (!watches_.try_emplace(key, watch).second) return;
  }
  auto informer = std::make_unique<Informer>(
      loop_,
      Informer::Options{
          .selection = {.path = kSecretProviderClassResource.CollectionPath(key.first),
                        .field_selector = "metadata.name=" + key.second},
          .keep = [raw = watch.get()](const Json& object) { return raw->Keep(object); }},
      [this, key, raw = watch.get()](const ObjectChange& change) {
        if (raw->Update(change.after == nullptr)) on_change_(key);
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
