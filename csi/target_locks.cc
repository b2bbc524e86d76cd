#include "csi/target_locks.h"

#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"

namespace nodekeep {

TargetLocks::Guard::Guard(TargetLocks& locks, std::string path, const Context& context)
    : locks_(locks),
      path_(std::move(path)),
      on_stop_(context.stop(), [this] { stop_.request_stop(); }),
      context_(context.WithStop(stop_.get_token())) {}

TargetLocks::Guard::~Guard() {
  MutexLock lock(locks_.mutex_);
  locks_.locked_.erase(path_);
  locks_.changed_.notify_all();
}

Result<TargetLocks::GuardPtr> TargetLocks::Lock(const Context& context, const std::string& path) {
  MutexLock lock(mutex_);
  return Wait(lock, context, path);
}

Result<TargetLocks::GuardPtr> TargetLocks::CancelAndLock(const Context& context,
                                                         const std::string& path) {
  std::stop_source at_work(std::nostopstate);
  {
    MutexLock lock(mutex_);
    auto found = locked_.find(path);
    if (found != locked_.end()) at_work = found->second->stop_;
  }
  // Outside the lock: stop callbacks run here.
  at_work.request_stop();
  MutexLock lock(mutex_);
  return Wait(lock, context, path);
}

Result<TargetLocks::GuardPtr> TargetLocks::Wait(MutexLock& lock, const Context& context,
                                                const std::string& path) {
  const bool free = clock_.WaitUntil(lock, changed_, context.stop(), context.deadline(), [&] {
    mutex_.AssertHeld();
    return !locked_.contains(path);
  });
  if (!free) {
    return Error::Format(ErrorCode::kCancelled,
                         "an operation on the volume at {} is still under way; it is tried again",
                         path);
  }
  // The entry first: without memory for it, the destructor of a guard would lock `mutex_` again.
  Guard*& locked = locked_[path];
  const OnThrow undo([&] {
    mutex_.AssertHeld();
    locked_.erase(path);
  });
  GuardPtr guard(new Guard(*this, path, context));
  locked = guard.get();
  return guard;
}

}  // namespace nodekeep
