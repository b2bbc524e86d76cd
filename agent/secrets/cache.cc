#include "agent/secrets/cache.h"

#include <algorithm>

#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

// Index, list node and bookkeeping of one entry, besides its sealed bytes and key text.
constexpr std::size_t kEntryOverhead = 400;

// A lease that is renewed at two thirds of its lifetime must not be re-issued while that renewal is
// in progress.
Duration ReissueAge(Duration lifetime, bool kept_alive) {
  return kept_alive ? lifetime * 9 / 10 : lifetime * 2 / 3;
}

// The associated data that binds the sealed bytes to their key and version.
std::string Associated(const EntryKey& key, const std::string& version) {
  std::string text;
  for (const std::string* part : {&key.scope, &key.ref.provider, &key.ref.endpoint, &key.ref.path,
                                  &key.ref.version, &key.ref.request, &version}) {
    text += *part;
    text += '\0';
  }
  return text;
}

}  // namespace

std::size_t SizeOf(const EntryKey& key) {
  return key.scope.size() + key.ref.provider.size() + key.ref.endpoint.size() +
         key.ref.path.size() + key.ref.version.size() + key.ref.request.size();
}

Cache::Cache(std::size_t max_bytes, Sealer& sealer, const Clock& clock, FetchMetrics& metrics)
    : sealer_(sealer), clock_(clock), metrics_(metrics), entries_(max_bytes) {}

std::optional<Result<CacheHit>> Cache::Find(const EntryKey& key, const Policy& policy,
                                            std::uint64_t login, Duration max_age) {
  while (true) {
    CacheHit hit;
    SealedBytes sealed;
    {
      MutexLock lock(mutex_);
      const Entry* entry = entries_.Use(key);
      if (entry == nullptr) return std::nullopt;
      if (entry->failure) {
        if (clock_.Now() >= entry->failure_until) {
          Erase(key);
          return std::nullopt;
        }
        if (entry->failed_login != 0 && entry->failed_login != login) return std::nullopt;
        // Where it is permitted, it is an answer like a value: an object may have been created.
        if (entry->failure->code() == ErrorCode::kNotFound &&
            clock_.Now() - entry->stored >= max_age) {
          return std::nullopt;
        }
        return Result<CacheHit>(*entry->failure);
      }
      hit = HitOf(*entry, policy, max_age);
      sealed = entry->sealed;
    }
    Result<SecretBytes> plain = sealer_.Unseal(Associated(key, hit.version), sealed);
    if (plain.ok()) {
      hit.value = std::make_shared<const SecretBytes>(*std::move(plain));
      return Result<CacheHit>(std::move(hit));
    }
    // If it was re-sealed after the look-up: look again. Otherwise it can never be opened, and the
    // next use fetches it again.
    if (EvictUnreadable(key, sealed)) return std::nullopt;
  }
}

CacheHit Cache::HitOf(const Entry& entry, const Policy& policy, Duration max_age) const {
  CacheHit hit;
  hit.age = std::chrono::duration_cast<Duration>(clock_.Now() - entry.stored);
  hit.version = entry.version;
  hit.lease = entry.lease;
  if (entry.lifetime > Duration::zero()) {
    hit.fresh = !entry.expired && hit.age < ReissueAge(entry.lifetime, entry.kept_alive);
    hit.usable = hit.age < entry.lifetime;
  } else {
    const bool current = !entry.expired && hit.age < policy.refresh_after;
    hit.fresh = current && hit.age < max_age;
    hit.permanent = !entry.expired && entry.immutable;
    hit.usable = current || (policy.serve_stale_for > Duration::zero() &&
                             hit.age < std::max(policy.refresh_after, policy.serve_stale_for));
  }
  return hit;
}

bool Cache::EvictUnreadable(const EntryKey& key, const SealedBytes& sealed) {
  MutexLock lock(mutex_);
  const Entry* entry = entries_.Find(key);
  if (entry == nullptr) return true;
  if (entry->sealed.bytes != sealed.bytes) return false;
  Erase(key);
  return true;
}

std::string Cache::KnownVersion(const EntryKey& key) const {
  MutexLock lock(mutex_);
  const Entry* entry = entries_.Find(key);
  if (entry == nullptr || entry->failure) return "";
  // A minted answer is replaced, never confirmed.
  return entry->lifetime > Duration::zero() ? "" : entry->version;
}

void Cache::Store(const EntryKey& key, const Answer& answer, const std::string& namespace_name) {
  Entry entry;
  entry.version = answer.version;
  entry.stored = clock_.Now();
  entry.lifetime = answer.lifetime;
  entry.immutable = answer.immutable;
  if (answer.lease) {
    entry.lease = answer.lease->id;
    entry.kept_alive = answer.lease->renewable;
  }
  const std::string associated = Associated(key, answer.version);
  while (true) {
    entry.sealed = sealer_.Seal(associated, answer.value);
    MutexLock lock(mutex_);
    // A rotation that began meanwhile does not re-seal this entry and drops its key: seal again.
    if (entry.sealed.key_number != sealer_.key_number() && !entry.sealed.bytes.empty()) continue;
    Insert(namespace_name, key, std::move(entry));
    return;
  }
}

