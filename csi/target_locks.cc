#include "csi/target_locks.h"

namespace nodekeep {

TargetLocks::Held::Held(TargetLocks& locks, std::string path, const Context& context)
    : locks_(locks),
      path_(std::move(path)),
      on_stop_(context.stop(), [this] { stop_.request_stop(); }),
      context_(context.WithStop(stop_.get_token())) {}

TargetLocks::Held::~Held() {
  std::lock_guard lock(locks_.mutex_);
  locks_.held_.erase(path_);
  locks_.changed_.notify_all();
}

Result<TargetLocks::HeldPtr> TargetLocks::Take(const Context& context, const std::string& path) {
  std::unique_lock lock(mutex_);
  return Wait(lock, context, path);
}

Result<TargetLocks::HeldPtr> TargetLocks::TakeOver(const Context& context,
                                                   const std::string& path) {
  std::stop_source holder(std::nostopstate);
  {
    std::lock_guard lock(mutex_);
    auto found = held_.find(path);
    if (found != held_.end()) holder = found->second->stop_;
  }
  // Outside the lock: whoever listens runs here.
  holder.request_stop();
  std::unique_lock lock(mutex_);
  return Wait(lock, context, path);
}

Result<TargetLocks::HeldPtr> TargetLocks::Wait(std::unique_lock<std::mutex>& lock,
                                               const Context& context, const std::string& path) {
  const bool free = clock_.WaitUntil(lock, changed_, context.stop(), context.deadline(),
                                     [&] { return !held_.contains(path); });
  if (!free) {
    return Error::Format(ErrorCode::kCancelled,
                         "an operation on the volume at {} is still under way; it is tried again",
                         path);
  }
  HeldPtr held(new Held(*this, path, context));
  held_[path] = held.get();
  return held;
}

}  // namespace nodekeep
