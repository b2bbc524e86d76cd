#include "agent/rpc/call_tracker.h"

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stop_token>

#include "tests/fakes/fake_clock.h"

namespace nodekeep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Whether `work` is still blocked. A correct tracker keeps it blocked, so the timeout only bounds
// how long the test waits for a faulty one to return.
bool IsWaiting(const std::future<void>& work) {
  return work.wait_for(milliseconds(20)) == std::future_status::timeout;
}

}  // namespace

TEST_CASE("call tracker: accepts calls until StopAccepting, then refuses them") {
  FakeClock clock;
  CallTracker tracker(clock);
  CHECK(tracker.accepting());
  const CallTracker::Call before = tracker.Begin();
  tracker.StopAccepting();
  CHECK_FALSE(tracker.accepting());
  const CallTracker::Call after = tracker.Begin();
  CHECK(before.accepted());
  CHECK_FALSE(after.accepted());
  CHECK_FALSE(tracker.stop_token().stop_requested());
}

TEST_CASE("call tracker: Drain waits for the last call, then requests stop") {
  FakeClock clock;
  CallTracker tracker(clock);
  std::optional<CallTracker::Call> first(tracker.Begin());
  std::optional<CallTracker::Call> second(tracker.Begin());
  tracker.StopAccepting();
  const SteadyTime start = clock.Now();
  const std::future<void> drain =
      std::async(std::launch::async, [&] { tracker.Drain(start + seconds(60)); });
  first.reset();
  CHECK(IsWaiting(drain));
  CHECK_FALSE(tracker.stop_token().stop_requested());
  second.reset();
  drain.wait();
  CHECK(tracker.stop_token().stop_requested());
  CHECK(clock.Now() == start);
}

TEST_CASE("call tracker: calls that run past the deadline of Drain are requested to stop") {
  FakeClock clock;
  CallTracker tracker(clock);
  std::optional<CallTracker::Call> call(tracker.Begin());
  const std::stop_callback<std::function<void()>> end(tracker.stop_token(), [&] { call.reset(); });
  clock.AdvanceOnWait(true);
  const SteadyTime start = clock.Now();
  tracker.Drain(start + seconds(60));
  CHECK_FALSE(call.has_value());
  CHECK(clock.Now() - start == seconds(60));
}

TEST_CASE("call tracker: Drain returns even if a call does not end after a stop request") {
  FakeClock clock;
  CallTracker tracker(clock);
  const CallTracker::Call call = tracker.Begin();
  clock.AdvanceOnWait(true);
  const SteadyTime start = clock.Now();
  tracker.Drain(start + seconds(60));
  CHECK(tracker.stop_token().stop_requested());
  CHECK(clock.Now() - start == seconds(60) + CallTracker::kStopGrace);
}

TEST_CASE("call tracker: Drain does not wait for refused calls") {
  FakeClock clock;
  CallTracker tracker(clock);
  tracker.StopAccepting();
  const CallTracker::Call refused = tracker.Begin();
  const SteadyTime start = clock.Now();
  tracker.Drain(start + seconds(60));
  CHECK(clock.Now() == start);
}

TEST_CASE("call tracker: destruction waits for every call, including refused ones") {
  FakeClock clock;
  for (const bool accepted : {true, false}) {
    INFO((accepted ? "accepted" : "refused"));
    auto tracker = std::make_unique<CallTracker>(clock);
    if (!accepted) tracker->StopAccepting();
    std::optional<CallTracker::Call> call(tracker->Begin());
    const std::future<void> destruction = std::async(std::launch::async, [&] { tracker.reset(); });
    CHECK(IsWaiting(destruction));
    call.reset();
    destruction.wait();
  }
}

TEST_CASE("call tracker: a moved call is counted once") {
  FakeClock clock;
  CallTracker tracker(clock);
  CallTracker::Call call = tracker.Begin();
  { const CallTracker::Call moved = std::move(call); }
  const SteadyTime start = clock.Now();
  tracker.Drain(start + seconds(60));
  CHECK(clock.Now() == start);
}

}  // namespace nodekeep
