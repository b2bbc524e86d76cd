#include "agent/http/circuit_breaker.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/fakes/fake_clock.h"

namespace nodekeep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// With FakeRng(1) there is no jitter: each delay is its maximum.
struct Fixture {
  FakeClock clock;
  FakeRng rng{1};
  CircuitBreaker breaker{CircuitBreaker::Options(), rng};

  void Fail(int times) {
    for (int i = 0; i < times; ++i) {
      breaker.Failed(breaker.Admit(), clock.Now(), "connection refused");
    }
  }
};

}  // namespace

TEST_CASE("breaker: five failures in a row open it") {
  Fixture f;
  f.Fail(4);
  CHECK(!f.breaker.open());
  CHECK(!f.breaker.Refuses(f.clock.Now()));
  f.Fail(1);
  CHECK(f.breaker.open());
  CHECK(f.breaker.Refuses(f.clock.Now()));
  CHECK(f.breaker.HeldFor(f.clock.Now()) == seconds(1));
  CHECK(f.breaker.failures() == 5);
  CHECK(f.breaker.last_failure() == "connection refused");
}

TEST_CASE("breaker: a success in between resets the count") {
  Fixture f;
  f.Fail(4);
  f.breaker.Succeeded(f.breaker.Admit());
  f.Fail(4);
  CHECK(!f.breaker.open());
}

TEST_CASE("breaker: one probe at a time passes after the delay, its success closes") {
  Fixture f;
  f.Fail(5);
  f.clock.Advance(milliseconds(999));
  CHECK(f.breaker.Refuses(f.clock.Now()));
  f.clock.Advance(milliseconds(1));
  REQUIRE(!f.breaker.Refuses(f.clock.Now()));
  const CircuitBreaker::Pass probe = f.breaker.Admit();
  CHECK(f.breaker.Refuses(f.clock.Now()));
  CHECK(f.breaker.HeldFor(f.clock.Now()) == Duration(0));
  f.breaker.Succeeded(probe);
  CHECK(!f.breaker.open());
  CHECK(!f.breaker.Refuses(f.clock.Now()));
}

TEST_CASE("breaker: each failed probe doubles the delay up to the maximum") {
  Fixture f;
  f.Fail(5);
  for (int want : {1, 2, 4, 8, 16, 30, 30}) {
    CHECK(f.breaker.HeldFor(f.clock.Now()) == seconds(want));
    f.clock.Advance(seconds(want));
    REQUIRE(!f.breaker.Refuses(f.clock.Now()));
    f.Fail(1);
  }
  f.clock.Advance(seconds(30));
  f.breaker.Succeeded(f.breaker.Admit());
  f.Fail(5);
  INFO("after closing, the first delay is the short one again");
  CHECK(f.breaker.HeldFor(f.clock.Now()) == seconds(1));
}

TEST_CASE("breaker: the delay is jittered between its half and its maximum") {
  FakeClock clock;
  FakeRng rng(0);
  CircuitBreaker breaker(CircuitBreaker::Options(), rng);
  for (int i = 0; i < 5; ++i) breaker.Failed(breaker.Admit(), clock.Now(), "down");
  CHECK(breaker.HeldFor(clock.Now()) == milliseconds(500));
}

TEST_CASE("breaker: a cancelled probe lets the next one pass") {
  Fixture f;
  f.Fail(5);
  f.clock.Advance(seconds(1));
  f.breaker.Abandoned(f.breaker.Admit());
  CHECK(f.breaker.open());
  CHECK(!f.breaker.Refuses(f.clock.Now()));
}

TEST_CASE("breaker: outcomes of requests from before the opening are ignored") {
  Fixture f;
  const CircuitBreaker::Pass early = f.breaker.Admit();
  const CircuitBreaker::Pass other = f.breaker.Admit();
  f.Fail(5);
  f.breaker.Succeeded(early);
  f.breaker.Failed(other, f.clock.Now(), "old");
  CHECK(f.breaker.open());
  CHECK(f.breaker.HeldFor(f.clock.Now()) == seconds(1));
  CHECK(f.breaker.last_failure() == "connection refused");
  f.clock.Advance(seconds(1));
  const CircuitBreaker::Pass probe = f.breaker.Admit();
  f.breaker.Abandoned(early);
  CHECK(f.breaker.Refuses(f.clock.Now()));
  f.breaker.Succeeded(probe);
  CHECK(!f.breaker.open());
}

}  // namespace nodekeep
