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
//   beyond Options::max_per_volume, or  refused, hence an error of its mount, and revoked
//   the share of its namespace
//
// Where all leases of a login end because their pods are gone, and no other pod can use the login,
// the login is revoked instead: the backend ends the leases with it.
//
//   login, when its renewal is due      action
//   owns leases                         renewed, even if the pods use a newer login
//   used again since it was obtained    renewed
//   otherwise                           revoked
//
// After a cache entry has expired, the next read obtains new credentials.
//
// Thread-safe. Owns one thread; backend calls run on the pool, with the share of the namespace
// whose mount obtained the lease or the login. What the pool refuses is tried again at a later
// tick.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/shared_resource.h"
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

// The mount that obtained a lease.
struct LeaseOrigin {
  std::string namespace_name;
  std::string volume;  // LeaseHolder::name; "" = none
};

class LeaseKeeper {
 public:
  struct Options {
    Duration tick = std::chrono::seconds(5);
    Duration grace = std::chrono::minutes(5);  // between the last use of a lease and its revocation
    Duration call_budget = std::chrono::seconds(10);
    std::size_t max_per_volume = 256;  // that its mounts obtained, and that it holds
    ExceptionReporter on_exception{};  // for the thread of this object, "leases"
  };

  // `pool`: for these calls only, so that they never wait for mounts. `leases`: how many there may
  // be; one with a long id or ref counts as several.
  LeaseKeeper(Options options, Cache& cache, CredentialCache& credentials, WorkerPool& pool,
              SharedResource& leases, const Clock& clock, Logger& log, FetchMetrics& metrics);
  ~LeaseKeeper();

  // Adds a lease that came with the answer for `key`; `session` owns it. Must be called before the
  // entry is stored. Errors, final: there are too many leases; it is revoked and must not be
  // served.
  Status Add(const EntryKey& key, const SessionPtr& session, const Lease& lease,
             const LeaseOrigin& origin);
  // Registers `holder`, which replaces its hold on other leases of the same entry. Must be called
  // before the lease's credentials are served. Errors: kNotFound: the lease has ended or is being
  // revoked, and must not be served; kPrecondition: `holder` has too many leases.
  Status Hold(const EntryKey& key, const std::string& lease, const LeaseHolder& holder);

  std::vector<LeaseInfo> List() const;

  // One round of renewals and revocations; the thread calls it every tick. Public for tests.
  void Tick();
  // Waits for the calls that Tick started. For tests and shutdown.
  void Drain();

 private:
  using IsGone = std::function<bool()>;  // LeaseHolder::gone
  // An id is the choice of a backend, so it is unique within a scope only.
  struct LeaseKey {
    std::string scope;
    std::string id;
    auto operator<=>(const LeaseKey&) const = default;
  };
  struct Held {
    EntryKey key;
    LeaseOrigin origin;
    SharedResource::Grant share;
    std::uint64_t login = 0;  // Session::login of its owner
    Lease lease;              // as granted
    SteadyTime granted_end;   // end of the granted lifetime
    SteadyTime ends;          // granted_end, or earlier with the login that owns it
    SteadyTime reissue_from = SteadyTime::max();  // when to expire its cache entry, once
    SteadyTime next_try;
    SteadyTime unheld_since;                // valid while there are no holders
    std::map<std::string, IsGone> holders;  // by name
    bool ending = false;      // to be revoked; must not be served
    bool abandoned = false;   // ending because all its holders are gone
    bool busy = false;        // a call is in progress
  };
  struct Owner {
    SessionPtr session;  // its latest renewal
    std::set<LeaseKey> leases;
    bool revoking = false;     // with all leases
    bool revoke_each = false;  // the backend does not revoke the login
  };
  struct Volume {
    std::size_t obtained = 0;
    std::size_t held = 0;
  };
  struct Renewal {
    SteadyTime next_try;
    bool busy = false;
  };
  enum class Step { kNothing, kRenew, kRevoke, kOver };

  void Run(std::stop_token stop);
  // False: the pool has refused it.
  bool Start(const std::string& namespace_name, std::function<void(const Context&)> call);
  // Starts `call` for a lease marked `busy`. The mark is cleared when the call ends or throws, or
  // the pool refuses it.
  using LeaseCall = void (LeaseKeeper::*)(const Context&, const LeaseKey& lease);
  void StartFor(const std::string& namespace_name, const LeaseKey& lease, LeaseCall call);
  // Clears `busy`, for a call that was not started.
  void TryLater(const LeaseKey& lease);
  // For a lease that was never added.
  void RevokeRefused(const SessionPtr& session, const Lease& lease, const LeaseOrigin& origin);

  void DropGoneHolders();
  // Marks logins to be revoked with all their leases, and those leases as `busy`.
  std::vector<SessionPtr> AbandonedLogins() NODEKEEP_REQUIRES(mutex_);
  void RevokeAbandoned(const SessionPtr& session);
  void RevokeWithLeases(const Context& context, const SessionPtr& session);
  // After a revocation with all leases: removes them, or leaves them to another try.
  void EndRevocation(std::uint64_t login, const Status& revoked);
  void RenewLeases();
  void RenewLease(const Context& context, const LeaseKey& lease);
  void Renewed(const LeaseKey& lease, const Session& session, const Lease& granted);
  void RevokeLease(const Context& context, const LeaseKey& lease);
  void RenewLogins();
  // Renews a login that is due, or revokes it if it is not used any more.
  void KeepLogin(const Context& context, const SessionPtr& session);
  void RenewLogin(const Context& context, const SessionPtr& session);
  void PutOffEnds(const SessionPtr& renewed);
  Status RevokeLogin(const Context& context, const SessionPtr& session);

  bool Replaces(const EntryKey& key, const std::string& volume) const NODEKEEP_REQUIRES(mutex_);
  Step NextStep(const Held& held, SteadyTime now) const NODEKEEP_REQUIRES(mutex_);
  void Remove(const LeaseKey& lease) NODEKEEP_REQUIRES(mutex_);
  void EraseHolder(Held& held, const std::string& holder) NODEKEEP_REQUIRES(mutex_);
  void ForgetIfUnused(const std::string& volume) NODEKEEP_REQUIRES(mutex_);
  std::map<std::uint64_t, SessionPtr> Logins() const NODEKEEP_REQUIRES(mutex_);

  const Options options_;
  Cache& cache_;
  CredentialCache& credentials_;
  WorkerPool& pool_;
  SharedResource& shares_;
  const Clock& clock_;
  Logger& log_;
  FetchMetrics& metrics_;
  std::stop_source stop_;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::map<LeaseKey, Held> leases_ NODEKEEP_GUARDED_BY(mutex_);
  std::map<std::string, Volume> volumes_ NODEKEEP_GUARDED_BY(mutex_);  // by LeaseHolder::name
  // Lease ids, newest last.
  std::map<EntryKey, std::vector<std::string>> of_entry_ NODEKEEP_GUARDED_BY(mutex_);
  std::map<std::uint64_t, Owner> owners_ NODEKEEP_GUARDED_BY(mutex_);      // logins that own leases
  std::map<std::uint64_t, Renewal> renewals_ NODEKEEP_GUARDED_BY(mutex_);  // by login
  std::size_t calls_ NODEKEEP_GUARDED_BY(mutex_) = 0;

  std::jthread thread_;  // last: stopped first
};

}  // namespace nodekeep