bool Cache::Confirm(const EntryKey& key, const std::string& version) {
  MutexLock lock(mutex_);
  Entry* entry = entries_.Find(key);
  if (entry == nullptr || entry->failure || entry->version != version ||
      entry->lifetime > Duration::zero()) {
    return false;
  }
  entry->stored = clock_.Now();
  entry->expired = false;
  return true;
}

void Cache::StoreFailure(const EntryKey& key, const Error& error, Duration remember_for,
                         std::uint64_t login, const std::string& namespace_name) {
  Entry entry;
  entry.failure = error;
  entry.stored = clock_.Now();
  entry.failure_until = entry.stored + remember_for;
  entry.failed_login = login;
  MutexLock lock(mutex_);
  Insert(namespace_name, key, std::move(entry));
}

Cache::Entry* Cache::FindLease(const EntryKey& key, const std::string& lease) {
  Entry* entry = entries_.Find(key);
  return entry != nullptr && entry->lease == lease ? entry : nullptr;
}

void Cache::ExtendLease(const EntryKey& key, const std::string& lease, Duration lifetime) {
  MutexLock lock(mutex_);
  Entry* entry = FindLease(key, lease);
  if (entry == nullptr) return;
  entry->stored = clock_.Now();
  entry->lifetime = lifetime;
}

void Cache::ExpireLease(const EntryKey& key, const std::string& lease) {
  MutexLock lock(mutex_);
  if (Entry* entry = FindLease(key, lease)) entry->expired = true;
}

void Cache::EvictLease(const EntryKey& key, const std::string& lease) {
  MutexLock lock(mutex_);
  if (FindLease(key, lease) != nullptr) Erase(key);
}

void Cache::Evict(const EntryKey& key) {
  MutexLock lock(mutex_);
  Erase(key);
}

void Cache::EvictScope(const std::string& scope) {
  MutexLock lock(mutex_);
  entries_.EraseWhile({scope, {}}, [&](const EntryKey& key) { return key.scope == scope; });
  CountEntries();
}

void Cache::Expire(const EntryKey& key) {
  MutexLock lock(mutex_);
  Entry* entry = entries_.Find(key);
  if (entry == nullptr) return;
  if (entry->failure) {
    Erase(key);
  } else if (entry->lifetime == Duration::zero()) {
    entry->expired = true;
  }
}

std::size_t Cache::Flush() {
  MutexLock lock(mutex_);
  const std::size_t count = entries_.count();
  entries_.Clear();
  CountEntries();
  return count;
}

std::vector<EntryInfo> Cache::List() const {
  MutexLock lock(mutex_);
  std::vector<EntryInfo> list;
  list.reserve(entries_.count());
  entries_.ForEach([&](const EntryKey& key, const Entry& entry, std::size_t bytes) {
    EntryInfo info;
    info.key = key;
    info.version = entry.version;
    info.bytes = bytes;
    info.age = std::chrono::duration_cast<Duration>(clock_.Now() - entry.stored);
    info.minted = entry.lifetime > Duration::zero();
    info.expired = entry.expired;
    if (entry.failure) info.failure = entry.failure->code();
    list.push_back(std::move(info));
  });
  return list;
}

std::size_t Cache::bytes() const {
  MutexLock lock(mutex_);
  return entries_.size();
}

std::size_t Cache::max_bytes() const {
  MutexLock lock(mutex_);
  return entries_.capacity();
}

void Cache::SetMaxBytes(std::size_t max_bytes) {
  MutexLock lock(mutex_);
  entries_.SetCapacity(max_bytes);
  CountEntries();
}

void Cache::RotateKey() {
  MutexLock one(rotating_);
  sealer_.Rotate();
  std::vector<EntryKey> keys;
  {
    // Entries stored after this snapshot are sealed under the new key.
    MutexLock lock(mutex_);
    entries_.ForEach([&](const EntryKey& key, const Entry& entry, std::size_t) {
      if (!entry.failure) keys.push_back(key);
    });
  }
  for (const EntryKey& key : keys) Reseal(key);
  sealer_.ForgetPrevious();
}

void Cache::Reseal(const EntryKey& key) {
  SealedBytes old;
  std::string associated;
  {
    MutexLock lock(mutex_);
    const Entry* entry = entries_.Find(key);
    if (entry == nullptr || entry->failure) return;
    old = entry->sealed;
    associated = Associated(key, entry->version);
  }
  Result<SecretBytes> plain = sealer_.Unseal(associated, old);
  if (!plain.ok()) {
    EvictUnreadable(key, old);
    return;
  }
  SealedBytes renewed = sealer_.Seal(associated, *plain);
  MutexLock lock(mutex_);
  Entry* entry = entries_.Find(key);
  // Replaced meanwhile: already sealed under the new key.
  if (entry == nullptr || entry->sealed.bytes != old.bytes) return;
  entry->sealed = std::move(renewed);
}

void Cache::Insert(const std::string& namespace_name, const EntryKey& key, Entry entry) {
  std::size_t bytes = kEntryOverhead + SizeOf(key) + entry.sealed.bytes.size() +
                      entry.version.size() + entry.lease.size();
  if (entry.failure) bytes += entry.failure->message().size();
  entries_.Put(namespace_name, key, std::move(entry), bytes);
  CountEntries();
}

void Cache::Erase(const EntryKey& key) {
  entries_.Erase(key);
  CountEntries();
}

void Cache::CountEntries() { metrics_.SetCache(entries_.count(), entries_.size()); }

}  // namespace nodekeep
