#pragma once

// Stops asking a backend that does not answer, and finds out with one request at a time whether it
// is back.
//
// Closed: everything passes; `failures` in a row open it. Open: everything is refused for a
// jittered delay that doubles with each failed probe. Half open (the delay is over): one request
// passes as the probe; its success closes the breaker, its failure opens it again.
//
// A value with a state; not thread-safe. Time comes in as an argument.

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
  // Given out for each request that passes, and handed back with its outcome. Outcomes of requests
  // from before the last opening or closing say nothing about now and are ignored.
  struct Pass {
    std::uint64_t period = 0;
    bool is_probe = false;
  };

  CircuitBreaker(Options options, Rng& rng) : options_(options), rng_(rng) {}

  bool Refuses(SteadyTime now) const { return open_ && (probing_ || now < held_until_); }
  // Precondition: Refuses is false now.
  Pass Take();
  void Succeeded(const Pass& pass);
  // `words`: what went wrong, for whoever is refused later.
  void Failed(const Pass& pass, SteadyTime now, std::string words);
  // The request ended without telling anything about the backend (the caller left).
  void Abandoned(const Pass& pass);

  bool open() const { return open_; }
  // How long until a probe may pass; zero when one may, or is under way.
  Duration HeldFor(SteadyTime now) const;
  // In a row, up to now.
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
  Duration delay_{};  // the last one, before jitter
  SteadyTime held_until_;
};

}  // namespace nodekeep
