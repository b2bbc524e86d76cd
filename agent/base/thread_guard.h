#pragma once

// The boundary where exceptions end: the entry of each thread, of each task of a pool, and of each
// call that a library makes to us.
//
// Our code throws nothing (result.h); what arrives here is a defect, or a library that ran out of
// something. Left alone it would end the process, and at each start again if its cause is a file on
// the node. So it is reported, and the thread goes on.

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "agent/base/clock.h"

namespace nodekeep {

// The event of the log line.
inline constexpr std::string_view kUnexpectedException = "unexpected exception in a thread";

// Is told of an exception that has ended a step of `thread`, a constant of ours. Thread-safe; does
// not throw. An empty one stands for a line in the log's JSON form on standard error.
using ExceptionReporter = std::function<void(std::string_view thread, std::string_view error)>;

// Calls `step`. False: it has thrown, which has been reported.
bool RunReported(std::string_view thread, const ExceptionReporter& report,
                 const std::function<void()>& step);

// How long a loop that has thrown rests: longer each time, from the start after a run that lasted.
struct LoopPause {
  Duration first = std::chrono::seconds(1);
  Duration longest = std::chrono::minutes(1);
};

// The body of a thread: names it (at most 15 characters) and calls `loop` until that returns. When
// it throws, that is reported, and `loop` is called again after a pause, unless `stop` is requested
// by then; so it has to be one that can begin again.
void RunGuarded(std::string_view thread, std::stop_token stop, const Clock& clock,
                const ExceptionReporter& report, const std::function<void()>& loop,
                LoopPause pause = {});

}  // namespace nodekeep
