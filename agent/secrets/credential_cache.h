#pragma once

// The logins of this node, and which pods may use each of them.
//
// A login is stored under its scope, a printable key that is also part of every cache key:
//
//   scope              usable by                         condition
//   LoginKeys::own     the pod that logged in            none
//                      all pods with the same            the login sends nothing of the pod
//                      credentials                       (ProviderOptions::SendsPodToken)
//   LoginKeys::shared  all pods of the same namespace    the backend's reply proves that it checked
//                      and service account, uid          the service account only
//                      included                          (Credential::sharing)
//
// One login runs per scope, however many pods wait for it. A refused login is remembered for
// Options::remember_denial, so that a pod with a wrong role does not flood the backend:
//
//   refused pods of an account   effect
//   1 or 2                       refused pod: no new login for that time; no known scope and no
//                                shared login until a login of its own succeeds. Other pods: none.
//   3 or more                    the same; and for every pod of the account: no new login for that
//                                time. The shared scope counts as refused (RefusedScopes).
//
// All tables are bounded in bytes and shared by the namespaces of the pods that logged in
// (fair_table.h): a namespace with very many logins or refusals displaces its own. What is kept of
// a pod is forgotten a day after its last request (Options::forget_unused).
//
// Thread-safe. Backend calls run on the pool and never under the lock. Sessions are destroyed
// without the lock too: one may hold the last reference to a provider from before a reload, whose
// destructor waits for its threads.

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/fair_table.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/worker_pool.h"
#include "agent/http/retry.h"
#include "agent/secrets/fetch_metrics.h"
#include "agent/secrets/read_plan.h"
#include "agent/secrets/sealer.h"
#include "agent/secrets/single_flight.h"

namespace nodekeep {

// A successful login. Immutable; a renewal creates a new session with the same scope. Contains
// nothing of the pod that logged in; its own token is stored sealed.
struct Session {
  std::string scope;
  std::uint64_t number = 0;  // increases with every login and renewal
  std::uint64_t login = 0;   // the number at login; unchanged by renewals
  SteadyTime logged_in;
  SteadyTime obtained;    // logged in or renewed
  Credential credential;  // without the token
  std::string namespace_name;  // whose share its renewal uses: that of the pod that logged in
  bool of_one_pod = false;     // no other pod can use it
  Route route;
  SealedBytes token;
  std::shared_ptr<Sealer> sealer;

  // Returns the credential with its token, for one call. Errors: kInternal.
  Result<Credential> Open() const;
};

using SessionPtr = std::shared_ptr<const Session>;

class CredentialCache {
 public:
  struct Options {
    RetryPolicy retry;
    Duration login_budget = std::chrono::seconds(30);
    Duration remember_denial = std::chrono::seconds(10);
    // How long to wait for a new login while the old one still works.
    Duration patience = std::chrono::seconds(2);
    std::size_t max_session_bytes = 32 << 20;
    std::size_t max_table_bytes = 4 << 20;  // of each other table
    // How long a proof or a refusal is remembered without a request of its pod.
    Duration forget_unused = std::chrono::hours(24);
  };

  CredentialCache(Options options, WorkerPool& pool, const Clock& clock, Rng& rng, Logger& log,
                  FetchMetrics& metrics);

  // Returns a login that `plan` may use; logs in if there is none. `logins` is incremented for each
  // login made by this call. Errors: those of Backend::Authenticate, or of `context`.
  Result<SessionPtr> Get(const Context& context, const ReadPlanPtr& plan, std::size_t& logins);

  // The scopes whose cached entries may be served to an identity with these keys, each proven by an
  // earlier login:
  //
  //   last login of the pod   known scopes
  //   succeeded               its own and its account's, as far as proven
  //   none                    its account's, if a login of the account is shared
  //   refused                 none
  std::vector<std::string> KnownScopes(const LoginKeys& keys);
  // The scopes that a refused login of this identity invalidates: the pod's own, and that of its
  // account once the account itself counts as refused.
  std::vector<std::string> RefusedScopes(const LoginKeys& keys) const;

