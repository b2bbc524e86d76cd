#pragma once

// A rate limit that a backend can push down: a token bucket whose rate is halved when the backend
// says "too many requests" and grows back steadily (additive increase, multiplicative decrease).
//
// A value with a state; not thread-safe. Time comes in as an argument.

#include "agent/base/clock.h"

namespace nodekeep {

class TokenBucket {
 public:
  struct Options {
    double rate = 100;   // tokens per second
    double burst = 200;  // tokens at most, and at the start
    double lowest_rate = 1;
    // From the lowest rate back to the full one when nothing is refused meanwhile.
    Duration recovery = std::chrono::seconds(60);
    // A burst of refusals of requests that were sent together counts once.
    Duration between_halvings = std::chrono::seconds(1);
  };

  TokenBucket(Options options, SteadyTime now);

  // How long until TryTake can succeed; zero when it would now.
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
