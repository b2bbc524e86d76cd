#pragma once

// A clock that moves only when the test moves it, and an Rng that returns a constant.

#include <atomic>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"

namespace nodekeep {

class FakeClock final : public Clock {
 public:
  SteadyTime Now() const override { return SteadyTime() + std::chrono::hours(1) + Offset(); }
  WallTime Wall() const override { return WallTime() + std::chrono::hours(24 * 365 * 50) + Offset() + wall_jump_.load(); }
  bool WaitUntil(MutexLock& lock, std::condition_variable_any& changed, std::stop_token stop,
                 SteadyTime deadline, const std::function<bool()>& ready) const override;

  void Advance(Duration by) { offset_ms_ += by.count(); }
  // Moves the wall clock forward or back; monotonic time is not affected.
  void JumpWall(Duration by) { wall_jump_ = wall_jump_.load() + by; }
  // Makes every wait end at once: each wait advances the clock to its deadline.
  void AdvanceOnWait(bool on) { advance_on_wait_ = on; }

 private:
  Duration Offset() const { return Duration(offset_ms_.load()); }

  mutable std::atomic<std::int64_t> offset_ms_ = 0;
  std::atomic<Duration> wall_jump_ = Duration::zero();
  std::atomic<bool> advance_on_wait_ = false;
};

class FakeRng final : public Rng {
 public:
  explicit FakeRng(double value = 0.5) : value_(value) {}
  double Uniform() override { return value_; }

 private:
  const double value_;
};

}  // namespace nodekeep
