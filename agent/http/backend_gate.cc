#include "agent/http/backend_gate.h"

#include <algorithm>
#include <condition_variable>
#include <utility>

#include "agent/base/duration.h"
#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"
#include "agent/http/origin.h"
#include "agent/http/retry.h"

namespace nodekeep {

// Guarded by BackendGate::mutex_, except its name.
struct BackendGate::Host {
  std::string name;
  TokenBucket bucket;
  CircuitBreaker breaker;
  SteadyTime held_until;  // by Retry-After
  SteadyTime answered;    // the last response that shows a working server
  std::size_t in_flight = 0;
  std::string last_error;
  std::condition_variable_any slot_freed;
};

// A request that waits to be sent or was sent.
struct BackendGate::Pending {
  std::size_t index = 0;
  HttpRequest request;
  std::shared_ptr<Host> host;
  CircuitBreaker::Pass pass;
  ServerState (*server_state)(const HttpResponse&) = StateByStatus;  // of the request
};

// One of:
//   send_now      send the request now
//   refusal       fail the request with this error
//   wait_until    decide again at this time
//   none of them  wait for a free slot
struct BackendGate::Decision {
  bool send_now = false;
  std::optional<Error> refusal;
  SteadyTime wait_until = SteadyTime::max();
};

BackendGate::BackendGate(HttpClient& inner, const Clock& clock, Rng& rng, GateMetrics& metrics,
                         Options options)
    : inner_(inner), clock_(clock), rng_(rng), metrics_(metrics), options_(options) {}

BackendGate::~BackendGate() = default;

std::vector<Result<HttpResponse>> BackendGate::SendAll(const Context& context,
                                                       std::vector<HttpRequest> requests) {
  Results results(requests.size());
  std::list<Pending> pending;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Result<Origin> origin = ParseOrigin(requests[i]);
    if (origin.ok()) {
      const auto server_state = requests[i].server_state;
      pending.push_back({i, std::move(requests[i]), FindHost(origin->text), {}, server_state});
    } else {
      results[i] = origin.error();
    }
  }
  // Admitted requests are sent before waiting for more slots: otherwise two callers that each hold
  // half of the slots would wait for each other.
  while (!pending.empty()) {
    std::vector<Pending> admitted = Admit(context, pending, results);
    std::vector<HttpRequest> wave;
    for (Pending& one : admitted) wave.push_back(std::move(one.request));
    if (wave.empty()) continue;
    const SteadyTime started = clock_.Now();
    std::size_t recorded = 0;
    const OnThrow record_all([&] {
      const Error thrown(ErrorCode::kInternal, "an unexpected exception");
      while (recorded < admitted.size()) RecordOutcome(admitted[recorded++], thrown, started);
    });
    std::vector<Result<HttpResponse>> answers = inner_.SendAll(context, std::move(wave));
    while (recorded < admitted.size()) {
      const std::size_t i = recorded++;
      RecordOutcome(admitted[i], answers[i], started);
      results[admitted[i].index] = std::move(answers[i]);
    }
  }
  std::vector<Result<HttpResponse>> ordered;
  ordered.reserve(results.size());
  for (auto& result : results) ordered.push_back(*std::move(result));
  return ordered;
}

std::shared_ptr<BackendGate::Host> BackendGate::FindHost(const std::string& name) {
  MutexLock lock(mutex_);
  const auto known = by_name_.find(name);
  if (known != by_name_.end()) {
    by_use_.splice(by_use_.begin(), by_use_, known->second);
    return by_use_.front();
  }
  if (by_name_.size() >= options_.max_hosts) {
    // The least recently used host without pending requests (only by_use_ refers to it).
    const auto unused = std::find_if(by_use_.rbegin(), by_use_.rend(),
                                     [](const auto& host) { return host.use_count() == 1; });
    if (unused != by_use_.rend()) {
      metrics_.ForgetBreaker((*unused)->name);
      by_name_.erase((*unused)->name);
      by_use_.erase(std::next(unused).base());
    }
  }
  const SteadyTime now = clock_.Now();
  by_use_.push_front(std::shared_ptr<Host>(new Host{name,
                                                    TokenBucket(options_.rate, now),
                                                    CircuitBreaker(options_.breaker, rng_),
                                                    now,
                                                    now,
                                                    0,
                                                    "",
                                                    {}}));
  by_name_[name] = by_use_.begin();
  return by_use_.front();
}

std::vector<BackendGate::Pending> BackendGate::Admit(const Context& context,
                                                     std::list<Pending>& pending,
                                                     Results& results) {
  std::vector<Pending> admitted;
  MutexLock lock(mutex_);
  while (true) {
    const Status alive = context.Check(clock_);
    const SteadyTime now = clock_.Now();
    SteadyTime wait_until = context.deadline();
    std::shared_ptr<Host> full;
    for (auto one = pending.begin(); one != pending.end();) {
      Decision decision;
      if (alive.ok()) {
        decision = Decide(*one->host, context, now);
      } else {
        decision.refusal = alive.error().Prepend("wait to send to {}", one->host->name);
      }
      if (decision.refusal) {
        results[one->index] = *std::move(decision.refusal);
        one = pending.erase(one);
      } else if (decision.send_now) {
        one->pass = one->host->breaker.Admit();
        one->host->bucket.TryTake(now);
        ++one->host->in_flight;
        admitted.push_back(std::move(*one));
        one = pending.erase(one);
      } else {
        wait_until = std::min(wait_until, decision.wait_until);
        if (decision.wait_until == SteadyTime::max() && !full) full = one->host;
        ++one;
      }
    }
    if (!admitted.empty() || pending.empty()) return admitted;
    // Wakes when a slot is freed, or at the earliest time at which a request may be sent.
    const std::shared_ptr<Host> watched = full ? full : pending.front().host;
    clock_.WaitUntil(lock, watched->slot_freed, context.stop(), wait_until,
                     [&] { return full && full->in_flight < options_.max_concurrent; });
  }
}

