#include "agent/http/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace nodekeep {
namespace {

// A fraction of a token lost to rounding must not delay a request.
constexpr double kWhole = 1 - 1e-9;

double Seconds(SteadyTime::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

TokenBucket::TokenBucket(Options options, SteadyTime now)
    : options_(options),
      rate_(options.rate),
      tokens_(options.burst),
      refilled_(now),
      halved_(now - options.between_halvings) {}

Duration TokenBucket::Wait(SteadyTime now) {
  Refill(now);
  if (tokens_ >= kWhole) return Duration::zero();
  // Rounded up: a waiter that wakes too early would find no token and sleep again.
  return Duration(static_cast<Duration::rep>(std::ceil((kWhole - tokens_) / rate_ * 1000)));
}

bool TokenBucket::TryTake(SteadyTime now) {
  Refill(now);
  if (tokens_ < kWhole) return false;
  tokens_ = std::max(0.0, tokens_ - 1);
  return true;
}

void TokenBucket::Halve(SteadyTime now) {
  Refill(now);
  if (now - halved_ < options_.between_halvings) return;
  halved_ = now;
  rate_ = std::max(options_.lowest_rate, rate_ / 2);
  // A burst of saved tokens would be sent at once and refused again.
  tokens_ = std::min(tokens_, 1.0);
}

double TokenBucket::Rate(SteadyTime now) {
  Refill(now);
  return rate_;
}

void TokenBucket::Refill(SteadyTime now) {
  const double elapsed = Seconds(now - refilled_);
  if (elapsed <= 0) return;
  refilled_ = now;
  tokens_ = std::min(options_.burst, tokens_ + elapsed * rate_);
  rate_ = std::min(options_.rate, rate_ + elapsed * options_.rate / Seconds(options_.recovery));
}

}  // namespace nodekeep
