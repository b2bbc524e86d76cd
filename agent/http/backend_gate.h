#pragma once

// Per-host rate limit, concurrency limit and circuit breaker, between providers and the network.
//
// For each backend host (scheme, host and port, or unix socket):
// - a rate limit and a bound on concurrent requests, besides the bound over all hosts; callers wait
//   for them. The concurrent requests are shared by namespaces (shared_resource.h), and waiting
//   requests are sent in turn by namespace, those of the node itself ("") first;
// - a hold and a lower rate while the backend throttles;
// - a circuit breaker that fails requests at once while the backend is down.
//
// Holds, lower rates and breakers are those of one namespace at one host: what its requests meet
// may be its own doing. They apply to all of the host once two namespaces report the same, or the
// node's own requests do.
//
// After an outage a breaker lets one request at a time through, until one succeeds. That is so for
// namespaces whose own breaker is open; once the breaker of the whole host no longer holds it, the
// other namespaces send as before.
//
// A host serves many tenants, so the breakers count only failures that affect all of them: no
// response while no other request got one either, and a response that reports the whole server as
// down. HttpRequest::server_state interprets responses per backend. A failure that may be limited
// to one path or one class (ServerState::kUnknown, Error::of_request) neither opens nor closes
// them. A response to any namespace closes those of all.
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
#include "agent/base/shared_resource.h"
#include "agent/http/circuit_breaker.h"
#include "agent/http/gate_metrics.h"
#include "agent/http/http_client.h"
#include "agent/http/token_bucket.h"

namespace nodekeep {

// One backend host as `nodekeep status` shows it.
struct BackendState {
  std::string host;
  bool breaker_open = false;  // for all, or for one of held_namespaces
  std::string last_error;     // "" = none since the start
  Duration held_for{};        // nothing is sent for this long; zero = not held back
  // The namespaces that are held back while the others are not; `held_for` is then the longest of
  // theirs.
  std::vector<std::string> held_namespaces;
  double rate = 0;  // requests per second allowed now
  std::size_t in_flight = 0;
};

class BackendGate final : public HttpClient {
 public:
  struct Options {
    TokenBucket::Options rate;
    CircuitBreaker::Options breaker;
    std::size_t max_concurrent = 128;     // requests per host; one namespace alone gets half
    SharedResource* in_flight = nullptr;  // requests over all hosts, for one gate; null = unbounded
    Duration longest_hold = std::chrono::seconds(60);  // limit for Retry-After
    // A request that is ended by its own or its caller's time limit counts as a failure of the
    // backend only after this long, because a short limit is no evidence of a failure.
    Duration hung_after = std::chrono::seconds(5);
    // Name in the metrics of all hosts of this gate; "" = the host's own.
    std::string metric_host{};
    // Tracked. Over it, the namespace that alone uses the most hosts loses its least recently used.
    std::size_t max_hosts = 1024;
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
  struct Tenant;
  struct Pending;
  struct Line;
  struct Caller;
  struct Decision;
  using Hosts = std::list<std::shared_ptr<Host>>;
  using Results = std::vector<std::optional<Result<HttpResponse>>>;

  Line& FindLine(Caller& caller, const std::string& host_name);
  std::shared_ptr<Host> FindHost(const std::string& name, const std::string& namespace_name)
      NODEKEEP_REQUIRES(mutex_);
  bool EvictHost() NODEKEEP_REQUIRES(mutex_);
  const std::string& MetricHost(const Host& host) const;
  std::shared_ptr<Tenant> FindTenant(Host& host, const std::string& namespace_name, SteadyTime now)
      NODEKEEP_REQUIRES(mutex_);

  // Waits until at least one request may be sent, then removes all such requests from the lines of
  // `caller` and returns them. Removes refused requests too and sets their errors in `results`;
  // returns an empty vector when all were refused.
  std::vector<Pending> Admit(Caller& caller, Results& results);
  Decision Decide(const Line& line, SteadyTime now) NODEKEEP_REQUIRES(mutex_);
  void Join(Line& line) NODEKEEP_REQUIRES(mutex_);
  void Leave(Line& line) NODEKEEP_REQUIRES(mutex_);
  // Admits, in turn, all waiting requests of the host that may be sent now, and wakes their
  // callers. False: none.
  bool Serve(const std::shared_ptr<Host>& host, SteadyTime now) NODEKEEP_REQUIRES(mutex_);
  // Serve for slots that became free. Callers that are left over and now wait for time (a token,
  // the end of a hold) decide again, because one that waited for a slot has no timer.
  bool ServeFreed(const std::shared_ptr<Host>& host, SteadyTime now) NODEKEEP_REQUIRES(mutex_);
  // Lets the waiting callers of the host decide again.
  static void WakeAll(Host& host);
  bool TakeSlots(const std::shared_ptr<Host>& host, Tenant& tenant, Pending& pending,
                 SteadyTime now) NODEKEEP_REQUIRES(mutex_);

  void RecordOutcome(Pending& sent, const Result<HttpResponse>& result, SteadyTime started);
  void RecordResponse(const Pending& sent, const HttpResponse& response, SteadyTime now)
      NODEKEEP_REQUIRES(mutex_);
  void RecordError(const Pending& sent, const Error& error, SteadyTime started, SteadyTime now)
      NODEKEEP_REQUIRES(mutex_);
  void Throttle(Host& host, Tenant& tenant, Duration hold, SteadyTime now)
      NODEKEEP_REQUIRES(mutex_);
  static void Answered(const Pending& sent, SteadyTime now);
  static void Failed(const Pending& sent, SteadyTime now, const std::string& reason);

  HttpClient& inner_;
  const Clock& clock_;
  Rng& rng_;
  GateMetrics& metrics_;
  const Options options_;

  mutable Mutex mutex_;
  // By owner (see Host); last used first.
  std::map<std::string, Hosts> by_use_ NODEKEEP_GUARDED_BY(mutex_);
  std::map<std::string, Hosts::iterator> by_name_ NODEKEEP_GUARDED_BY(mutex_);
  // Hosts with requests that wait for a place in Options::in_flight; those with Host::is_short. The
  // one that was not served for the longest time first.
  std::list<std::shared_ptr<Host>> short_of_slots_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep
