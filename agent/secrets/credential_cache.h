#pragma once

// The logins of this node, and who may use which.
//
// A login belongs to the pod that made it. It is shared by the pods of the same namespace and
// service account (uid included) only when the backend's own reply proved that it looked at the
// service account and no further (Credential::sharing). The printable key under which a login is
// kept is its scope, and part of every cache key.
//
// One login per scope however many pods ask; a refused login is remembered briefly, so that a pod
// with a bad role does not storm the backend. A refusal of one pod's token is not held against
// another pod of the account, until several have been refused; but the pod itself uses nothing of
// the account's until a login of its own succeeds.
//
// Thread-safe. Backend calls run on the pool, never under the lock; nor does a session's end, which
// may be that of a provider from before a reload, whose destructor waits for its threads.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/worker_pool.h"
#include "agent/http/retry.h"
#include "agent/secrets/fetch_metrics.h"
#include "agent/secrets/read_plan.h"
#include "agent/secrets/sealer.h"
#include "agent/secrets/single_flight.h"

namespace nodekeep {

// A login that has been made. Immutable; a renewal makes a new one with the same scope. Holds
// nothing of the pod that logged in, and its own token only sealed.
struct Session {
  std::string scope;
  std::uint64_t number = 0;  // grows with every login and renewal
  std::uint64_t login = 0;   // the number at login; the same through all its renewals
  SteadyTime logged_in;
  SteadyTime obtained;    // logged in or renewed
  Credential credential;  // without the token
  Route route;
  SealedBytes token;
  std::shared_ptr<Sealer> sealer;

  // The credential with its token, for one call. Errors: kInternal.
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
    std::size_t max_sessions = 4096;
  };

  CredentialCache(Options options, WorkerPool& pool, const Clock& clock, Rng& rng, Logger& log,
                  FetchMetrics& metrics);

  // A login that `plan` may use, made now if there is none. `logins` counts the logins that this
  // very call made. Errors: those of Provider::Authenticate, or of `context`.
  Result<SessionPtr> Get(const Context& context, const ReadPlanPtr& plan, std::size_t& logins);

  // The scopes under which an identity with these keys may be served cached entries, each proven by
  // an earlier login: none for a pod that has never logged in, unless its service account has and
  // its login is shared; none for a pod whose last login was refused.
  std::vector<std::string> KnownScopes(const LoginKeys& keys) const;
  // The scopes that end with this identity's refused login: the pod's own, and that of its account
  // once the account itself counts as refused.
  std::vector<std::string> RefusedScopes(const LoginKeys& keys) const;

  // The backend refused this login: the next Get makes a new one.
  void Drop(const Session& session);
  // The renewal of `old`; takes its place unless a newer login stands there.
  SessionPtr Replace(const Session& old, Credential renewed);
  // The identity itself was refused: its scopes are no longer known.
  void Forget(const std::vector<std::string>& scopes);
  // Takes the session out if nobody has asked for it since it was obtained. True: it is gone, and
  // the caller may revoke it.
  bool DropUnused(const Session& session);
  // Lets go of logins that are over and of denials that no longer count.
  void ForgetExpired();

  // The live session of a scope, or null.
  SessionPtr Find(const std::string& scope) const;
  std::vector<SessionPtr> Sessions() const;

 private:
  // What a login flight brought back, and for whom.
  struct Attempt {
    std::string made_by;  // LoginKeys::own of the pod whose token was used; "" = none was made
    std::optional<Error> error;
    SessionPtr session;
  };
  using AttemptPtr = std::shared_ptr<const Attempt>;

  struct Slot {
    SessionPtr session;
    SteadyTime used;
  };
  using Slots = std::map<std::string, Slot>;

  struct Denial {
    SteadyTime until;
    std::set<std::string> pods;
    Error error;
  };

  Result<AttemptPtr> LogInOnce(const Context& context, const ReadPlanPtr& plan,
                               std::size_t& logins);
  AttemptPtr LogIn(const Context& context, const ReadPlan& plan);
  std::shared_ptr<Session> Make(const std::string& scope, Credential credential, Route route) const;
  SessionPtr Keep(const ReadPlan& plan, Credential credential);
  SessionPtr Use(const LoginKeys& keys);
  std::optional<Error> RememberedDenial(const LoginKeys& keys) const;
  void RememberDenial(const LoginKeys& keys, const Error& error);
  bool MayShare(const LoginKeys& keys) const;
  // Called with mutex_ held; null when the account does not count as refused.
  const Error* AccountDenial(const LoginKeys& keys) const;

  const Options options_;
  const Clock& clock_;
  Rng& rng_;
  Logger& log_;
  FetchMetrics& metrics_;
  // Its key is not rotated: logins are few and replaced long before its nonces run out.
  const std::shared_ptr<Sealer> sealer_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  // By scope; may be over their time. What is taken out is destroyed after the unlock.
  Slots sessions_;
  std::map<std::string, SteadyTime> known_scopes_;  // last proven
  std::set<std::string> never_shared_;              // LoginKeys::shared that proved unshareable
  std::map<std::string, Denial> denials_;
  // LoginKeys::own of pods whose last login was refused, and when.
  std::map<std::string, SteadyTime> refused_pods_;
  std::uint64_t next_number_ = 1;

  SingleFlight<std::string, AttemptPtr> flights_;
};

}  // namespace nodekeep
