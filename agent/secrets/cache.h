#pragma once

// The secrets of this node, sealed: a byte-bounded LRU.
//
// Every key holds the scope of the login that fetched the entry, so that an entry can only be found
// by those who may share that login. Entries are sealed between uses (Sealer); Find opens one.
// Ages are judged at look-up with the asker's policy. An authoritative "no" is kept as a short
// negative entry in the place of the value it ended.
//
// A minted answer (a lease, a certificate) has a life of its own instead of the asker's ages and is
// never issued again before two thirds of it, whatever is refreshed; one whose lease is kept alive
// (LeaseKeeper renews at two thirds) not before nine tenths.
//
// Thread-safe. No callback and no crypto happens under the lock.

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
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

struct CacheHit {
  std::shared_ptr<const SecretBytes> value;
  std::string version;  // the backend's
  std::string lease;    // id of the lease that came with it, "" = none
  Duration age = Duration::zero();
  bool fresh = false;      // younger than the soft age: no call needed
  bool permanent = false;  // can never change: no call needed by a login that is alive
  bool usable = false;     // younger than the hard age: may stand in while the backend is down
};

// A line of `nodekeep cache list`.
struct EntryInfo {
  EntryKey key;
  std::string version;
  std::size_t bytes = 0;
  Duration age = Duration::zero();
  bool minted = false;
  bool expired = false;            // to be asked again at the next use
  std::optional<ErrorCode> failure;  // a negative entry
};

class Cache {
 public:
  Cache(std::size_t max_bytes, Sealer& sealer, const Clock& clock, FetchMetrics& metrics);

  // Null: nothing known. An Error: the remembered "no", if it is meant for everybody or for `login`.
  std::optional<Result<CacheHit>> Find(const EntryKey& key, const Policy& policy,
                                       std::uint64_t login = 0);
  // What the backend may answer `unchanged` to, without opening the entry; "" when there is none.
  std::string KnownVersion(const EntryKey& key) const;

  // Keeps the answer (not `unchanged`). Entries larger than the whole budget are not kept.
  void Store(const EntryKey& key, const Answer& answer);
  // The backend said that `version` is still current. False when we hold it no longer.
  bool Confirm(const EntryKey& key, const std::string& version);
  // With a `login` (Session::login) only that one was refused: its successor has to ask.
  void StoreFailure(const EntryKey& key, const Error& error, Duration remember_for,
                    std::uint64_t login = 0);

  void Evict(const EntryKey& key);
  void EvictScope(const std::string& scope);
  // Ask again at the next use; the value stays for a backend that is down. Ends a remembered "no".
  // Leaves minted answers alone.
  void Expire(const EntryKey& key);
  // Returns how many.
  std::size_t Flush();

  // For the keeper of `lease`; no effect once the entry holds another answer.
  // The lease was renewed: the entry's life starts anew with `lifetime`.
  void ExtendLease(const EntryKey& key, const std::string& lease, Duration lifetime);
  // The lease cannot be extended any more: a new one is asked for at the next use.
  void ExpireLease(const EntryKey& key, const std::string& lease);
  // The lease is over: its answer is worthless.
  void EvictLease(const EntryKey& key, const std::string& lease);

  std::vector<EntryInfo> List() const;
  std::size_t bytes() const;
  std::size_t max_bytes() const;
  void SetMaxBytes(std::size_t max_bytes);

  // Re-seals everything under a new key.
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
    std::size_t bytes = 0;
    std::list<const EntryKey*>::iterator place;
  };

  // Called with mutex_ held.
  CacheHit HitOf(const Entry& entry, const Policy& policy) const;
  Entry* FindLease(const EntryKey& key, const std::string& lease);
  void Insert(const EntryKey& key, Entry entry);
  void Erase(std::map<EntryKey, Entry>::iterator found);
  void Shrink();

  // Evicts an entry that does not open, unless it is sealed otherwise by now: then false.
  bool EvictUnreadable(const EntryKey& key, const SealedBytes& sealed);
  void Reseal(const EntryKey& key);

  Sealer& sealer_;
  const Clock& clock_;
  FetchMetrics& metrics_;
  std::mutex rotating_;  // one rotation at a time; taken before mutex_

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::map<EntryKey, Entry> entries_;
  std::list<const EntryKey*> least_recent_first_;  // keys of entries_
};

}  // namespace nodekeep
