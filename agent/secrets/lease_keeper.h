#pragma once

// Renews logins in use and leases of dynamic credentials, and revokes those no longer used.
//
//   lease                               action
//   renewable                           renewed at two thirds of its lifetime, with the login that
//                                       owns it; a refresh never re-issues it
//   not renewable                       ends with its login, or earlier after its granted lifetime;
//                                       at two thirds of that its cache entry expires
//   cannot be extended any more         its cache entry expires at once
//   its last holder is gone             revoked at once
//   all holders have a newer lease      revoked after Options::grace
//   never had a holder (its mount       revoked after Options::grace
//   failed on another object)
//   a holder has no `gone` function     kept until its maximum: better a lease that lasts too long
//                                       than a running pod without credentials
//
//   login, when its renewal is due      action
//   owns leases                         renewed, even if the pods use a newer login
//   used again since it was obtained    renewed
//   otherwise                           revoked
//
// After a cache entry has expired, the next read obtains new credentials.
//
// Thread-safe. Owns one thread; backend calls run on the pool.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "agent/secrets/cache.h"
#include "agent/secrets/credential_cache.h"
#include "agent/secrets/fetch_metrics.h"
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

// A lease ends with the login that obtained it. Returns the shorter of `lifetime` and the time left
// of the login.
Duration WithinLogin(Duration lifetime, const Session& session, SteadyTime now);

class LeaseKeeper {
 public:
  struct Options {
    Duration tick = std::chrono::seconds(5);
    Duration grace = std::chrono::minutes(5);  // between the last use of a lease and its revocation
    Duration call_budget = std::chrono::seconds(10);
    ExceptionReporter on_exception{};  // for the thread of this object, "leases"
  };

  LeaseKeeper(Options options, Cache& cache, CredentialCache& credentials, WorkerPool& pool,
              const Clock& clock, Logger& log, FetchMetrics& metrics);
  ~LeaseKeeper();

  // Adds a lease that came with the answer for `key`; `session` owns it. Must be called before the
  // entry is stored.
  void Add(const EntryKey& key, const SessionPtr& session, const Lease& lease);
  // Registers `holder`, which replaces its hold on other leases of the same entry. Must be called
  // before the lease's credentials are served. False: the lease has ended or is being revoked, and
  // must not be served.
  bool Hold(const std::string& lease, const LeaseHolder& holder);

  std::vector<LeaseInfo> List() const;

  // One round of renewals and revocations; the thread calls it every tick. Public for tests.
  void Tick();
  // Waits for the calls that Tick started. For tests and shutdown.
  void Drain();

 private:
  using IsGone = std::function<bool()>;  // LeaseHolder::gone
  struct Held {
    EntryKey key;
    std::uint64_t login = 0;  // Session::login of its owner
    Lease lease;              // as granted
    SteadyTime granted_end;   // end of the granted lifetime
    SteadyTime ends;          // granted_end, or earlier with the login that owns it
    SteadyTime reissue_from = SteadyTime::max();  // when to expire its cache entry, once
    SteadyTime next_try;
    SteadyTime unheld_since;                // valid while there are no holders
    std::map<std::string, IsGone> holders;  // by name
    bool ending = false;      // to be revoked; must not be served
    bool busy = false;        // a call is in progress
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
  // Starts `call` for a lease marked `busy`. The mark is cleared when the call ends or throws.
  using LeaseCall = void (LeaseKeeper::*)(const Context&, const std::string& id);
  void StartFor(const std::string& id, LeaseCall call);
  // After an exception: clears `busy` and schedules the next try.
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

  Step NextStep(const Held& held, SteadyTime now) const NODEKEEP_REQUIRES(mutex_);
  void Remove(const std::string& id) NODEKEEP_REQUIRES(mutex_);
  std::map<std::uint64_t, SessionPtr> Logins() const NODEKEEP_REQUIRES(mutex_);

  const Options options_;
  Cache& cache_;
  CredentialCache& credentials_;
  WorkerPool& pool_;
  const Clock& clock_;
  Logger& log_;
  FetchMetrics& metrics_;
  std::stop_source stop_;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, Held> leases_ NODEKEEP_GUARDED_BY(mutex_);  // by lease id
  // Lease ids, newest last.
  std::map<EntryKey, std::vector<std::string>> of_entry_ NODEKEEP_GUARDED_BY(mutex_);
  std::map<std::uint64_t, Owner> owners_ NODEKEEP_GUARDED_BY(mutex_);      // logins that own leases
  std::map<std::uint64_t, Renewal> renewals_ NODEKEEP_GUARDED_BY(mutex_);  // by login
  std::size_t calls_ NODEKEEP_GUARDED_BY(mutex_) = 0;

  std::jthread thread_;  // last: stopped first
};

}  // namespace nodekeep
