#include "agent/base/context.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/fakes/fake_clock.h"

namespace nodekeep {
namespace {

using std::chrono::seconds;

TEST_CASE("context: a deadline can only get shorter") {
  const FakeClock clock;
  const SteadyTime early = clock.Now() + seconds(1);
  const SteadyTime late = clock.Now() + seconds(9);
  CHECK(Context().deadline() == SteadyTime::max());
  CHECK(Context().WithDeadline(late).deadline() == late);
  CHECK(Context().WithDeadline(late).WithDeadline(early).deadline() == early);
  CHECK(Context().WithDeadline(early).WithDeadline(late).deadline() == early);
}

TEST_CASE("context: ends when stopped or when the deadline is reached") {
  FakeClock clock;
  std::stop_source stop;
  const Context context(clock.Now() + seconds(5), stop.get_token());
  CHECK(context.Check(clock).ok());
  CHECK(context.Remaining(clock) == seconds(5));

  clock.Advance(seconds(5));
  CHECK(context.Check(clock).error().code() == ErrorCode::kDeadlineExceeded);
  clock.Advance(seconds(5));
  CHECK(context.Remaining(clock) == Duration::zero());

  stop.request_stop();
  CHECK(context.Check(clock).error().code() == ErrorCode::kCancelled);
  CHECK(context.WithStop({}).Check(clock).error().code() == ErrorCode::kDeadlineExceeded);
  CHECK(Context().Check(clock).ok());
  CHECK(Context().Remaining(clock) == Duration::max());
}

TEST_CASE("context: fields are added to a copy") {
  const Context plain;
  const Context pod = plain.WithField("pod", "shop/web");
  const Context both = pod.WithField("provider", "vault").WithField("pod", "shop/other");
  CHECK(plain.fields().empty());
  CHECK(pod.fields() == std::map<std::string, std::string>{{"pod", "shop/web"}});
  CHECK(both.fields() ==
        std::map<std::string, std::string>{{"pod", "shop/other"}, {"provider", "vault"}});
  CHECK(both.WithDeadline(SteadyTime()).fields() == both.fields());
}

TEST_CASE("context: a sleep ends after its duration, at the deadline or on a stop") {
  FakeClock clock;
  clock.AdvanceOnWait(true);
  const SteadyTime start = clock.Now();

  CHECK(Sleep(Context(), clock, seconds(3)).ok());
  CHECK(clock.Now() - start == seconds(3));

  const Context limited = Context().WithDeadline(clock.Now() + seconds(1));
  CHECK(Sleep(limited, clock, seconds(60)).error().code() == ErrorCode::kDeadlineExceeded);
  CHECK(clock.Now() - start == seconds(4));
  // Longer than the clock can represent.
  const Context limited_again = Context().WithDeadline(clock.Now() + seconds(1));
  CHECK(Sleep(limited_again, clock, Duration::max()).error().code() ==
        ErrorCode::kDeadlineExceeded);

  std::stop_source stop;
  stop.request_stop();
  CHECK(Sleep(Context().WithStop(stop.get_token()), clock, Duration::max()).error().code() ==
        ErrorCode::kCancelled);
  CHECK(Sleep(Context(), clock, Duration::zero()).ok());
}

}  // namespace
}  // namespace nodekeep
