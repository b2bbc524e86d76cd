#pragma once

// Per-host rate limit, concurrency limit and circuit breaker, between providers and the network.
//
// For each backend host (scheme, host and port, or unix socket):
// - a rate limit and a bound on concurrent requests; callers wait for both;
// - a hold while the backend throttles: nothing is sent;
// - a circuit breaker that fails requests at once while the backend is down.
//
// A host serves many tenants, so the breaker counts only failures that affect all of them: no
// response while no other request got one either, and a response that reports the whole server as
// down. HttpRequest::server_state interprets responses per backend. A failure that may be limited
// to one path or one class (ServerState::kUnknown, Error::of_request) neither opens nor closes it.
//
// Thread-safe. No lock is held while the inner client works or a caller sleeps.

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/http/circuit_breaker.h"
#include "agent/http/gate_metrics.h"
#include "agent/http/http_client.h"
#include "agent/http/token_bucket.h"

namespace nodekeep {

// One backend host as `nodekeep status` shows it.
struct BackendState {
  std::string host;
  bool breaker_open = false;
  std::string last_error;  // "" = none since the start
  Duration held_for{};     // nothing is sent for this long; zero = not held back
  double rate = 0;         // requests per second allowed now
  std::size_t in_flight = 0;
};

class BackendGate final : public HttpClient {
 public:
  struct Options {
    TokenBucket::Options rate;
    CircuitBreaker::Options breaker;
    std::size_t max_concurrent = 64;                   // requests per host
    Duration longest_hold = std::chrono::seconds(60);  // limit for Retry-After
    // A request that ends at its caller's deadline counts as a failure of the backend only after
    // this long, because a short deadline is no evidence of a failure.
    Duration hung_after = std::chrono::seconds(5);
    std::size_t max_hosts = 1024;  // tracked; the least recently used one is dropped
  };

  BackendGate(HttpClient& inner, const Clock& clock, Rng& rng, GateMetrics& metrics,
              Options options);
  ~BackendGate() override;

  // Errors besides those of the inner client: kThrottled with retry_after when the hold or the rate
  // limit lasts longer than the context; kTransient while the breaker is open, with retry_after
  // unless a probe is under way.
  std::vector<Result<HttpResponse>> SendAll(const Context& context,
                                            std::vector<HttpRequest> requests) override;

  // All tracked hosts, sorted by name.
  std::vector<BackendState> States() const;

 private:
  struct Host;
  struct Pending;
  struct Decision;
  using Hosts = std::list<std::shared_ptr<Host>>;
  using Results = std::vector<std::optional<Result<HttpResponse>>>;

  std::shared_ptr<Host> FindHost(const std::string& name);
  // Waits until at least one request may be sent, then removes all such requests from `pending` and
  // returns them. Removes refused requests too and sets their errors in `results`; returns an empty
  // vector when all were refused.
  std::vector<Pending> Admit(const Context& context, std::list<Pending>& pending, Results& results);
  Decision Decide(Host& host, const Context& context, SteadyTime now) NODEKEEP_REQUIRES(mutex_);
  void RecordOutcome(const Pending& sent, const Result<HttpResponse>& result, SteadyTime started);
  void RecordResponse(const Pending& sent, const HttpResponse& response, SteadyTime now)
      NODEKEEP_REQUIRES(mutex_);
  void RecordError(const Pending& sent, const Error& error, SteadyTime started, SteadyTime now)
      NODEKEEP_REQUIRES(mutex_);

  HttpClient& inner_;
  const Clock& clock_;
  Rng& rng_;
  GateMetrics& metrics_;
  const Options options_;

  mutable Mutex mutex_;
  Hosts by_use_ NODEKEEP_GUARDED_BY(mutex_);  // last used first
  std::map<std::string, Hosts::iterator> by_name_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep
