#include "agent/base/thread_guard.h"

#include <pthread.h>

#include <algorithm>
#include <exception>

#include "agent/base/context.h"
#include "agent/base/log.h"

namespace nodekeep {
namespace {

// The text comes from a library and may contain any amount of input.
constexpr std::size_t kMaxText = 512;

void Report(std::string_view thread, const ExceptionReporter& report, std::string_view error) {
  error = error.substr(0, kMaxText);
  if (report) return report(thread, error);
  Logger(LogLevel::kError, LogFormat::kJson)
      .Error(kUnexpectedException, {{"thread", thread}, {"error", error}});
}

}  // namespace

bool RunReported(std::string_view thread, const ExceptionReporter& report,
                 const std::function<void()>& step) {
  try {
    step();
    return true;
  } catch (const std::exception& error) {
    Report(thread, report, error.what());
  } catch (...) {
    Report(thread, report, "an exception of an unknown type");
  }
  return false;
}

void RunGuarded(std::string_view thread, std::stop_token stop, const Clock& clock,
                const ExceptionReporter& report, const std::function<void()>& loop,
                LoopPause pause) {
  pthread_setname_np(pthread_self(), std::string(thread).c_str());
  const Context context(SteadyTime::max(), stop);
  Duration rest = pause.first;
  while (true) {
    const SteadyTime begun = clock.Now();
    if (RunReported(thread, report, loop)) return;
    if (clock.Now() - begun > pause.longest) rest = pause.first;
    if (!Sleep(context, clock, rest).ok()) return;
    rest = std::min(rest * 2, pause.longest);
  }
}

}  // namespace nodekeep
