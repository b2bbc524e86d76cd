#pragma once

// Per-host rate limit, concurrency limit and circuit breaker, between providers and the network.
//
// For each backend host (scheme, host and port, or unix socket): a rate limit and a bound on
// concurrent requests, under which callers wait; a hold while the backend throttles, during which
// nothing is sent; and a circuit breaker that fails requests at once while the backend is down.
//
// A host serves many tenants, so the breaker counts only what concerns all of them: no answer while
// no other request got one either, and a response that says the server as a whole is down. What a
// response says is the backend's knowledge: HttpRequest::server_state. What may be the fault of one
// path or one class (ServerState::kUnknown, Error::of_request) counts neither way.
//
// Thread-safe. No lock is held while the inner client works or a caller sleeps.

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
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
  Duration held_for{};     // nothing is sent for that long; zero = not held back
  double rate = 0;         // requests per second allowed now
  std::size_t in_flight = 0;
};

class BackendGate final : public HttpClient {
 public:
  struct Options {
    TokenBucket::Options rate;
    CircuitBreaker::Options breaker;
    std::size_t max_concurrent = 64;                   // requests per host
    Duration longest_hold = std::chrono::seconds(60);  // of what Retry-After asks
    // A caller whose own deadline ends a request counts as a failure of the backend only when the
    // backend had this long; a short deadline says nothing about it.
    Duration hung_after = std::chrono::seconds(5);
    std::size_t max_hosts = 1024;  // remembered; the longest unused one is forgotten
  };

  BackendGate(HttpClient& inner, const Clock& clock, Rng& rng, GateMetrics& metrics, Options options);
  ~BackendGate() override;

  // Errors besides those of the inner client: kThrottled with retry_after when the hold or the rate
  // limit lasts longer than the context, kTransient with retry_after while the breaker is open.
  std::vector<Result<HttpResponse>> SendAll(const Context& context,
                                            std::vector<HttpRequest> requests) override;

  // Every host in memory, by name.
  std::vector<BackendState> States() const;

 private:
  struct Host;
  struct Pending;
  struct Verdict;
  using Hosts = std::list<std::shared_ptr<Host>>;
  using Results = std::vector<std::optional<Result<HttpResponse>>>;

  std::shared_ptr<Host> FindHost(const std::string& name);
  // Takes out of `pending` what may be sent now, waiting until that is at least one. What is
  // refused is taken out too, with its error in `results`; empty when all was.
  std::vector<Pending> Admit(const Context& context, std::list<Pending>& pending, Results& results);
  Verdict Judge(Host& host, const Context& context, SteadyTime now);
  void Settle(const Pending& sent, const Result<HttpResponse>& result, SteadyTime started);
  void LearnFromResponse(const Pending& sent, const HttpResponse& response, SteadyTime now);
  void LearnFromError(const Pending& sent, const Error& error, SteadyTime started, SteadyTime now);

  HttpClient& inner_;
  const Clock& clock_;
  Rng& rng_;
  GateMetrics& metrics_;
  const Options options_;

  mutable std::mutex mutex_;
  // Guarded by mutex_, the hosts' contents too.
  Hosts by_use_;  // last used first
  std::map<std::string, Hosts::iterator> by_name_;
};

}  // namespace nodekeep
