#pragma once

// Counts the calls that a service has in flight, so that the service stops in order: new calls are
// refused, running ones may finish, those that take too long are told to stop.
//
// Thread-safe. Destruction waits until no call is in flight, so whatever calls use has to outlive
// the tracker: make it the last member of its owner.

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stop_token>
#include <utility>

#include "agent/base/clock.h"

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

    // False: it arrived after StopAccepting. It has to be answered as refused.
    bool accepted() const { return accepted_; }

   private:
    friend class CallTracker;
    Call(CallTracker& tracker, bool accepted) : tracker_(&tracker), accepted_(accepted) {}

    CallTracker* tracker_;  // null = moved from
    bool accepted_;
  };

  // How long calls that were told to stop may take to do so.
  static constexpr Duration kStopGrace = std::chrono::seconds(5);

  explicit CallTracker(const Clock& clock) : clock_(clock) {}
  ~CallTracker();

  Call Begin();
  bool accepting() const;

  // From now on calls are refused.
  void StopAccepting();
  // Waits until no accepted call is in flight, or until `deadline`; then requests stop, and waits
  // for kStopGrace at most: an answer that its client does not read is never sent. Refused calls do
  // not count, because clients that ask again at once would prolong the wait without end.
  void Drain(SteadyTime deadline);
  // Of all calls: stop is requested once Drain has waited for them.
  std::stop_token stop_token() const { return stop_.get_token(); }

 private:
  void End(bool accepted);

  const Clock& clock_;
  std::stop_source stop_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  bool accepting_ = true;
  std::size_t in_flight_ = 0;  // refused calls too
  std::size_t accepted_ = 0;   // part of in_flight_
};

}  // namespace nodekeep
