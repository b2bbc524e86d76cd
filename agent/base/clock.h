#pragma once

// Time and randomness are injected through constructors, so that tests step the clock and never
// sleep.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "agent/base/mutex.h"

namespace nodekeep {

using Duration = std::chrono::milliseconds;
// Monotonic time: ages, deadlines, back-off. Not affected when the wall clock is set.
using SteadyTime = std::chrono::steady_clock::time_point;
// Civil time: certificate and token expiry, log timestamps.
using WallTime = std::chrono::system_clock::time_point;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  virtual SteadyTime Now() const = 0;
  virtual WallTime Wall() const = 0;

  // Waits on `changed` (paired with the mutex of `lock`) until `ready` holds, `deadline` passes or
  // `stop` is requested. Returns ready().
  virtual bool WaitUntil(MutexLock& lock, std::condition_variable_any& changed,
                         std::stop_token stop, SteadyTime deadline,
                         const std::function<bool()>& ready) const = 0;
};

// std::chrono::steady_clock and system_clock.
class SystemClock final : public Clock {
 public:
  SteadyTime Now() const override;
  WallTime Wall() const override;
  bool WaitUntil(MutexLock& lock, std::condition_variable_any& changed, std::stop_token stop,
                 SteadyTime deadline, const std::function<bool()>& ready) const override;
};

// Thread-safe.
class Rng {
 public:
  virtual ~Rng() = default;
  // Uniform in [0, 1).
  virtual double Uniform() = 0;
};

// For jitter only, not cryptographically secure; keys come from RandomBytes (digest.h).
class SystemRng final : public Rng {
 public:
  double Uniform() override;
};

// RFC 3339 in UTC with milliseconds: 2026-01-31T12:00:00.000Z.
std::string FormatTime(WallTime time);

// The time `seconds` after the epoch, clamped to what the clock can represent (about two centuries
// either way): certificates without an expiry carry the year 9999.
WallTime WallTimeAt(std::int64_t seconds);

// Parses RFC 3339 to the second: a fraction is dropped, an offset other than Z is applied. nullopt
// when `text` is not such a time.
std::optional<WallTime> ParseTime(std::string_view text);

}  // namespace nodekeep
