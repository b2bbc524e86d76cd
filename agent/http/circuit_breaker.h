#pragma once

// Circuit breaker: refuses requests to a backend that is down, and probes it with one request at a
// time.
//
//   closed     all requests pass; `failures` in a row open the breaker
//   open       all requests are refused for a jittered delay that doubles with each failed probe
//   half open  after the delay: one request passes as the probe; its success closes the breaker,
//              its failure opens it again
//
// Not thread-safe. Time is passed as an argument.

#include <cstdint>
#include <string>

#include "agent/base/clock.h"

namespace nodekeep {

class CircuitBreaker {
 public:
  struct Options {
    int failures = 5;
    Duration first_delay = std::chrono::seconds(1);
    Duration longest_delay = std::chrono::seconds(30);
  };
  // Returned for each request that passes; pass it back with the outcome. Outcomes of requests from
  // before the last opening or closing are outdated and ignored.
  struct Pass {
    std::uint64_t period = 0;
    bool is_probe = false;
  };

  CircuitBreaker(Options options, Rng& rng) : options_(options), rng_(rng) {}

  bool Refuses(SteadyTime now) const { return open_ && (probing_ || now < held_until_); }
  // Precondition: Refuses is false now.
  Pass Admit();
  // False: outdated, ignored.
  bool Succeeded(const Pass& pass);
  // `reason` goes into the errors of requests that are refused later. True: this opened it, or
  // opened it again.
  bool Failed(const Pass& pass, SteadyTime now, std::string reason);
  // The request ended without information about the backend, for example because it was cancelled.
  void Abandoned(const Pass& pass);

  // For what others observed of the same backend: opens it as a failed probe does, unless it is
  // held already, and closes it as a successful one does.
  void Trip(SteadyTime now, int failures, std::string reason);
  void Close();

  bool open() const { return open_; }
  // Time until a probe may pass; zero when one may pass now, or is under way.
  Duration HeldFor(SteadyTime now) const;
  // Consecutive failures.
  int failures() const { return failures_; }
  const std::string& last_failure() const { return last_failure_; }

 private:
  void Open(SteadyTime now);

  const Options options_;
  Rng& rng_;

  std::uint64_t period_ = 0;
  int failures_ = 0;
  std::string last_failure_;
  bool open_ = false;
  bool probing_ = false;
  Duration delay_{};  // the latest one, before jitter
  SteadyTime held_until_;
};

}  // namespace nodekeep
