#include "csi/target_locks.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "tests/fakes/fake_clock.h"

namespace nodekeep {
namespace {

using std::chrono::seconds;

Context Until(const FakeClock& clock, Duration wait) { return Context(clock.Now() + wait, {}); }

TEST_CASE("target locks: a path is locked until its guard ends; other paths are free") {
  FakeClock clock;
  TargetLocks locks(clock);
  auto held = locks.Lock(Context(), "/a");
  REQUIRE(held.ok());
  CHECK(locks.Lock(Until(clock, Duration::zero()), "/b").ok());
  const auto refused = locks.Lock(Until(clock, Duration::zero()), "/a");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == ErrorCode::kCancelled);
  CHECK(refused.error().message() ==
        "an operation on the volume at /a is still under way; it is tried again");
  held->reset();
  CHECK(locks.Lock(Until(clock, Duration::zero()), "/a").ok());
}

TEST_CASE("target locks: an operation ends with its caller's context") {
  FakeClock clock;
  TargetLocks locks(clock);
  std::stop_source caller;
  const SteadyTime deadline = clock.Now() + seconds(7);
  const auto held = locks.Lock(Context(deadline, caller.get_token()), "/a");
  REQUIRE(held.ok());
  CHECK((*held)->context().deadline() == deadline);
  CHECK_FALSE((*held)->context().stop().stop_requested());
  caller.request_stop();
  CHECK((*held)->context().stop().stop_requested());
}

TEST_CASE("target locks: one that waits ends when its caller has gone") {
  FakeClock clock;
  TargetLocks locks(clock);
  const auto held = locks.Lock(Context(), "/a");
  std::stop_source caller;
  caller.request_stop();
  CHECK_FALSE(locks.Lock(Context(SteadyTime::max(), caller.get_token()), "/a").ok());
}

TEST_CASE("target locks: CancelAndLock stops the operation at its path only, then has the path") {
  FakeClock clock;
  TargetLocks locks(clock);
  auto held = locks.Lock(Context(), "/a");
  const auto other = locks.Lock(Context(), "/b");
  REQUIRE(held.ok());
  std::atomic<bool> has_it = false;
  std::atomic<bool> is_cancelled = true;
  {
    std::jthread unpublish([&] {
      const auto own = locks.CancelAndLock(Context(), "/a");
      if (own.ok()) is_cancelled = (*own)->context().stop().stop_requested();
      has_it = own.ok();
    });
    while (!(*held)->context().stop().stop_requested()) std::this_thread::yield();
    CHECK_FALSE(has_it);  // until the operation has ended
    held->reset();
  }
  CHECK(has_it);
  CHECK_FALSE(is_cancelled);
  CHECK_FALSE((*other)->context().stop().stop_requested());
  CHECK(locks.CancelAndLock(Until(clock, Duration::zero()), "/a").ok());
}

}  // namespace
}  // namespace nodekeep
