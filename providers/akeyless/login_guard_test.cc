#include "providers/akeyless/login_guard.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "tests/fakes/fake_clock.h"

namespace nodekeep::akeyless {
namespace {

using Outcome = LoginGuard::Outcome;
using std::chrono::minutes;
using std::chrono::seconds;

struct Bench {
  // "ok" after a login with that outcome, else the error code of Admit.
  std::string LogIn(const std::string& credential, Outcome outcome,
                    const std::string& account = "gw p-1") {
    LoginAttempt attempt{account, credential};
    Status admitted = guard.Admit(Context(clock.Now() + seconds(5), {}), attempt);
    if (!admitted.ok()) {
      held = admitted.error();
      return std::string(ErrorCodeName(held->code()));
    }
    guard.Settle(attempt, outcome, "AuthenticationFailed");
    return "ok";
  }

  FakeClock clock;
  LoginGuard guard{clock};
  std::optional<Error> held;
};

}  // namespace

TEST_CASE("login guard: a credential refused twice waits, longer each time") {
  Bench bench;
  CHECK(bench.LogIn("a", Outcome::kRefused) == "ok");
  CHECK(bench.LogIn("a", Outcome::kRefused) == "ok");
  CHECK(bench.LogIn("a", Outcome::kRefused) == "throttled");
  CHECK(bench.held->retry_after() == minutes(1));
  CHECK(bench.held->message().starts_with("AuthenticationFailed; not tried again for 60 s"));
  bench.clock.Advance(minutes(1));
  CHECK(bench.LogIn("a", Outcome::kRefused) == "ok");
  CHECK(bench.LogIn("a", Outcome::kRefused) == "throttled");
  CHECK(bench.held->retry_after() == minutes(5));
  bench.clock.Advance(minutes(5));
  CHECK(bench.LogIn("a", Outcome::kAccepted) == "ok");
  CHECK(bench.LogIn("a", Outcome::kRefused) == "ok");
  CHECK(bench.LogIn("a", Outcome::kAccepted) == "ok");
}

TEST_CASE("login guard: there is never a fifth refusal in a row, with any credentials") {
  Bench bench;
  int sent = 0;
  for (int pod = 0; pod < 100; ++pod) {
    if (bench.LogIn("pod " + std::to_string(pod), Outcome::kRefused) == "ok") ++sent;
    bench.clock.Advance(seconds(1));
  }
  CHECK(sent == 4);
  CHECK(bench.held->message().find("others were refused for this access id") != std::string::npos);
  // After the hold, one at a time.
  bench.clock.Advance(LoginGuard::kHold);
  CHECK(bench.LogIn("x", Outcome::kRefused) == "ok");
  CHECK(bench.LogIn("y", Outcome::kRefused) == "throttled");
}

TEST_CASE("login guard: a login that failed for another reason is not a refusal") {
  Bench bench;
  for (int i = 0; i < 10; ++i) CHECK(bench.LogIn("a", Outcome::kUnknown) == "ok");
}

TEST_CASE("login guard: a credential that was accepted before is admitted, and ends the row") {
  Bench bench;
  CHECK(bench.LogIn("good", Outcome::kAccepted) == "ok");
  for (int i = 0; i < 4; ++i)
    CHECK(bench.LogIn("bad " + std::to_string(i), Outcome::kRefused) == "ok");
  CHECK(bench.LogIn("new", Outcome::kAccepted) == "throttled");
  CHECK(bench.LogIn("good", Outcome::kAccepted) == "ok");
  CHECK(bench.LogIn("new", Outcome::kAccepted) == "ok");
}

TEST_CASE("login guard: once a proven credential is refused, the other proven ones are held too") {
  const auto name = [](int pod) { return "pod " + std::to_string(pod); };
  SECTION("one after the other") {
    Bench bench;
    for (int pod = 0; pod < 20; ++pod) REQUIRE(bench.LogIn(name(pod), Outcome::kAccepted) == "ok");
    int sent = 0;
    for (int pod = 0; pod < 20; ++pod) {
      if (bench.LogIn(name(pod), Outcome::kRefused) == "ok") ++sent;
    }
    CHECK(sent == 4);
    bench.clock.Advance(LoginGuard::kHold);
    CHECK(bench.LogIn(name(10), Outcome::kAccepted) == "ok");
    // The row is over: refusals of unproven credentials do not hold the proven ones back again.
    for (int i = 0; i < 4; ++i) {
      CHECK(bench.LogIn("bad " + std::to_string(i), Outcome::kRefused) == "ok");
    }
    CHECK(bench.LogIn(name(11), Outcome::kUnknown) == "ok");
  }
  SECTION("at once") {
    Bench bench;
    std::vector<LoginAttempt> admitted;
    for (int pod = 0; pod < 20; ++pod) REQUIRE(bench.LogIn(name(pod), Outcome::kAccepted) == "ok");
    for (int pod = 0; pod < 20; ++pod) {
      LoginAttempt attempt{"gw p-1", name(pod)};
      if (bench.guard.Admit(Context(bench.clock.Now(), {}), attempt).ok()) {
        admitted.push_back(attempt);
      }
    }
    CHECK(admitted.size() == 4);
    for (const LoginAttempt& attempt : admitted) {
      bench.guard.Settle(attempt, Outcome::kRefused, "no");
      LoginAttempt next{"gw p-1", name(19)};
      CHECK_FALSE(bench.guard.Admit(Context(bench.clock.Now(), {}), next).ok());
    }
  }
}

TEST_CASE("login guard: refusals are counted per access id and gateway") {
  Bench bench;
  for (int i = 0; i < 4; ++i) bench.LogIn("bad " + std::to_string(i), Outcome::kRefused);
  CHECK(bench.LogIn("new", Outcome::kAccepted, "gw p-2") == "ok");
  CHECK(bench.LogIn("new", Outcome::kAccepted, "other p-1") == "ok");
}

TEST_CASE("login guard: at most four unproven attempts are in flight") {
  Bench bench;
  std::vector<LoginAttempt> attempts;
  for (int i = 0; i < 6; ++i) attempts.push_back({"gw p-1", "pod " + std::to_string(i)});
  for (int i = 0; i < 4; ++i) REQUIRE(bench.guard.Admit(Context(), attempts[i]).ok());

  std::stop_source stop;
  stop.request_stop();
  Status cancelled = bench.guard.Admit(Context(SteadyTime::max(), stop.get_token()), attempts[5]);
  REQUIRE_FALSE(cancelled.ok());
  CHECK(cancelled.error().code() == ErrorCode::kCancelled);

  std::atomic<bool> admitted = false;
  std::jthread waiting([&] { admitted = bench.guard.Admit(Context(), attempts[4]).ok(); });
  bench.guard.Settle(attempts[0], Outcome::kAccepted);
  waiting.join();
  CHECK(admitted);
}

TEST_CASE("login guard: an attempt is settled as it was admitted, proven or not") {
  Bench bench;
  CHECK(bench.LogIn("a", Outcome::kAccepted) == "ok");
  LoginAttempt first{"gw p-1", "a"}, second{"gw p-1", "a"};
  REQUIRE(bench.guard.Admit(Context(), first).ok());
  REQUIRE(bench.guard.Admit(Context(), second).ok());
  bench.guard.Settle(first, Outcome::kRefused, "no");
  bench.guard.Settle(second, Outcome::kUnknown);
  // Of the four places for unproven credentials, only the refusal's is taken.
  std::vector<LoginAttempt> attempts;
  for (int i = 0; i < 3; ++i) attempts.push_back({"gw p-1", "pod " + std::to_string(i)});
  for (LoginAttempt& attempt : attempts) {
    CHECK(bench.guard.Admit(Context(bench.clock.Now(), {}), attempt).ok());
  }
}

}  // namespace nodekeep::akeyless
