#pragma once

// Reads the refs of a plan. The only place for policy: which login is used, which entry is fresh
// enough, when the backend is read and retried, when the last good value is served instead.
//
// Callers that may share a result share one backend call: entries per (scope, ref), logins per
// scope.
//
//   backend read or login              result
//   success                            the value; it is cached. It is served without a read up to
//                                      refresh_after, to a pod that starts up to ReadPlan::max_age
//   transient error                    the last good value up to its hard age, if this identity was
//                                      served before, and the report says so; else the error
//   denied, cached login               one more read with a new login, unless a denial of this ref
//                                      was confirmed recently (Options::confirm_denial)
//   a lease beyond the bounds          the error (LeaseKeeper)
//   denied, new login; "not found"     the error, remembered in place of the cached value; no stale
//                                      value
//   login refused                      the error; all entries of the refused scopes are evicted
//
// Independent of volumes and files: agent/mount assembles them from the answers.
//
// Thread-safe. Blocks the caller until its context ends at the latest.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/fair_table.h"
#include "agent/base/mutex.h"
#include "agent/base/worker_pool.h"
#include "agent/http/retry.h"
#include "agent/secrets/cache.h"
#include "agent/secrets/credential_cache.h"
#include "agent/secrets/fetch_metrics.h"
#include "agent/secrets/lease_keeper.h"
#include "agent/secrets/read_plan.h"
#include "agent/secrets/read_report.h"
#include "agent/secrets/single_flight.h"

namespace nodekeep {

// What `nodekeep refresh` did.
struct RefreshReport {
  std::size_t matched = 0;  // minted entries among them
  std::size_t asked = 0;    // read from the backend now
  std::size_t changed = 0;
  std::size_t deferred = 0;  // no live login: read at the next mount
  std::vector<std::string> errors;
};

using SharedSecret = std::shared_ptr<const SecretBytes>;

struct Answers {
  // One per read of the plan, in its order. Null: the backend reports that the ref does not exist,
  // and the read is not required. If the login or a required read fails, the reads skipped because
  // of that have the same error.
  std::vector<Result<SharedSecret>> values;
  ReadReport report;
};

class Fetcher {
 public:
  struct Options {
    RetryPolicy retry;
    // Time limit for one backend call, retries included. A ref with a Retry-After beyond the limit
    // is not retried; this does not affect the other refs of the call.
    Duration fetch_budget = std::chrono::seconds(30);
    // How long a mount waits for a slow backend when it can serve last good values instead.
    Duration stale_patience = std::chrono::seconds(2);
    // The same, at least, where a starting pod could get a value below its refresh age: a backend
    // that works may need some seconds for all that the pods of a node read together.
    Duration start_patience = std::chrono::seconds(10);
    // A denial confirmed with a new login is final for this time, doubled by each confirmation, at
    // most confirm_denial_longest: a path that stays denied must not cost a login per request.
    Duration confirm_denial = std::chrono::minutes(1);
    Duration confirm_denial_longest = std::chrono::minutes(10);
  };

  Fetcher(Options options, Cache& cache, CredentialCache& credentials, LeaseKeeper& leases,
          WorkerPool& pool, const Clock& clock, Rng& rng, FetchMetrics& metrics);

  Answers Read(const Context& context, const ReadPlanPtr& plan);
  // As Read if everything is in memory and fresh; otherwise nullopt, without a login or a backend
  // call. Never waits, so it may be called where blocking is not allowed.
  std::optional<Answers> ReadFromMemory(const ReadPlanPtr& plan);

  // Reads the entries that `matches` selects from the backend again, except minted ones.
  RefreshReport Refresh(const Context& context,
                        const std::function<bool(const EntryKey&)>& matches);

 private:
  struct Round;
  struct Served {
    SharedSecret value;
    std::string lease;  // id, "" = none
  };
  // Different namespaces do not wait for each other's flights, which use shares of the pool.
  struct FlightKey {
    std::string namespace_name;
    EntryKey entry;
    std::uint64_t login = 0;  // so that a new login does not join the calls of a refused one
    auto operator<=>(const FlightKey&) const = default;
  };
  // The context of one backend call: the login, the route, and when the request began.
  struct Ask {
    SessionPtr session;
    Route route;
    SteadyTime begun;
    std::string volume;  // name of the lease holder
    // The oldest answer that is accepted. A call that is in progress for longer is not joined.
    Duration max_age = kLongestAge;

    bool fresh_login() const { return session->logged_in >= begun; }
  };

  // A denial received with a new login.
  struct ConfirmedDenial {
    Duration wait = Duration::zero();
    SteadyTime until;
  };

  // The steps of Read; each records its results in `round`.
  Round Begin(const ReadPlanPtr& plan) const;
  bool FindInMemory(Round& round);
  void CountHits(const Round& round);
  Status AskBackend(const Context& context, Round& round, const SessionPtr& session);
  Status HoldLease(const EntryKey& key, const std::string& lease, const ReadPlan& plan);
  bool ShouldReauthenticate(Round& round, const Session& session);
  Status AskWithNewLogin(const Context& context, Round& round, const SessionPtr& denied);
  Answers LoginFailed(Round& round, const Error& why);
  void ForgetIdentity(const ReadPlan& plan);
  Answers ServeStaleOr(Round& round, const Error& why);
  static Answers Finish(Round& round, const std::optional<Error>& why);

  void LookUp(Round& round, const std::string& scope);
  bool CanServeStale(const Round& round) const;
  // How long a read waits for the backend if it can serve last good values instead.
  Duration PatienceFor(const ReadPlan& plan) const;
  std::vector<Result<Served>> FetchOnce(const Context& context, const Ask& ask,
                                        const std::vector<SecretRef>& refs, std::size_t& reads);
  std::vector<Result<Served>> CallBackend(const Context& context, const Ask& ask,
                                          const std::vector<FlightKey>& keys, std::size_t& reads);
  Result<Served> Keep(const Ask& ask, const std::string& namespace_name, const Question& question,
                      Result<Answer> answer);
  void RememberDenial(const EntryKey& key, const std::string& namespace_name);
  void ForgetDenial(const EntryKey& key);
  std::string Fingerprint(const EntryKey& key);

  const Options options_;
  Cache& cache_;
  CredentialCache& credentials_;
  LeaseKeeper& leases_;
  const Clock& clock_;
  Rng& rng_;
  FetchMetrics& metrics_;
  const SecretBytes fingerprint_key_;

  Mutex mutex_;
  FairTable<EntryKey, ConfirmedDenial> denials_ NODEKEEP_GUARDED_BY(mutex_);  // bounded in bytes

  SteadyTime next_sweep_ NODEKEEP_GUARDED_BY(mutex_);  // of denials_

  SingleFlight<FlightKey, Served> flights_;
};

}  // namespace nodekeep
