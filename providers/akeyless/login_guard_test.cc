#include "providers/akeyless/login_guard.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "providers/akeyless/test_account.h"
#include "tests/fakes/fake_clock.h"

namespace nodekeep::akeyless {
namespace {

using Outcome = LoginGuard::Outcome;
using std::chrono::minutes;
using std::chrono::seconds;

struct Bench {
  // "ok" after a login with that outcome, else the error code of Admit.
  std::string LogIn(const std::string& credential, Outcome outcome,
                    const std::string& account = "gw p-1", const std::string& tenant = "shop",
                    const std::string& subject = "") {
    LoginAttempt attempt{account, credential, tenant, subject};
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

TEST_CASE("login guard: a namespace waits after its second refusal, whatever the credentials") {
  Bench bench;
  auto refused = [&, pod = 0]() mutable {
    return bench.LogIn("pod " + std::to_string(pod++), Outcome::kRefused);
  };
  CHECK(refused() == "ok");
  CHECK(refused() == "ok");
  for (const Duration wait :
       {Duration(minutes(1)), Duration(minutes(5)), Duration(LoginGuard::kHold)}) {
    CHECK(refused() == "throttled");
    CHECK(bench.held->retry_after() == wait);
    CHECK(bench.held->message().find("others of this namespace were refused") != std::string::npos);
    bench.clock.Advance(wait);
    CHECK(refused() == "ok");
  }
  CHECK(refused() == "throttled");
}

TEST_CASE("login guard: one namespace cannot hold the access id for the others") {
  Bench bench;
  // Whatever it does, for a day.
  for (int i = 0; i < 24 * 60; ++i) {
    bench.LogIn("pod " + std::to_string(i), Outcome::kRefused, "gw p-1", "evil");
    bench.clock.Advance(minutes(1));
  }
  CHECK(bench.LogIn("new", Outcome::kRefused) == "ok");
  CHECK(bench.LogIn("other", Outcome::kAccepted) == "ok");
}

TEST_CASE("login guard: nor can it take all places of logins in flight") {
  for (const bool proven : {false, true}) {
    INFO(proven);
    Bench bench;
    const auto name = [](int i) { return "evil " + std::to_string(i); };
    for (int i = 0; proven && i < 10; ++i) {
      REQUIRE(bench.LogIn(name(i), Outcome::kAccepted, "gw p-1", "evil") == "ok");
    }
    std::size_t admitted = 0;
    for (int i = 0; i < 10; ++i) {
      LoginAttempt attempt{"gw p-1", name(i), "evil"};
      if (bench.guard.Admit(Context(bench.clock.Now(), {}), attempt).ok()) ++admitted;
    }
    CHECK(admitted == 3);
    CHECK(bench.LogIn("new", Outcome::kAccepted) == "ok");
    CHECK(bench.LogIn("new", Outcome::kAccepted) == "ok");
  }
}

TEST_CASE("login guard: several namespaces never make a fifth refusal in a row") {
  Bench bench;
  int sent = 0;
  for (int i = 0; i < 100; ++i) {
    if (bench.LogIn("pod", Outcome::kRefused, "gw p-1", "tenant " + std::to_string(i)) == "ok") {
      ++sent;
    }
    bench.clock.Advance(seconds(1));
  }
  CHECK(sent == 4);
  CHECK(bench.held->message().find("logins of several namespaces were refused") !=
        std::string::npos);
  CHECK(bench.held->message().find("AuthenticationFailed") == std::string::npos);
  // After the hold, one at a time.
  bench.clock.Advance(LoginGuard::kHold);
  CHECK(bench.LogIn("x", Outcome::kRefused) == "ok");
  CHECK(bench.LogIn("y", Outcome::kRefused, "gw p-1", "tenant") == "throttled");
}

TEST_CASE("login guard: a pod is trusted for its service account, which another has proven") {
  Bench bench;
  CHECK(bench.LogIn("token 1", Outcome::kAccepted, "gw p-1", "shop", "shop/web") == "ok");
  for (int i = 0; i < 2; ++i) {
    CHECK(bench.LogIn("bad " + std::to_string(i), Outcome::kRefused) == "ok");
  }
  CHECK(bench.LogIn("token 2", Outcome::kAccepted, "gw p-1", "shop", "shop/db") == "throttled");
  CHECK(bench.LogIn("token 2", Outcome::kAccepted, "gw p-1", "shop", "shop/web") == "ok");
}

TEST_CASE("login guard: a refusal in one namespace takes nothing from the proven ones of another") {
  Bench bench;
  const auto of = [&](const std::string& tenant, Outcome outcome) {
    return bench.LogIn(tenant, outcome, "gw p-1", tenant);
  };
  for (const char* tenant : {"a", "b", "c"}) REQUIRE(of(tenant, Outcome::kAccepted) == "ok");
  CHECK(of("a", Outcome::kRefused) == "ok");
  LoginAttempt attempt{"gw p-1", "b", "b"};
  REQUIRE(bench.guard.Admit(Context(), attempt).ok());
  CHECK(attempt.trusted);
  // A second namespace: the auth method may have been disabled.
  bench.guard.Settle(attempt, Outcome::kRefused, "no");
  LoginAttempt third{"gw p-1", "c", "c"};
  REQUIRE(bench.guard.Admit(Context(), third).ok());
  CHECK_FALSE(third.trusted);
}

TEST_CASE("login guard: what is remembered of one namespace does not replace that of another") {
  Bench bench;
  CHECK(bench.LogIn("good", Outcome::kAccepted) == "ok");
  CHECK(bench.LogIn("bad", Outcome::kRefused, "gw p-2") == "ok");
  CHECK(bench.LogIn("bad", Outcome::kRefused, "gw p-2") == "ok");
  for (int i = 0; i < 2000; ++i) {
    const std::string name = std::to_string(i);
    bench.LogIn("evil", Outcome::kAccepted, "gw of " + name, "evil");
    bench.LogIn("evil " + name, Outcome::kAccepted, "gw p-1", "evil");
  }
  CHECK(bench.LogIn("bad", Outcome::kRefused, "gw p-2") == "throttled");
  LoginAttempt attempt{"gw p-1", "good", "shop"};
  REQUIRE(bench.guard.Admit(Context(), attempt).ok());
  CHECK(attempt.trusted);
}

TEST_CASE("login guard: every option of the class is part of what is proven and refused") {
  Options options = TestOptions({AccessType::kK8s});
  const LoginAttempt before = AttemptOf(AccessType::kK8s, options, "digest", "shop", "shop/web");
  options.k8s_auth_config = "other";
  const LoginAttempt after = AttemptOf(AccessType::kK8s, options, "digest", "shop", "shop/web");
  CHECK(before.account == after.account);
  CHECK(before.credential != after.credential);
  CHECK(before.subject != after.subject);
  CHECK(AttemptOf(AccessType::kK8s, options, "new token", "shop", "shop/web").subject ==
        after.subject);
  CHECK(AttemptOf(AccessType::kAccessKey, options, "digest", "shop").subject == "");
}

TEST_CASE("login guard: a login that failed for another reason is not a refusal") {
  Bench bench;
  for (int i = 0; i < 10; ++i) CHECK(bench.LogIn("a", Outcome::kUnknown) == "ok");
}

TEST_CASE("login guard: a credential that was accepted before is admitted, and ends the row") {
  Bench bench;
  CHECK(bench.LogIn("good", Outcome::kAccepted) == "ok");
  for (int i = 0; i < 4; ++i) {
    CHECK(bench.LogIn("bad", Outcome::kRefused, "gw p-1", "tenant " + std::to_string(i)) == "ok");
  }
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
    CHECK(sent == 2);
    bench.clock.Advance(LoginGuard::kHold);
    CHECK(bench.LogIn(name(10), Outcome::kAccepted) == "ok");
    // The row is over: refusals of unproven credentials do not hold the proven ones back again.
    for (int i = 0; i < 2; ++i) {
      CHECK(bench.LogIn("bad " + std::to_string(i), Outcome::kRefused) == "ok");
    }
    CHECK(bench.LogIn(name(11), Outcome::kUnknown) == "ok");
  }
  SECTION("at once") {
    Bench bench;
    std::vector<LoginAttempt> admitted;
    for (int pod = 0; pod < 20; ++pod) REQUIRE(bench.LogIn(name(pod), Outcome::kAccepted) == "ok");
    for (int pod = 0; pod < 20; ++pod) {
      LoginAttempt attempt{"gw p-1", name(pod), "shop"};
      if (bench.guard.Admit(Context(bench.clock.Now(), {}), attempt).ok()) {
        admitted.push_back(attempt);
      }
    }
    CHECK(admitted.size() == 3);
    for (const LoginAttempt& attempt : admitted) {
      bench.guard.Settle(attempt, Outcome::kRefused, "no");
      LoginAttempt next{"gw p-1", name(19), "shop"};
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

TEST_CASE("login guard: the number of unproven attempts in flight is limited") {
  Bench bench;
  std::vector<LoginAttempt> attempts;
  for (int i = 0; i < 5; ++i) attempts.push_back({"gw p-1", "pod " + std::to_string(i), "shop"});
  for (int i = 0; i < 3; ++i) REQUIRE(bench.guard.Admit(Context(), attempts[i]).ok());

  std::stop_source stop;
  stop.request_stop();
  Status cancelled = bench.guard.Admit(Context(SteadyTime::max(), stop.get_token()), attempts[4]);
  REQUIRE_FALSE(cancelled.ok());
  CHECK(cancelled.error().code() == ErrorCode::kCancelled);

  std::atomic<bool> admitted = false;
  std::jthread waiting([&] { admitted = bench.guard.Admit(Context(), attempts[3]).ok(); });
  bench.guard.Settle(attempts[0], Outcome::kAccepted);
  waiting.join();
  CHECK(admitted);
}

TEST_CASE("login guard: an attempt is settled as it was admitted, proven or not") {
  Bench bench;
  CHECK(bench.LogIn("a", Outcome::kAccepted) == "ok");
  LoginAttempt first{"gw p-1", "a", "shop"}, second{"gw p-1", "a", "shop"};
  REQUIRE(bench.guard.Admit(Context(), first).ok());
  REQUIRE(bench.guard.Admit(Context(), second).ok());
  bench.guard.Settle(first, Outcome::kRefused, "no");
  bench.guard.Settle(second, Outcome::kUnknown);
  // Of the four places for unproven credentials, only the refusal's is taken.
  for (int i = 0; i < 3; ++i) {
    LoginAttempt attempt{"gw p-1", "pod", "tenant " + std::to_string(i)};
    CHECK(bench.guard.Admit(Context(bench.clock.Now(), {}), attempt).ok());
  }
}

}  // namespace nodekeep::akeyless
