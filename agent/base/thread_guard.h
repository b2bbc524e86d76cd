#pragma once

// Catches exceptions at the entry of each thread, of each pool task, and of each call from a
// library into our code.
//
// Our code does not throw (result.h); an exception here is a defect, or a library out of a
// resource. Uncaught it would end the process, and after every restart again if its cause is a file
// on the node. So it is reported, and the thread continues.

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "agent/base/clock.h"

namespace nodekeep {

// The log event.
inline constexpr std::string_view kUnexpectedException = "unexpected exception in a thread";

// Called with an exception that ended a step of `thread`, one of our constants. Must be thread-safe
// and must not throw. If empty, a line in the log's JSON format is written to standard error.
using ExceptionReporter = std::function<void(std::string_view thread, std::string_view error)>;

// Calls `step`. Returns false after `step` threw; the exception has been reported.
bool RunReported(std::string_view thread, const ExceptionReporter& report,
                 const std::function<void()>& step);

// Back-off before a loop that threw is restarted: grows with each failure in a row; reset after a
// run that lasted.
struct LoopPause {
  Duration first = std::chrono::seconds(1);
  Duration longest = std::chrono::minutes(1);
};

// The body of a thread: names it (at most 15 characters) and calls `loop` until it returns. An
// exception is reported, and `loop` is called again after a pause unless `stop` is requested by
// then; so `loop` must be restartable.
void RunGuarded(std::string_view thread, std::stop_token stop, const Clock& clock,
                const ExceptionReporter& report, const std::function<void()>& loop,
                LoopPause pause = {});

}  // namespace nodekeep
