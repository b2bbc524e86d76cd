#pragma once

// Who waits, and for how long: a deadline, a stop token and the log fields of the request.
//
// First parameter of everything that can wait. Only ever shortened on the way down. A value, cheap
// to copy; safe to read from several threads.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace nodekeep {

// The latest failure of work that goes on trying: told by whoever tries, read by those who wait
// elsewhere for the outcome and run out of time. Thread-safe.
class LatestFailure {
 public:
  void Tell(const Error& error);
  std::optional<Error> Get() const;

 private:
  mutable std::mutex mutex_;
  std::optional<Error> error_;  // guarded by mutex_
};

class Context {
 public:
  // No deadline, never stopped.
  Context() = default;
  Context(SteadyTime deadline, std::stop_token stop)
      : deadline_(deadline), stop_(std::move(stop)) {}

  SteadyTime deadline() const { return deadline_; }
  const std::stop_token& stop() const { return stop_; }

  // The earlier of this deadline and `deadline`.
  Context WithDeadline(SteadyTime deadline) const;
  // Replaces the stop token; used where work is handed to somebody with a life of its own.
  Context WithStop(std::stop_token stop) const;
  // Adds a field to every log line written for this request. Never a secret.
  Context WithField(const std::string& name, std::string value) const;
  const std::map<std::string, std::string>& fields() const;
  // Whom TellFailure tells; replaces the one before.
  Context WithLatestFailure(std::shared_ptr<LatestFailure> failure) const;
  // For a failure that is not the end, before the wait that follows it.
  void TellFailure(const Error& error) const;

  // kCancelled or kDeadlineExceeded once it is over, else ok.
  Status Check(const Clock& clock) const;
  // What is left until the deadline, never negative.
  Duration Remaining(const Clock& clock) const;

 private:
  SteadyTime deadline_ = SteadyTime::max();
  std::stop_token stop_;
  std::shared_ptr<const std::map<std::string, std::string>> fields_;
  std::shared_ptr<LatestFailure> failure_;  // null = nobody wants to know
};

// Sleeps for `duration`, or until the context is over (then its error).
Status Sleep(const Context& context, const Clock& clock, Duration duration);

}  // namespace nodekeep
