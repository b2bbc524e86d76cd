#include "agent/http/token_bucket.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/fakes/fake_clock.h"

namespace nodekeep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

int TakeAll(TokenBucket& bucket, SteadyTime now) {
  int taken = 0;
  while (bucket.TryTake(now)) ++taken;
  return taken;
}

TokenBucket::Options Small() {
  TokenBucket::Options options;
  options.rate = 10;
  options.burst = 20;
  return options;
}

}  // namespace

TEST_CASE("token bucket: allows a burst first, then the rate") {
  FakeClock clock;
  TokenBucket bucket(Small(), clock.Now());
  CHECK(bucket.Wait(clock.Now()) == Duration(0));
  CHECK(TakeAll(bucket, clock.Now()) == 20);
  CHECK(bucket.Wait(clock.Now()) == milliseconds(100));
  clock.Advance(milliseconds(99));
  CHECK(TakeAll(bucket, clock.Now()) == 0);
  CHECK(bucket.Wait(clock.Now()) == milliseconds(1));
  clock.Advance(milliseconds(1));
  CHECK(TakeAll(bucket, clock.Now()) == 1);
  clock.Advance(seconds(1));
  CHECK(TakeAll(bucket, clock.Now()) == 10);
}

TEST_CASE("token bucket: a long pause saves at most the burst") {
  FakeClock clock;
  TokenBucket bucket(Small(), clock.Now());
  clock.Advance(seconds(3600));
  CHECK(TakeAll(bucket, clock.Now()) == 20);
}

TEST_CASE("token bucket: a refusal halves the rate and drops saved tokens") {
  FakeClock clock;
  TokenBucket bucket(Small(), clock.Now());
  bucket.Halve(clock.Now());
  CHECK(bucket.Rate(clock.Now()) == 5);
  CHECK(TakeAll(bucket, clock.Now()) == 1);
  CHECK(bucket.Wait(clock.Now()) == milliseconds(200));
}

TEST_CASE("token bucket: refusals of one burst count once") {
  FakeClock clock;
  TokenBucket bucket(Small(), clock.Now());
  for (int i = 0; i < 64; ++i) bucket.Halve(clock.Now());
  CHECK(bucket.Rate(clock.Now()) == 5);
}

TEST_CASE("token bucket: the rate never falls to zero, and grows back") {
  FakeClock clock;
  TokenBucket bucket(Small(), clock.Now());
  for (int i = 0; i < 20; ++i) {
    bucket.Halve(clock.Now());
    clock.Advance(seconds(1));
  }
  CHECK(bucket.Rate(clock.Now()) >= 1);
  CHECK(bucket.Rate(clock.Now()) < 1.5);
  clock.Advance(seconds(30));
  CHECK(bucket.Rate(clock.Now()) > 5);
  CHECK(bucket.Rate(clock.Now()) < 7);
  clock.Advance(seconds(60));
  CHECK(bucket.Rate(clock.Now()) == 10);
}

}  // namespace nodekeep
