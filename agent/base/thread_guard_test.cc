#include "agent/base/thread_guard.h"

#include <pthread.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <latch>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/base/on_exit.h"
#include "tests/fakes/capture_stderr.h"
#include "tests/fakes/fake_clock.h"

namespace nodekeep {
namespace {

using Reports = std::vector<std::string>;

ExceptionReporter Into(Reports& reports) {
  return [&reports](std::string_view thread, std::string_view error) {
    reports.push_back(std::string(thread) + ": " + std::string(error));
  };
}

TEST_CASE("thread guard: a loop that throws is reported and run again until it returns") {
  FakeClock clock;
  clock.AdvanceOnWait(true);
  Reports reports;
  int runs = 0;
  RunGuarded("loop", {}, clock, Into(reports), [&] {
    ++runs;
    if (runs == 1) throw std::runtime_error("first");
    if (runs == 2) throw 7;
  });
  CHECK(runs == 3);
  CHECK(reports == Reports{"loop: first", "loop: an exception of an unknown type"});
}

TEST_CASE("thread guard: the pause of a loop that keeps throwing doubles up to a limit") {
  FakeClock clock;
  clock.AdvanceOnWait(true);
  Reports reports;
  std::vector<SteadyTime> begun;
  RunGuarded("loop", {}, clock, Into(reports),
             [&] {
               begun.push_back(clock.Now());
               if (begun.size() == 6) return;
               // After a long run the next pause is the first one again.
               if (begun.size() == 5) clock.Advance(std::chrono::seconds(10));
               throw std::runtime_error("again");
             },
             {.first = std::chrono::seconds(1), .longest = std::chrono::seconds(5)});
  std::vector<std::int64_t> seconds;
  for (std::size_t i = 1; i < begun.size(); ++i) {
    seconds.push_back(
        std::chrono::duration_cast<std::chrono::seconds>(begun[i] - begun[i - 1]).count());
  }
  CHECK(seconds == std::vector<std::int64_t>{1, 2, 4, 5, 11});
  CHECK(reports.size() == 5);
}

TEST_CASE("thread guard: a stop ends the pause at once, and the loop is not run again") {
  FakeClock clock;  // does not advance: only the stop can end the pause
  std::latch reported(1);
  std::atomic<int> runs = 0;
  {
    std::jthread thread([&](std::stop_token stop) {
      RunGuarded(
          "loop", stop, clock, [&](std::string_view, std::string_view) { reported.count_down(); },
          [&] {
            ++runs;
            throw std::runtime_error("once");
          });
    });
    reported.wait();
  }
  CHECK(runs == 1);
}

TEST_CASE("thread guard: names its thread") {
  std::string name(16, '\0');
  std::jthread([&] {
    RunGuarded("driver-upkeep", {}, SystemClock(), {},
               [&] { pthread_getname_np(pthread_self(), name.data(), name.size()); });
  }).join();
  CHECK(std::string(name.c_str()) == "driver-upkeep");
}

TEST_CASE("thread guard: without a reporter a JSON log line is written to standard error") {
  CaptureStderr captured;
  CHECK_FALSE(RunReported("loop", {}, [] { throw std::runtime_error("say \"why\""); }));
  const Result<Json> line = ParseJson(captured.Text());
  REQUIRE(line.ok());
  CHECK(TextOf(Find(*line, {"level"})) == "error");
  CHECK(TextOf(Find(*line, {"event"})) == "unexpected exception in a thread");
  CHECK(TextOf(Find(*line, {"thread"})) == "loop");
  CHECK(TextOf(Find(*line, {"error"})) == "say \"why\"");
}

TEST_CASE("thread guard: a long exception text is truncated") {
  Reports reports;
  CHECK_FALSE(RunReported("loop", Into(reports),
                          [] { throw std::runtime_error(std::string(1 << 20, 'x')); }));
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].size() < 1000);
}

TEST_CASE("on exit: runs on every exit from a scope; on throw: only after an exception") {
  Reports done;
  const auto scope = [&](bool throws) {
    const OnExit exit([&] { done.push_back("exit"); });
    const OnThrow thrown([&] { done.push_back("throw"); });
    if (throws) throw std::runtime_error("x");
    done.push_back("end");
  };
  scope(false);
  CHECK(done == Reports{"end", "exit"});
  done.clear();
  CHECK_THROWS(scope(true));
  CHECK(done == Reports{"throw", "exit"});
}

}  // namespace
}  // namespace nodekeep
