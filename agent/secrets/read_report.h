#pragma once

// How a request was answered: for the log line, the metrics and `status`. Counts distinct refs.

#include <cstddef>
#include <string>

#include "agent/base/clock.h"

namespace nodekeep {

struct ReadReport {
  std::size_t refs = 0;
  std::size_t hits = 0;                       // served from memory, fresh
  std::size_t backend_reads = 0;              // read from the backend by this request
  std::size_t logins = 0;                     // made by this request
  std::size_t stale = 0;                      // last good values served because the backend is down
  Duration stale_age = Duration::zero();      // of the oldest of them
  std::string stale_reason;                   // why the backend could not be read
  Duration refresh_after = Duration::zero();  // of the request's policy; zero = not known
};

}  // namespace nodekeep
