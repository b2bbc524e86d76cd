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

// Whether the other thread is still at work. A correct tracker keeps it there, so the time only
// bounds how long a wrong one has to show itself.
bool IsWaiting(const std::future<void>& work) {
  return work.wait_for(milliseconds(20)) == std::future_status::timeout;
}

}  // namespace

TEST_CASE("call tracker: accepts calls until it is told to stop, and refuses them from then on") {
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

TEST_CASE("call tracker: drain waits for the last call, and then requests stop") {
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

TEST_CASE("call tracker: calls that outlast the deadline of drain are told to stop") {
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

TEST_CASE("call tracker: drain returns although a call that was told to stop does not end") {
  FakeClock clock;
  CallTracker tracker(clock);
  const CallTracker::Call call = tracker.Begin();
  clock.AdvanceOnWait(true);
  const SteadyTime start = clock.Now();
  tracker.Drain(start + seconds(60));
  CHECK(tracker.stop_token().stop_requested());
  CHECK(clock.Now() - start == seconds(60) + CallTracker::kStopGrace);
}

TEST_CASE("call tracker: drain does not wait for refused calls") {
  FakeClock clock;
  CallTracker tracker(clock);
  tracker.StopAccepting();
  const CallTracker::Call refused = tracker.Begin();
  const SteadyTime start = clock.Now();
  tracker.Drain(start + seconds(60));
  CHECK(clock.Now() == start);
}

TEST_CASE("call tracker: its destruction waits for every call, refused ones too") {
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

TEST_CASE("call tracker: a call that is moved is still one call") {
  FakeClock clock;
  CallTracker tracker(clock);
  CallTracker::Call call = tracker.Begin();
  { const CallTracker::Call moved = std::move(call); }
  const SteadyTime start = clock.Now();
  tracker.Drain(start + seconds(60));
  CHECK(clock.Now() == start);
}

}  // namespace nodekeep