BackendGate::Decision BackendGate::Decide(Host& host, const Context& context, SteadyTime now) {
  Decision decision;
  if (host.breaker.Refuses(now)) {
    const Duration left = host.breaker.HeldFor(now);
    const std::string how_long = left == Duration::zero()
                                     ? "until the request under way shows that it is back"
                                     : "for " + FormatDuration(left);
    Error error = Error::Format(ErrorCode::kTransient,
                                "backend {} is held back {} after {} failures, last: {}", host.name,
                                how_long, host.breaker.failures(), host.breaker.last_failure());
    decision.refusal = left == Duration::zero() ? error : std::move(error).WithRetryAfter(left);
    return decision;
  }
  if (now < host.held_until) {
    const Duration left = std::chrono::ceil<Duration>(host.held_until - now);
    decision.wait_until = host.held_until;
    if (host.held_until >= context.deadline()) {
      decision.refusal = Error::Format(ErrorCode::kThrottled,
                                       "backend {} requires a pause of another {}, longer than "
                                       "this request may take (last error: {})",
                                       host.name, FormatDuration(left), host.last_error)
                             .WithRetryAfter(left);
    }
    return decision;
  }
  if (host.in_flight >= options_.max_concurrent) return decision;
  const Duration wait = host.bucket.Wait(now);
  if (wait == Duration::zero()) {
    decision.send_now = true;
    return decision;
  }
  decision.wait_until = now + wait;
  if (decision.wait_until >= context.deadline()) {
    decision.refusal =
        Error::Format(ErrorCode::kThrottled,
                      "backend {} is limited to {:.0f} requests per second: the next may be sent "
                      "in {}, later than this one may wait",
                      host.name, host.bucket.Rate(now), FormatDuration(wait))
            .WithRetryAfter(wait);
  }
  return decision;
}

void BackendGate::RecordOutcome(const Pending& sent, const Result<HttpResponse>& result,
                                SteadyTime started) {
  Host& host = *sent.host;
  MutexLock lock(mutex_);
  const bool was_open = host.breaker.open();
  const SteadyTime now = clock_.Now();
  if (host.in_flight-- == options_.max_concurrent) host.slot_freed.notify_all();
  if (result.ok()) {
    RecordResponse(sent, *result, now);
  } else {
    RecordError(sent, result.error(), started, now);
  }
  // Under the lock, so that the later of two changes wins; the call only writes to memory.
  if (host.breaker.open() != was_open) metrics_.SetBreakerOpen(host.name, !was_open);
}

void BackendGate::RecordResponse(const Pending& sent, const HttpResponse& response,
                                 SteadyTime now) {
  Host& host = *sent.host;
  const std::string words = fmt::format("HTTP {}", response.status);
  const ServerState state = sent.server_state(response);
  const std::optional<Duration> retry_after =
      ParseRetryAfter(response.Header("retry-after"), clock_.Wall());
  // RFC 9110 section 10.2.3: any 503 may carry a Retry-After.
  if (state == ServerState::kThrottles || (response.status == 503 && retry_after)) {
    host.last_error = words;
    host.bucket.Halve(now);
    if (retry_after) {
      host.held_until =
          std::max(host.held_until, now + std::min(*retry_after, options_.longest_hold));
    }
  }
  // A 5xx may come from a proxy in front of the server.
  const bool answered =
      state == ServerState::kWorks || (state == ServerState::kThrottles && response.status < 500);
  if (answered) {
    host.answered = now;
    host.breaker.Succeeded(sent.pass);
    return;
  }
  host.last_error = words;
  if (state == ServerState::kDown) {
    host.breaker.Failed(sent.pass, now, words);
  } else {
    host.breaker.Abandoned(sent.pass);
  }
}

void BackendGate::RecordError(const Pending& sent, const Error& error, SteadyTime started,
                              SteadyTime now) {
  Host& host = *sent.host;
  const bool hung =
      error.code() == ErrorCode::kDeadlineExceeded && now - started >= options_.hung_after;
  if (error.code() == ErrorCode::kTransient || hung) {
    host.last_error = error.message();
    if (error.of_request() || host.answered > started) {
      host.breaker.Abandoned(sent.pass);
    } else {
      host.breaker.Failed(sent.pass, now, error.message());
    }
  } else if (error.code() == ErrorCode::kTooLarge) {
    host.answered = now;
    host.breaker.Succeeded(sent.pass);  // the backend did respond
  } else {
    host.breaker.Abandoned(sent.pass);
  }
}

std::vector<BackendState> BackendGate::States() const {
  std::vector<BackendState> states;
  MutexLock lock(mutex_);
  const SteadyTime now = clock_.Now();
  for (const auto& [name, place] : by_name_) {
    Host& host = **place;
    BackendState state;
    state.host = name;
    state.breaker_open = host.breaker.open();
    state.last_error = host.last_error;
    state.held_for = host.breaker.HeldFor(now);
    if (host.held_until > now) {
      state.held_for = std::max(state.held_for, std::chrono::ceil<Duration>(host.held_until - now));
    }
    state.rate = host.bucket.Rate(now);
    state.in_flight = host.in_flight;
    states.push_back(std::move(state));
  }
  return states;
}

}  // namespace nodekeep
