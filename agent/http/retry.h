#pragma once

// The retry policy: full-jitter exponential back-off, Retry-After is obeyed, never past the
// context.

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/result.h"

namespace nodekeep {

struct RetryPolicy {
  int attempts = 4;  // including the first one
  Duration first = std::chrono::milliseconds(200);
  // Replaces `first` after kThrottled without a Retry-After: a caller over a limit stays over it
  // for at least a second, and every attempt counts towards the limit.
  Duration first_throttled = std::chrono::seconds(2);
  Duration longest = std::chrono::seconds(5);
};

// The delay after the `attempt`-th failure (from 1): uniform between zero and
// min(longest, first * 2^(attempt - 1)).
Duration Backoff(const RetryPolicy& policy, int attempt, Rng& rng);

// A Retry-After header: seconds, or an HTTP date (a past one is zero). nullopt when it is neither.
std::optional<Duration> ParseRetryAfter(std::string_view header, WallTime now);

// Thread-safe.
class RetryLoop {
 public:
  RetryLoop(RetryPolicy policy, const Clock& clock, Rng& rng)
      : policy_(policy), clock_(clock), rng_(rng) {}

  // Calls `attempt`, a function returning some Result<T>, until one of:
  // - it succeeds;
  // - it fails with an error that is not transient (Error::IsTransient);
  // - all attempts are made, or the next delay is longer than the rest of the context: returns the
  //   last error with this reason appended.
  // Errors before the last one are reported to the context (Context::ReportFailure).
  //
  // An attempt with several requests should return the error with the longest Retry-After for which
  // FitsRetryAfter holds; requests with a longer Retry-After must not be sent again.
  template <typename Attempt>
  auto Run(const Context& context, Attempt attempt) const -> decltype(attempt()) {
    for (int made = 1;; ++made) {
      auto result = attempt();
      if (result.ok()) return result;
      if (std::optional<Error> final = Pause(context, result.error(), made)) {
        return *std::move(final);
      }
    }
  }

  // False when the Retry-After of `error` is longer than the rest of the context.
  bool FitsRetryAfter(const Context& context, const Error& error) const;

 private:
  // Sleeps before the next attempt; returns the final error when there is no next attempt.
  std::optional<Error> Pause(const Context& context, const Error& error, int made) const;

  const RetryPolicy policy_;
  const Clock& clock_;
  Rng& rng_;
};

}  // namespace nodekeep
