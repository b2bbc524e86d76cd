#pragma once

// Renews logins in use and leases of dynamic credentials, and revokes what is no longer used.
//
// A lease is renewed at two thirds of its life with the login that owns it; it is never issued
// again by a refresh. That login is renewed too for as long as it owns leases, even when the pods
// use a newer one. A lease that cannot be renewed lives as long as its login, at most as long as it
// was granted for. At two thirds of that, or when a lease cannot be extended any more, its cache
// entry expires, so that the next read obtains new credentials. A lease is revoked
//   - at once when its last holder is gone,
//   - after a grace period when every holder has been given a newer one, or when it never had a
//     holder (the mount that obtained it failed on another object).
// A login that has not been used since it was last obtained is revoked instead of renewed. A lease
// whose holder cannot be watched is kept until its maximum: better a lease too long than a running
// pod without credentials.
//
// Thread-safe. One thread of its own; backend calls run on the pool.

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "agent/secrets/fetch_metrics.h"
#include "agent/secrets/cache.h"
#include "agent/secrets/credential_cache.h"
#include "agent/secrets/lease_holder.h"

namespace nodekeep {

// One line of `nodekeep status`.
struct LeaseInfo {
  std::string ref;
  std::string scope;
  Duration left = Duration::zero();
  std::size_t holders = 0;
  bool retiring = false;  // replaced by a newer one, or being revoked
};

// A lease dies with the token that obtained it: `lifetime`, cut to what is left of the login.
Duration WithinLogin(Duration lifetime, const Session& session, SteadyTime now);

class LeaseKeeper {
 public:
  struct Options {
    Duration tick = std::chrono::seconds(5);
    Duration grace = std::chrono::minutes(5);  // between the last use of a lease and its revocation
    Duration call_budget = std::chrono::seconds(10);
    ExceptionReporter on_exception{};  // of the keeper's thread, "leases"
  };

  LeaseKeeper(Options options, Cache& cache, CredentialCache& credentials, WorkerPool& pool,
              const Clock& clock, Logger& log, FetchMetrics& metrics);
  ~LeaseKeeper();

  // The entry's answer came with a lease that `session` owns; called before the entry is stored.
  void Add(const EntryKey& key, const SessionPtr& session, const Lease& lease);
  // `holder` is about to be given what came with the lease, in place of an earlier lease of the
  // same entry. False: the lease is over or being revoked, and must not be served.
  bool Hold(const std::string& lease, const LeaseHolder& holder);

  std::vector<LeaseInfo> List() const;

  // One round of renewals and revocations; the thread calls it every tick. For tests.
  void Tick();
  // Waits until the calls that Tick started are over. For tests and shutdown.
  void Drain();

 private:
  using IsGone = std::function<bool()>;  // LeaseHolder::gone
  struct Held {
    EntryKey key;
    std::uint64_t login = 0;  // of its owner
    Lease lease;              // as granted
    SteadyTime granted_end;   // its own
    SteadyTime ends;          // its own, or that of the login that owns it
    SteadyTime reissue_from = SteadyTime::max();  // its entry is expired then, once
    SteadyTime next_try;
    SteadyTime unheld_since;  // counts while there are no holders
    std::map<std::string, IsGone> holders;  // by name
    bool ending = false;      // to be revoked; must not be served
    bool busy = false;        // a call is under way
  };
  struct Owner {
    SessionPtr session;  // its latest renewal
    std::set<std::string> leases;
  };
  struct Renewal {
    SteadyTime next_try;
    bool busy = false;
  };
  enum class Step { kNothing, kRenew, kRevoke, kOver };

  void Run(std::stop_token stop);
  void Start(std::function<void(const Context&)> call);
  // Starts `call` for the lease, which is marked as busy and free again when it is over.
  using LeaseCall = void (LeaseKeeper::*)(const Context&, const std::string& id);
  void StartFor(const std::string& id, LeaseCall call);
  // After an exception: another call may be made for the lease later.
  void TryLater(const std::string& id);

  void DropGoneHolders();
  void RenewLeases();
  void RenewLease(const Context& context, const std::string& id);
  void Renewed(const std::string& id, const Session& session, const Lease& granted);
  void RevokeLease(const Context& context, const std::string& id);
  void RenewLogins();
  void RenewLogin(const Context& context, const SessionPtr& session);
  void PutOffEnds(const SessionPtr& renewed);
  void RevokeLogin(const Context& context, const SessionPtr& session);

  // Called with mutex_ held.
  Step NextStep(const Held& held, SteadyTime now) const;
  void Remove(const std::string& id);
  std::map<std::uint64_t, SessionPtr> Logins() const;

  const Options options_;
  Cache& cache_;
  CredentialCache& credentials_;
  WorkerPool& pool_;
  const Clock& clock_;
  Logger& log_;
  FetchMetrics& metrics_;
  std::stop_source stop_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  std::map<std::string, Held> leases_;                       // by lease id
  std::map<EntryKey, std::vector<std::string>> of_entry_;    // lease ids, newest last
  std::map<std::uint64_t, Owner> owners_;                    // logins that own leases
  std::map<std::uint64_t, Renewal> renewals_;                // by login
  std::size_t calls_ = 0;

  std::jthread thread_;  // last: stopped first
};

}  // namespace nodekeep
