#pragma once

// Optimistic concurrency: read an object, change it, write it on condition that it still has the
// version that was read, and start again with the read if the API server reports a conflict.

#include "agent/base/result.h"

namespace nodekeep {

// The API server's response to a write with an outdated version, another uid, or a name that is
// already used.
inline bool IsConflict(const Error& error) { return error.code() == ErrorCode::kConflict; }

// Calls `read_and_write` until it returns a value, or an error that `is_conflict` does not accept,
// at most `max_attempts` times (1 = no second attempt). Returns the result of the last call. There
// is no delay between attempts: each begins with a read, so it works on the newest version. Each
// call sends its requests under the caller's Context; when the Context ends, that is not a conflict
// and so ends the loop.
//
// `read_and_write` returns a Result or a Status. `is_conflict(error, attempt)` counts attempts
// from 1.
template <typename ReadAndWrite, typename Predicate>
auto RetryOnConflict(int max_attempts, ReadAndWrite read_and_write, Predicate is_conflict) {
  for (int attempt = 1;; ++attempt) {
    auto result = read_and_write();
    if (result.ok() || attempt >= max_attempts || !is_conflict(result.error(), attempt)) {
      return result;
    }
  }
}

template <typename ReadAndWrite>
auto RetryOnConflict(int max_attempts, ReadAndWrite read_and_write) {
  return RetryOnConflict(max_attempts, read_and_write,
                         [](const Error& error, int) { return IsConflict(error); });
}

}  // namespace nodekeep