  // Removes a login that the backend refused: the next Get logs in again.
  void Drop(const Session& session);
  // Returns the session of `renewed`; it replaces `old` unless a newer one is stored already.
  SessionPtr Replace(const Session& old, Credential renewed);
  // Removes the scopes of a refused identity: they are no longer known, their sessions are dropped.
  void Forget(const std::vector<std::string>& scopes);
  // Removes the session if it has not been used again since it was obtained. True: it was removed,
  // and the caller may revoke it.
  bool DropUnused(const Session& session);
  // Removes expired logins and denials, and what was not used for Options::forget_unused.
  void ForgetExpired();

  // The live session of a scope, or null.
  SessionPtr Find(const std::string& scope) const;
  std::vector<SessionPtr> Sessions() const;

 private:
  // The result of a login flight.
  struct Attempt {
    std::string made_by;  // LoginKeys::own of the pod that logged in; "" = no login was made
    std::optional<Error> error;
    SessionPtr session;
  };
  using AttemptPtr = std::shared_ptr<const Attempt>;

  struct Slot {
    SessionPtr session;
    SteadyTime used;
  };
  using Slots = FairTable<std::string, Slot>;
  using Times = FairTable<std::string, SteadyTime>;  // of the last use
  // Different namespaces do not wait for each other's flights, which use shares of the pool.
  struct FlightKey {
    std::string namespace_name;
    std::string scope;
    auto operator<=>(const FlightKey&) const = default;
  };

  struct Denial {
    SteadyTime until;
    std::set<std::string> pods;
    Error error;
  };

  Result<AttemptPtr> LogInOnce(const Context& context, const ReadPlanPtr& plan,
                               std::size_t& logins);
  AttemptPtr LogIn(const Context& context, const ReadPlan& plan);
  std::shared_ptr<Session> Make(const std::string& scope, Credential credential, Route route) const;
  Slots::Removed Store(const SessionPtr& session, SteadyTime used) NODEKEEP_REQUIRES(mutex_);
  SessionPtr Keep(const ReadPlan& plan, Credential credential);
  SessionPtr Use(const LoginKeys& keys);
  std::optional<Error> RememberedDenial(const LoginKeys& keys) const;
  void RememberDenial(const ReadPlan& plan, const Error& error);
  bool MayShare(const LoginKeys& keys);
  // Whether `key` is in `table`; if so, it is used now.
  bool Touch(Times& table, const std::string& key) NODEKEEP_REQUIRES(mutex_);
  // Null if the account does not count as refused.
  const Error* AccountDenial(const LoginKeys& keys) const NODEKEEP_REQUIRES(mutex_);

  const Options options_;
  const Clock& clock_;
  Rng& rng_;
  Logger& log_;
  FetchMetrics& metrics_;
  // Its key is not rotated: logins are few and are replaced long before its nonces are exhausted.
  const std::shared_ptr<Sealer> sealer_;

  mutable Mutex mutex_;
  // By scope; may contain expired sessions. Removed sessions are destroyed after unlocking.
  Slots sessions_ NODEKEEP_GUARDED_BY(mutex_);
  Times known_scopes_ NODEKEEP_GUARDED_BY(mutex_);
  // LoginKeys::shared whose latest login was not shareable.
  Times never_shared_ NODEKEEP_GUARDED_BY(mutex_);
  FairTable<std::string, Denial> denials_ NODEKEEP_GUARDED_BY(mutex_);
  // LoginKeys::own of pods whose last login was refused.
  Times refused_pods_ NODEKEEP_GUARDED_BY(mutex_);
  std::uint64_t next_number_ NODEKEEP_GUARDED_BY(mutex_) = 1;

  SingleFlight<FlightKey, AttemptPtr> flights_;
};

}  // namespace nodekeep
