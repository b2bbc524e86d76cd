#include "agent/rpc/call_tracker.h"

#include "agent/base/mutex.h"

namespace nodekeep {

CallTracker::~CallTracker() {
  MutexLock lock(mutex_);
  changed_.wait(lock, [this] {
    mutex_.AssertHeld();
    return in_flight_ == 0;
  });
}

CallTracker::Call CallTracker::Begin() {
  MutexLock lock(mutex_);
  ++in_flight_;
  if (accepting_) ++accepted_;
  return Call(*this, accepting_);
}

bool CallTracker::accepting() const {
  MutexLock lock(mutex_);
  return accepting_;
}

void CallTracker::StopAccepting() {
  MutexLock lock(mutex_);
  accepting_ = false;
}

void CallTracker::Drain(SteadyTime deadline) {
  const auto answered = [this] {
    mutex_.AssertHeld();
    return accepted_ == 0;
  };
  {
    MutexLock lock(mutex_);
    clock_.WaitUntil(lock, changed_, {}, deadline, answered);
  }
  stop_.request_stop();
  MutexLock lock(mutex_);
  clock_.WaitUntil(lock, changed_, {}, clock_.Now() + kStopGrace, answered);
}

void CallTracker::End(bool accepted) {
  // Notifies under the lock: the tracker may be destroyed as soon as the lock is released.
  MutexLock lock(mutex_);
  --in_flight_;
  if (accepted) --accepted_;
  changed_.notify_all();
}

}  // namespace nodekeep
