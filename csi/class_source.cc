#include "csi/class_source.h"

#include <algorithm>

#include "agent/base/mutex.h"
#include "csi/secrets_store_api.h"

namespace nodekeep {

std::size_t SizeOf(const SecretProviderClass& spc) {
  constexpr std::size_t kPerClass = 1024;
  constexpr std::size_t kPerEntry = 200;  // of a map: a node and two strings
  constexpr std::size_t kPerJsonByte = 8;
  std::size_t bytes = kPerClass + kPerJsonByte * GoJson(spc.secret_objects).size();
  for (const auto* texts : {&spc.annotations, &spc.parameters}) {
    for (const auto& [name, value] : *texts) bytes += name.size() + value.size() + kPerEntry;
  }
  return bytes;
}

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
  if (!answer.ok() && !answer.error().IsFinal()) return answer;
  const std::size_t bytes = answer.ok() ? SizeOf(**answer) : 0;
  MutexLock lock(mutex_);
  if (const auto known = seen_.find(key); known != seen_.end()) Erase(known);
  if (!answer.ok() || bytes > kMaxKeptClass) return answer;
  while (bytes_ + bytes > options_.max_bytes) EraseOne();
  seen_[key] = {*answer, clock_.Now(), bytes};
  bytes_ += bytes;
  return answer;
}

void KubeClassSource::EraseOne() {
  std::map<std::string_view, std::size_t> held;
  for (const auto& [key, seen] : seen_) held[key.first] += seen.bytes;
  const std::string_view largest =
      std::max_element(held.begin(), held.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;
      })->first;
  auto oldest = seen_.end();
  for (auto entry = seen_.begin(); entry != seen_.end(); ++entry) {
    if (entry->first.first != largest) continue;
    if (oldest == seen_.end() || entry->second.at < oldest->second.at) oldest = entry;
  }
  Erase(oldest);
}

void KubeClassSource::Erase(std::map<Key, Seen>::iterator entry) {
  bytes_ -= entry->second.bytes;
  seen_.erase(entry);
}

}  // namespace nodekeep
