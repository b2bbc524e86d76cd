#pragma once

// From a plan to the complete content of a volume. The only place for policy: who shares, what is
// fresh enough, when to ask, when to ask again, when the last good value may stand in.
//
// All or nothing per bundle, objects marked optional excepted. Whatever may be shared is asked of
// the backend once: entries per (scope, ref), logins per scope. While the backend is down, an
// identity that was served before gets its last good values until their hard age, and the bundle
// says so; an authoritative "no" (denied, not found) ends the entry and is never papered over.
//
// Thread-safe. Blocks the caller under its context.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/metrics.h"
#include "agent/base/worker_pool.h"
#include "agent/http/retry.h"
#include "agent/secrets/bundle.h"
#include "agent/secrets/cache.h"
#include "agent/secrets/credential_cache.h"
#include "agent/secrets/fetch_plan.h"
#include "agent/secrets/lease_keeper.h"
#include "agent/secrets/single_flight.h"

namespace nodekeep {

// What `nodekeep refresh` did.
struct RefreshReport {
  std::size_t matched = 0;  // minted entries among them
  std::size_t asked = 0;    // asked of the backend now
  std::size_t changed = 0;
  std::size_t deferred = 0;  // no live login: asked at the next mount
  std::vector<std::string> errors;
};

class Fetcher {
 public:
  struct Options {
    RetryPolicy retry;
    // How long one call to a backend may take, retries included. A ref whose Retry-After does not
    // fit into what is left of it is not asked for again, whatever becomes of the others.
    Duration fetch_budget = std::chrono::seconds(30);
    // How long a mount waits for a slow backend when last good values could stand in.
    Duration stale_patience = std::chrono::seconds(2);
    // A refusal that a new login did not change is not questioned by another login for so long,
    // doubling up to the longest: a path that stays denied must not cost a login per mount.
    Duration believe_refusal = std::chrono::minutes(1);
    Duration believe_refusal_longest = std::chrono::minutes(10);
    // Keys the HMAC that makes object versions opaque.
    SecretBytes version_key;
  };

  Fetcher(Options options, Cache& cache, CredentialCache& credentials, LeaseKeeper& leases,
          WorkerPool& pool, const Clock& clock, Rng& rng, Logger& log, Metrics& metrics);

  Result<Bundle> Fetch(const Context& context, const PlanPtr& plan);
  // The same when everything is in memory and fresh; else nothing, and nothing has been done. Never
  // waits, so that it may run where waiting is forbidden.
  std::optional<Result<Bundle>> FetchFromMemory(const PlanPtr& plan);

  // Asks the backend again for the entries that `matches` picks; minted ones are left alone.
  RefreshReport Refresh(const Context& context,
                        const std::function<bool(const EntryKey&)>& matches);

 private:
  struct Round;
  struct Served {
    std::shared_ptr<const SecretBytes> value;
    std::string lease;  // id, "" = none
  };
  struct FlightKey {
    EntryKey entry;
    std::uint64_t login = 0;  // a refused login's calls are not joined by its successor's
    auto operator<=>(const FlightKey&) const = default;
  };
  // One call: whom to ask, by which login, since when.
  struct Ask {
    SessionPtr session;
    Route route;
    SteadyTime begun;

    bool fresh_login() const { return session->logged_in >= begun; }
  };

  // A refusal that was met with a login made just now.
  struct Belief {
    Duration wait = Duration::zero();
    SteadyTime until;
  };

  // The steps of Fetch; each fills in what it finds out.
  Round Begin(const PlanPtr& plan) const;
  bool ServeFromMemory(Round& round);
  void CountHits(const Round& round);
  Status AskBackend(const Context& context, Round& round, const SessionPtr& session);
  bool Doubts(Round& round, const Session& session);
  Status AskAgain(const Context& context, Round& round, const SessionPtr& refused);
  Result<Bundle> LoginFailed(Round& round, const Error& why);
  void ForgetIdentity(const FetchPlan& plan);
  Result<Bundle> StandIn(Round& round, const Error& why);
  Result<Bundle> Assemble(Round& round);

  void LookUp(Round& round, const std::string& scope);
  bool StandInsAtHand(const Round& round) const;
  std::vector<Result<Served>> Fly(const Context& context, const Ask& ask,
                                  const std::vector<SecretRef>& refs, std::size_t& reads);
  std::vector<Result<Served>> CallBackend(const Context& context, const Ask& ask,
                                          const std::vector<FlightKey>& keys, std::size_t& reads);
  Result<Served> Keep(const Ask& ask, const Question& question, Result<Answer> answer);
  void Believe(const EntryKey& key);
  void Disbelieve(const EntryKey& key);
  std::string Fingerprint(const EntryKey& key);
  std::string VersionOf(const Projection& projection, const SecretBytes& contents) const;

  const Options options_;
  Cache& cache_;
  CredentialCache& credentials_;
  LeaseKeeper& leases_;
  const Clock& clock_;
  Rng& rng_;
  Logger& log_;
  Metrics& metrics_;

  std::mutex mutex_;
  std::map<EntryKey, Belief> beliefs_;  // guarded by mutex_

  SingleFlight<FlightKey, Served> flights_;
};

}  // namespace nodekeep
