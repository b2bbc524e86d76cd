#include "tests/fakes/fake_clock.h"

#include "agent/base/mutex.h"

namespace nodekeep {

bool FakeClock::WaitUntil(MutexLock& lock, std::condition_variable_any& changed,
                          std::stop_token stop, SteadyTime deadline,
                          const std::function<bool()>& ready) const {
  // Polls in real time, because another thread advances the clock without notifying waiters.
  while (!ready() && !stop.stop_requested() && Now() < deadline) {
    changed.wait_for(lock, std::chrono::milliseconds(1), ready);
    if (advance_on_wait_ && !ready() && deadline != SteadyTime::max() && Now() < deadline) {
      const auto left = std::chrono::ceil<Duration>(deadline - Now());
      offset_ms_ += left.count();
    }
  }
  return ready();
}

}  // namespace nodekeep
