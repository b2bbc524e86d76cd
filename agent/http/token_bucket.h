#pragma once

// Adaptive rate limit: a token bucket whose rate is halved when the backend responds "too many
// requests" and then grows linearly (additive increase, multiplicative decrease).
//
// Not thread-safe. Time is passed as an argument.

#include "agent/base/clock.h"

namespace nodekeep {

class TokenBucket {
 public:
  struct Options {
    double rate = 100;   // tokens per second
    double burst = 200;  // tokens at most, and at the start
    double lowest_rate = 1;
    // Time from the lowest rate back to the full one when no request is refused meanwhile.
    Duration recovery = std::chrono::seconds(60);
    // Refusals of requests that were sent together count once.
    Duration between_halvings = std::chrono::seconds(1);
  };

  TokenBucket(Options options, SteadyTime now);

  // Time until TryTake can succeed; zero when it would succeed now.
  Duration Wait(SteadyTime now);
  bool TryTake(SteadyTime now);
  void Halve(SteadyTime now);
  double Rate(SteadyTime now);

 private:
  void Refill(SteadyTime now);

  const Options options_;

  double rate_;
  double tokens_;
  SteadyTime refilled_;
  SteadyTime halved_;
};

}  // namespace nodekeep
