#pragma once

// Counts the calls in flight of a service for a graceful shutdown: new calls are refused, running
// ones may finish, those that take too long are requested to stop.
//
// Thread-safe. Destruction waits until no call is in flight, so everything that calls use must
// outlive the tracker: make it the last member of its owner.

#include <condition_variable>
#include <cstddef>
#include <stop_token>
#include <utility>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"

namespace nodekeep {

class CallTracker {
 public:
  // One call, in flight for as long as this exists. Not thread-safe.
  class Call {
   public:
    Call(Call&& other) noexcept
        : tracker_(std::exchange(other.tracker_, nullptr)), accepted_(other.accepted_) {}
    Call& operator=(Call&&) = delete;
    ~Call() {
      if (tracker_ != nullptr) tracker_->End(accepted_);
    }

    // False: it arrived after StopAccepting and must be refused.
    bool accepted() const { return accepted_; }

   private:
    friend class CallTracker;
    Call(CallTracker& tracker, bool accepted) : tracker_(&tracker), accepted_(accepted) {}

    CallTracker* tracker_;  // null = moved from
    bool accepted_;
  };

  // How long calls may take to end after stop was requested.
  static constexpr Duration kStopGrace = std::chrono::seconds(5);

  explicit CallTracker(const Clock& clock) : clock_(clock) {}
  ~CallTracker();

  Call Begin();
  bool accepting() const;

  // Calls that begin after this are refused.
  void StopAccepting();
  // Waits until no accepted call is in flight, or until `deadline`; then requests stop and waits at
  // most kStopGrace, because a response that its client does not read is never sent. Refused calls
  // do not count, because clients that retry at once would prolong the wait without end.
  void Drain(SteadyTime deadline);
  // Shared by all calls; Drain requests the stop.
  std::stop_token stop_token() const { return stop_.get_token(); }

 private:
  void End(bool accepted);

  const Clock& clock_;
  std::stop_source stop_;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  bool accepting_ NODEKEEP_GUARDED_BY(mutex_) = true;
  std::size_t in_flight_ NODEKEEP_GUARDED_BY(mutex_) = 0;  // including refused calls
  std::size_t accepted_ NODEKEEP_GUARDED_BY(mutex_) = 0;   // part of in_flight_
};

}  // namespace nodekeep
