#pragma once

// The deadline, stop token, namespace and log fields of a request.
//
// First parameter of every function that can wait. Deadlines only get shorter in nested calls. A
// value, cheap to copy; safe to read from several threads.

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"

namespace nodekeep {

// The latest failure of work that is being retried. Set by the retry loop; read by waiters on other
// threads whose deadline passes before the outcome is known. Thread-safe.
class LatestFailure {
 public:
  void Set(const Error& error);
  std::optional<Error> Get() const;

 private:
  mutable Mutex mutex_;
  std::optional<Error> error_ NODEKEEP_GUARDED_BY(mutex_);
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
  // Replaces the stop token; for work that is handed to another owner and outlives this caller.
  Context WithStop(std::stop_token stop) const;
  // The namespace whose share of the node this work uses (shared_resource.h); "" = the node itself.
  Context WithNamespace(const std::string& namespace_name) const;
  const std::string& namespace_name() const;
  // Adds a field to every log line written for this request. Must not contain a secret.
  Context WithField(const std::string& name, std::string value) const;
  const std::map<std::string, std::string>& fields() const;
  // Sets the target of ReportFailure, replacing the previous one.
  Context WithLatestFailure(std::shared_ptr<LatestFailure> failure) const;
  // Records a failure that will be retried; call before the wait for the next attempt.
  void ReportFailure(const Error& error) const;

  // kCancelled once stopped, kDeadlineExceeded once the deadline has passed, else ok.
  Status Check(const Clock& clock) const;
  // Time left until the deadline, never negative.
  Duration Remaining(const Clock& clock) const;

 private:
  SteadyTime deadline_ = SteadyTime::max();
  std::stop_token stop_;
  std::shared_ptr<const std::string> namespace_;  // null = the node itself
  std::shared_ptr<const std::map<std::string, std::string>> fields_;
  std::shared_ptr<LatestFailure> failure_;  // null = failures are not recorded
};

// Sleeps for `duration`. Returns the context's error if the context ends first.
Status Sleep(const Context& context, const Clock& clock, Duration duration);

}  // namespace nodekeep
