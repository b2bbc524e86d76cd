#pragma once

// The one retry policy: full-jitter exponential delays, Retry-After obeyed, never past the
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
  int attempts = 4;  // the first one included
  Duration first = std::chrono::milliseconds(200);
  // In place of `first` after kThrottled without a Retry-After: whoever is over a limit stays there
  // for a second at least, and every attempt counts towards it.
  Duration first_throttled = std::chrono::seconds(2);
  Duration longest = std::chrono::seconds(5);
};

// The delay after the `attempt`-th failure (from 1): uniform between zero and
// min(longest, first * 2^(attempt - 1)).
Duration Backoff(const RetryPolicy& policy, int attempt, Rng& rng);

// A Retry-After header: seconds, or an HTTP date (a past one is zero). Nothing when it is neither.
std::optional<Duration> ParseRetryAfter(std::string_view header, WallTime now);

// Thread-safe.
class RetryLoop {
 public:
  RetryLoop(RetryPolicy policy, const Clock& clock, Rng& rng)
      : policy_(policy), clock_(clock), rng_(rng) {}

  // Calls `attempt`, a function returning some Result<T>, until it succeeds, fails for good
  // (Error::IsTransient is false), or no further attempt fits: too many made, or the next delay
  // is longer than what is left of the context. The last error then, which says so. The errors
  // before it are told to the context (Context::TellFailure).
  //
  // With several things asked for in one attempt, its error should be the one with the longest
  // Retry-After for which LeavesTime holds; the others are not to be asked for again.
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

  // False when the Retry-After of `error` does not fit into what is left of the context.
  bool LeavesTime(const Context& context, const Error& error) const;

 private:
  // Sleeps before the next attempt; the error to end with when there is none.
  std::optional<Error> Pause(const Context& context, const Error& error, int made) const;

  const RetryPolicy policy_;
  const Clock& clock_;
  Rng& rng_;
};

}  // namespace nodekeep
