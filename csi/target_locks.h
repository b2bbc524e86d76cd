#pragma once

// One worker per volume: what publishes, refreshes or unpublishes a target path holds it (csi.md
// 2.14 D15).
//
// Thread-safe. The locks outlive what is held of them.

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/context.h"

namespace nodekeep {

class TargetLocks {
 public:
  explicit TargetLocks(const Clock& clock) : clock_(clock) {}

  // A target path in hand, until it is destroyed.
  class Held {
   public:
    ~Held();
    // The context to work under: ends when the taker's does, or when somebody takes the path over.
    const Context& context() const { return context_; }

   private:
    friend class TargetLocks;
    Held(TargetLocks& locks, std::string path, const Context& context);

    TargetLocks& locks_;
    const std::string path_;
    std::stop_source stop_;
    const std::stop_callback<std::function<void()>> on_stop_;
    const Context context_;
  };
  using HeldPtr = std::unique_ptr<Held>;

  // Waits for its turn. kCancelled when the context ends first, whose wire code makes kubelet leave
  // everything as it is and ask again: another worker is still at it.
  Result<HeldPtr> Take(const Context& context, const std::string& path);
  // The same, and asks whoever holds it to give up: nobody needs his result any more.
  Result<HeldPtr> TakeOver(const Context& context, const std::string& path);

 private:
  Result<HeldPtr> Wait(std::unique_lock<std::mutex>& lock, const Context& context,
                       const std::string& path);

  const Clock& clock_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, Held*> held_;  // guarded by mutex_
};

}  // namespace nodekeep
