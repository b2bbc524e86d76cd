#pragma once

// Publish, refresh and unpublish of one target path exclude each other.
//
// The queue's rule of one worker per key does not suffice: publish and unpublish come from kubelet
// and are not queued, and an unpublish cancels the operation in progress instead of letting it
// complete.
//
// Thread-safe. Must outlive its guards.

#include <condition_variable>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/mutex.h"

namespace nodekeep {

class TargetLocks {
 public:
  explicit TargetLocks(const Clock& clock) : clock_(clock) {}

  // A target path is locked until its guard is destroyed.
  class Guard {
   public:
    ~Guard();
    // The context of the operation: ends with that of the caller of Lock, or when another caller
    // cancels the operation by CancelAndLock.
    const Context& context() const { return context_; }

   private:
    friend class TargetLocks;
    Guard(TargetLocks& locks, std::string path, const Context& context);

    TargetLocks& locks_;
    const std::string path_;
    std::stop_source stop_;
    const std::stop_callback<std::function<void()>> on_stop_;
    const Context context_;
  };
  using GuardPtr = std::unique_ptr<Guard>;

  // Waits until the path is free. Errors: kCancelled when the context ends first. On the gRPC code
  // of that error kubelet changes nothing and retries, which is correct while another operation is
  // in progress.
  Result<GuardPtr> Lock(const Context& context, const std::string& path);
  // The same, but first cancels the operation that has locked the path; its result is no longer
  // needed.
  Result<GuardPtr> CancelAndLock(const Context& context, const std::string& path);

 private:
  Result<GuardPtr> Wait(MutexLock& lock, const Context& context, const std::string& path)
      NODEKEEP_REQUIRES(mutex_);

  const Clock& clock_;

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, Guard*> locked_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep
