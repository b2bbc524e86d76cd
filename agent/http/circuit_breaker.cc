#include "agent/http/circuit_breaker.h"

#include <algorithm>

namespace nodekeep {

CircuitBreaker::Pass CircuitBreaker::Admit() {
  if (open_) probing_ = true;
  return Pass{period_, open_};
}

bool CircuitBreaker::Succeeded(const Pass& pass) {
  if (pass.period != period_) return false;
  Close();
  return true;
}

bool CircuitBreaker::Failed(const Pass& pass, SteadyTime now, std::string reason) {
  if (pass.period != period_) return false;
  ++failures_;
  last_failure_ = std::move(reason);
  if (!pass.is_probe && failures_ < options_.failures) return false;
  Open(now);
  return true;
}

void CircuitBreaker::Abandoned(const Pass& pass) {
  if (pass.period == period_ && pass.is_probe) probing_ = false;
}

void CircuitBreaker::Trip(SteadyTime now, int failures, std::string reason) {
  if (HeldFor(now) > Duration::zero()) return;
  failures_ = failures;
  last_failure_ = std::move(reason);
  Open(now);
}

void CircuitBreaker::Close() {
  failures_ = 0;
  if (!open_) return;
  open_ = false;
  probing_ = false;
  delay_ = Duration::zero();
  ++period_;
}

Duration CircuitBreaker::HeldFor(SteadyTime now) const {
  if (!open_ || now >= held_until_) return Duration::zero();
  return std::chrono::ceil<Duration>(held_until_ - now);
}

void CircuitBreaker::Open(SteadyTime now) {
  open_ = true;
  probing_ = false;
  ++period_;
  delay_ = delay_ == Duration::zero() ? options_.first_delay
                                      : std::min(delay_ * 2, options_.longest_delay);
  // Between half and all of the delay, so that the agents of many nodes do not probe in step.
  const double share = 0.5 + 0.5 * rng_.Uniform();
  const double milliseconds = static_cast<double>(delay_.count()) * share;
  held_until_ = now + Duration(static_cast<Duration::rep>(milliseconds));
}

}  // namespace nodekeep
