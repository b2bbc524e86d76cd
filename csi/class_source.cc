#include "csi/class_source.h"

#include <algorithm>

#include "agent/base/mutex.h"
#include "csi/secrets_store_api.h"

namespace nodekeep {

KubeClassSource::KubeClassSource(Options options, KubeClient& client, WorkerPool& pool,
                                 const Clock& clock)
    : options_(options), client_(client), clock_(clock), flights_(pool, clock, options.budget) {}

Result<ClassPtr> KubeClassSource::Get(const Context& context, const std::string& namespace_name,
                                      const std::string& name) {
  const Key key(namespace_name, name);
  ClassPtr last;
  {
    MutexLock lock(mutex_);
    auto found = seen_.find(key);
    if (found != seen_.end()) {
      if (clock_.Now() < found->second.at + options_.fresh_for) return found->second.value;
      last = found->second.value;
    }
  }
  Result<ClassPtr> answer =
      flights_
          .Do(context, {key},
              [this](const Context& own, const std::vector<Key>& keys) {
                return std::vector<Result<ClassPtr>>{Store(keys.front(), Read(own, keys.front()))};
              })
          .front();
  if (answer.ok()) return answer;
  if (last != nullptr && answer.error().IsTransient()) return last;
  return answer.error().Prepend("failed to get secretproviderclass {}/{}, error", namespace_name,
                                name);
}

Result<ClassPtr> KubeClassSource::Read(const Context& context, const Key& key) {
  Result<Json> object =
      client_.Get(context, kSecretProviderClassResource.ObjectPath(key.first, key.second));
  if (!object.ok()) return object.error();
  Result<SecretProviderClass> value = ReadSecretProviderClass(*object);
  if (!value.ok()) return value.error();
  return ClassPtr(std::make_shared<const SecretProviderClass>(*std::move(value)));
}

Result<ClassPtr> KubeClassSource::Store(const Key& key, Result<ClassPtr> answer) {
  MutexLock lock(mutex_);
  if (answer.ok()) {
    seen_[key] = {*answer, clock_.Now()};
    if (seen_.size() > options_.max_classes) {
      seen_.erase(std::min_element(seen_.begin(), seen_.end(), [](const auto& a, const auto& b) {
        return a.second.at < b.second.at;
      }));
    }
  } else if (answer.error().IsFinal()) {
    seen_.erase(key);
  }
  return answer;
}

}  // namespace nodekeep
