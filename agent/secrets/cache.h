#pragma once

// The secrets of this node, encrypted, in an LRU cache limited in bytes, which the namespaces share
// (fair_table.h): one that fills it displaces its own entries only.
//
// Every key contains the scope of the login that fetched the entry, so that only identities that
// may share that login can find the entry. Entries are sealed at rest (Sealer); Find opens one.
// Ages are compared with the caller's policy at look-up. An authoritative denial or "not found"
// replaces the value by a short-lived negative entry.
//
// A minted answer (a lease, a certificate) has its own lifetime instead of the policy's ages. It is
// not re-issued before two thirds of that lifetime, not even by a refresh; if its lease is renewed
// (by LeaseKeeper, at two thirds), not before nine tenths.
//
// Thread-safe. No callbacks and no cryptography under the lock.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/fair_table.h"
#include "agent/base/mutex.h"
#include "agent/secrets/fetch_metrics.h"
#include "agent/secrets/policy.h"
#include "agent/secrets/provider.h"
#include "agent/secrets/sealer.h"
#include "agent/secrets/secret_ref.h"

namespace nodekeep {

struct EntryKey {
  std::string scope;
  SecretRef ref;

  auto operator<=>(const EntryKey&) const = default;
};

// Bytes of its texts.
std::size_t SizeOf(const EntryKey& key);

struct CacheHit {
  std::shared_ptr<const SecretBytes> value;
  std::string version;  // the backend's
  std::string lease;    // id of its lease, "" = none
  Duration age = Duration::zero();
  bool fresh = false;      // younger than the soft age and the caller's max_age: no call needed
  bool permanent = false;  // can never change: no call needed while the login is alive
  // Younger than the soft or the hard age: may be served while the backend is down.
  bool usable = false;
};

// A line of `nodekeep cache list`.
struct EntryInfo {
  EntryKey key;
  std::string version;
  std::size_t bytes = 0;
  Duration age = Duration::zero();
  bool minted = false;
  bool expired = false;              // to be read again at the next use
  std::optional<ErrorCode> failure;  // a negative entry
};

class Cache {
 public:
  Cache(std::size_t max_bytes, Sealer& sealer, const Clock& clock, FetchMetrics& metrics);

  // nullopt: not cached. An Error: a negative entry that applies to every login or to `login`. A
  // value that is not minted is fresh, and "not found" is returned, up to `max_age` only.
  std::optional<Result<CacheHit>> Find(const EntryKey& key, const Policy& policy,
                                       std::uint64_t login = 0, Duration max_age = kLongestAge);
  // The version to which the backend may answer `unchanged`; "" if there is none. Does not open the
  // entry.
  std::string KnownVersion(const EntryKey& key) const;

  // Stores an answer that is not `unchanged`. Entries larger than max_bytes are not stored.
  // `namespace_name`: whose share of the cache the entry uses; "" = the node's.
  void Store(const EntryKey& key, const Answer& answer, const std::string& namespace_name = "");
  // The backend confirmed `version` as current: the entry's age restarts. False if that version is
  // no longer cached.
  bool Confirm(const EntryKey& key, const std::string& version);
  // With a `login` (Session::login), the entry applies to that login only; a new one reads again.
  void StoreFailure(const EntryKey& key, const Error& error, Duration remember_for,
                    std::uint64_t login = 0, const std::string& namespace_name = "");

  void Evict(const EntryKey& key);
  void EvictScope(const std::string& scope);
  // The next use reads from the backend; the value is kept for when the backend is down. Removes a
  // negative entry. No effect on minted answers.
  void Expire(const EntryKey& key);
  // Returns the number of entries removed.
  std::size_t Flush();

  // For LeaseKeeper. No effect if the entry's answer no longer belongs to `lease`.
  // The lease was renewed: the entry's age restarts with `lifetime`.
  void ExtendLease(const EntryKey& key, const std::string& lease, Duration lifetime);
  // The lease cannot be extended any more: the next use obtains a new one.
  void ExpireLease(const EntryKey& key, const std::string& lease);
  // The lease has ended: its answer is no longer valid.
  void EvictLease(const EntryKey& key, const std::string& lease);

  std::vector<EntryInfo> List() const;
  std::size_t bytes() const;
  std::size_t max_bytes() const;
  void SetMaxBytes(std::size_t max_bytes);

  // Re-seals all entries under a new key.
  void RotateKey();

 private:
  struct Entry {
    SealedBytes sealed;
    std::string version;
    std::string lease;
    SteadyTime stored;
    Duration lifetime = Duration::zero();
    bool kept_alive = false;  // its lease is renewable
    bool immutable = false;
    bool expired = false;
    std::optional<Error> failure;
    SteadyTime failure_until;
    std::uint64_t failed_login = 0;
  };
  using Entries = FairTable<EntryKey, Entry>;

  CacheHit HitOf(const Entry& entry, const Policy& policy, Duration max_age) const
      NODEKEEP_REQUIRES(mutex_);
  Entry* FindLease(const EntryKey& key, const std::string& lease) NODEKEEP_REQUIRES(mutex_);
  void Insert(const std::string& namespace_name, const EntryKey& key, Entry entry)
      NODEKEEP_REQUIRES(mutex_);
  void Erase(const EntryKey& key) NODEKEEP_REQUIRES(mutex_);
  void CountEntries() NODEKEEP_REQUIRES(mutex_);

  // Evicts an entry that does not open. False if it has been re-sealed meanwhile and was kept.
  bool EvictUnreadable(const EntryKey& key, const SealedBytes& sealed);
  void Reseal(const EntryKey& key);

  Sealer& sealer_;
  const Clock& clock_;
  FetchMetrics& metrics_;
  Mutex rotating_;  // one rotation at a time; taken before mutex_

  mutable Mutex mutex_;
  Entries entries_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep
