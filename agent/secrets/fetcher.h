#pragma once

// Reads what a plan asks for. The only place for policy: which login is used, what is fresh enough,
// when the backend is asked, when it is asked again, when the last good value is served instead.
//
// What may be shared is asked of the backend once: entries per (scope, ref), logins per scope.
// While the backend is down, an identity that was served before gets its last good values until
// their hard age, and the report says so; an authoritative denial or "not found" evicts the entry
// and is never hidden by an old value.
//
// Knows neither volumes nor files: agent/mount assembles them from the answers.
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
#include "agent/base/worker_pool.h"
#include "agent/http/retry.h"
#include "agent/secrets/fetch_metrics.h"
#include "agent/secrets/cache.h"
#include "agent/secrets/credential_cache.h"
#include "agent/secrets/lease_keeper.h"
#include "agent/secrets/read_plan.h"
#include "agent/secrets/read_report.h"
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

using SharedSecret = std::shared_ptr<const SecretBytes>;

struct Answers {
  // One for each read of the plan, in its order. Null: the backend says that it does not exist, and
  // the read is not required. When a required read or the login fails, reads that were not asked
  // because of that have its error.
  std::vector<Result<SharedSecret>> values;
  ReadReport report;
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
    // A denial that a fresh login did not change is final for so long, doubling up to the longest:
    // a path that stays denied must not cost a login per request.
    Duration confirm_denial = std::chrono::minutes(1);
    Duration confirm_denial_longest = std::chrono::minutes(10);
  };

  Fetcher(Options options, Cache& cache, CredentialCache& credentials, LeaseKeeper& leases,
          WorkerPool& pool, const Clock& clock, Rng& rng, Logger& log, FetchMetrics& metrics);

  Answers Read(const Context& context, const ReadPlanPtr& plan);
  // The same when everything is in memory and fresh; else nothing, and nothing has been done. Never
  // waits, so that it may run where waiting is forbidden.
  std::optional<Answers> ReadFromMemory(const ReadPlanPtr& plan);

  // Asks the backend again for the entries that `matches` picks; minted ones are left alone.
  RefreshReport Refresh(const Context& context,
                        const std::function<bool(const EntryKey&)>& matches);

 private:
  struct Round;
  struct Served {
    SharedSecret value;
    std::string lease;  // id, "" = none
  };
  struct FlightKey {
    EntryKey entry;
    std::uint64_t login = 0;  // a refused login's calls are not joined by its successor's
    auto operator<=>(const FlightKey&) const = default;
  };
  // One call: which backend to ask, with which login, for a request that began when.
  struct Ask {
    SessionPtr session;
    Route route;
    SteadyTime begun;

    bool fresh_login() const { return session->logged_in >= begun; }
  };

  // A denial that was met with a login made just now.
  struct ConfirmedDenial {
    Duration wait = Duration::zero();
    SteadyTime until;
  };

  // The steps of Read; each fills in what it finds out.
  Round Begin(const ReadPlanPtr& plan) const;
  bool FindInMemory(Round& round);
  void CountHits(const Round& round);
  Status AskBackend(const Context& context, Round& round, const SessionPtr& session);
  bool ShouldReauthenticate(Round& round, const Session& session);
  Status AskWithNewLogin(const Context& context, Round& round, const SessionPtr& denied);
  Answers LoginFailed(Round& round, const Error& why);
  void ForgetIdentity(const ReadPlan& plan);
  Answers ServeStaleOr(Round& round, const Error& why);
  static Answers Finish(Round& round, const std::optional<Error>& why);

  void LookUp(Round& round, const std::string& scope);
  bool CanServeStale(const Round& round) const;
  std::vector<Result<Served>> FetchOnce(const Context& context, const Ask& ask,
                                        const std::vector<SecretRef>& refs, std::size_t& reads);
  std::vector<Result<Served>> CallBackend(const Context& context, const Ask& ask,
                                          const std::vector<FlightKey>& keys, std::size_t& reads);
  Result<Served> Keep(const Ask& ask, const Question& question, Result<Answer> answer);
  void RememberDenial(const EntryKey& key);
  void ForgetDenial(const EntryKey& key);
  std::string Fingerprint(const EntryKey& key);

  const Options options_;
  Cache& cache_;
  CredentialCache& credentials_;
  LeaseKeeper& leases_;
  const Clock& clock_;
  Rng& rng_;
  Logger& log_;
  FetchMetrics& metrics_;
  const SecretBytes fingerprint_key_;

  std::mutex mutex_;
  std::map<EntryKey, ConfirmedDenial> denials_;  // guarded by mutex_

  SingleFlight<FlightKey, Served> flights_;
};

}  // namespace nodekeep
