#include "providers/akeyless/login_guard.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

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
                    const std::string& account = "p-1", const std::string& tenant = "shop",
                    const std::string& subject = "") {
    return Make({account, credential, tenant, subject}, outcome);
  }
  std::string Make(LoginAttempt attempt, Outcome outcome) {
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

// With an access key, at those gateways.
LoginAttempt At(const std::vector<std::string>& gateways, const std::string& key,
                const std::string& tenant = "shop") {
  return AttemptOf(AccessType::kAccessKey, TestOptions({AccessType::kAccessKey}, gateways), key,
                   tenant);
}

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
    bench.LogIn("pod " + std::to_string(i), Outcome::kRefused, "p-1", "evil");
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
      REQUIRE(bench.LogIn(name(i), Outcome::kAccepted, "p-1", "evil") == "ok");
    }
    std::size_t admitted = 0;
    for (int i = 0; i < 10; ++i) {
      LoginAttempt attempt{"p-1", name(i), "evil"};
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
    if (bench.LogIn("pod", Outcome::kRefused, "p-1", "tenant " + std::to_string(i)) == "ok") {
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
  CHECK(bench.LogIn("y", Outcome::kRefused, "p-1", "tenant") == "throttled");
}

TEST_CASE("login guard: a pod is trusted for its service account, which another has proven") {
  Bench bench;
  CHECK(bench.LogIn("token 1", Outcome::kAccepted, "p-1", "shop", "shop/web") == "ok");
  for (int i = 0; i < 2; ++i) {
    CHECK(bench.LogIn("bad " + std::to_string(i), Outcome::kRefused) == "ok");
  }
  CHECK(bench.LogIn("token 2", Outcome::kAccepted, "p-1", "shop", "shop/db") == "throttled");
  CHECK(bench.LogIn("token 2", Outcome::kAccepted, "p-1", "shop", "shop/web") == "ok");
}

TEST_CASE("login guard: a refusal in one namespace takes nothing from the proven ones of another") {
  Bench bench;
  const auto of = [&](const std::string& tenant, Outcome outcome) {
    return bench.LogIn(tenant, outcome, "p-1", tenant);
  };
  for (const char* tenant : {"a", "b", "c"}) REQUIRE(of(tenant, Outcome::kAccepted) == "ok");
  CHECK(of("a", Outcome::kRefused) == "ok");
  LoginAttempt attempt{"p-1", "b", "b"};
  REQUIRE(bench.guard.Admit(Context(), attempt).ok());
  CHECK(attempt.trusted);
  // A second namespace: the auth method may have been disabled.
  bench.guard.Settle(attempt, Outcome::kRefused, "no");
  LoginAttempt third{"p-1", "c", "c"};
  REQUIRE(bench.guard.Admit(Context(), third).ok());
  CHECK_FALSE(third.trusted);
}

TEST_CASE("login guard: what is remembered of one namespace does not replace that of another") {
  Bench bench;
  CHECK(bench.LogIn("good", Outcome::kAccepted) == "ok");
  CHECK(bench.LogIn("bad", Outcome::kRefused, "p-2") == "ok");
  CHECK(bench.LogIn("bad", Outcome::kRefused, "p-2") == "ok");
  for (int i = 0; i < 2000; ++i) {
    const std::string name = std::to_string(i);
    bench.LogIn("evil", Outcome::kAccepted, "p of " + name, "evil");
    bench.LogIn("evil " + name, Outcome::kAccepted, "p-1", "evil");
  }
  CHECK(bench.LogIn("bad", Outcome::kRefused, "p-2") == "throttled");
  LoginAttempt attempt{"p-1", "good", "shop"};
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
  // A universal identity without an access id is one account too.
  options.access_id.clear();
  const LoginAttempt first = AttemptOf(AccessType::kUniversalIdentity, options, "digest", "shop");
  options.gateways.front().base += "/other";
  const LoginAttempt second = AttemptOf(AccessType::kUniversalIdentity, options, "digest", "shop");
  CHECK(first.account == second.account);
  CHECK(first.credential != second.credential);
}

TEST_CASE("login guard: a login that failed for another reason is not a refusal") {
  Bench bench;
  for (int i = 0; i < 10; ++i) CHECK(bench.LogIn("a", Outcome::kUnknown) == "ok");
}

TEST_CASE("login guard: a credential that was accepted before is admitted, and ends the row") {
  Bench bench;
  CHECK(bench.LogIn("good", Outcome::kAccepted) == "ok");
  for (int i = 0; i < 4; ++i) {
    CHECK(bench.LogIn("bad", Outcome::kRefused, "p-1", "tenant " + std::to_string(i)) == "ok");
  }
  CHECK(bench.LogIn("new", Outcome::kAccepted) == "throttled");
  CHECK(bench.LogIn("good", Outcome::kAccepted) == "ok");
  CHECK(bench.LogIn("new", Outcome::kAccepted) == "ok");
}

TEST_CASE("login guard: an accepted rotation proves its token, and leaves the refusals standing") {
  Bench bench;
  CHECK(bench.LogIn("uid rotation", Outcome::kRotated) == "ok");
  CHECK(bench.LogIn("bad", Outcome::kRefused) == "ok");
  CHECK(bench.LogIn("worse", Outcome::kRefused) == "ok");
  CHECK(bench.LogIn("new", Outcome::kAccepted) == "throttled");
  CHECK(bench.LogIn("uid rotation", Outcome::kRotated) == "ok");
  CHECK(bench.LogIn("new", Outcome::kAccepted) == "throttled");
  bench.clock.Advance(minutes(1));
  CHECK(bench.LogIn("bad", Outcome::kRefused) == "ok");
  CHECK(bench.held->retry_after() == minutes(1));
  // The third refusal in a row: had the rotation ended the row, it would be the first.
  CHECK(bench.LogIn("new", Outcome::kAccepted) == "throttled");
  CHECK(bench.held->retry_after() == minutes(5));
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
      LoginAttempt attempt{"p-1", name(pod), "shop"};
      if (bench.guard.Admit(Context(bench.clock.Now(), {}), attempt).ok()) {
        admitted.push_back(attempt);
      }
    }
    CHECK(admitted.size() == 3);
    for (const LoginAttempt& attempt : admitted) {
      bench.guard.Settle(attempt, Outcome::kRefused, "no");
      LoginAttempt next{"p-1", name(19), "shop"};
      CHECK_FALSE(bench.guard.Admit(Context(bench.clock.Now(), {}), next).ok());
    }
  }
}

TEST_CASE("login guard: refusals are counted per access id") {
  Bench bench;
  for (int i = 0; i < 4; ++i) bench.LogIn("bad " + std::to_string(i), Outcome::kRefused);
  CHECK(bench.LogIn("new", Outcome::kAccepted, "p-2") == "ok");
}

TEST_CASE("login guard: the spelling of the gateways does not make another access id") {
  Bench bench;
  const std::vector<std::vector<std::string>> spellings = {
      {"https://gw"}, {"https://GW"}, {"https://gw:443"}, {"https://gw", "https://x"}};
  int sent = 0;
  for (int i = 0; i < 2; ++i) {
    for (const std::vector<std::string>& gateways : spellings) {
      if (bench.Make(At(gateways, "bad"), Outcome::kRefused) == "ok") ++sent;
    }
  }
  CHECK(sent == 2);
  // Nor do they count for more than two in other namespaces.
  CHECK(bench.Make(At({"https://gw"}, "new", "other"), Outcome::kRefused) == "ok");
  CHECK(bench.Make(At({"https://gw"}, "good", "other"), Outcome::kAccepted) == "ok");
}

TEST_CASE("login guard: what is proven at some gateways is not at others") {
  Bench bench;
  REQUIRE(bench.Make(At({"https://own"}, "key"), Outcome::kAccepted) == "ok");
  LoginAttempt same = At({"https://own"}, "key"), other = At({"https://gw"}, "key");
  REQUIRE(bench.guard.Admit(Context(), same).ok());
  CHECK(same.trusted);
  REQUIRE(bench.guard.Admit(Context(), other).ok());
  CHECK_FALSE(other.trusted);
}

TEST_CASE("login guard: a login that other gateways accepted does not end the row") {
  Bench bench;
  REQUIRE(bench.Make(At({"https://own"}, "key"), Outcome::kAccepted) == "ok");
  for (int i = 0; i < 2; ++i) {
    CHECK(bench.Make(At({"https://gw"}, "bad " + std::to_string(i)), Outcome::kRefused) == "ok");
  }
  CHECK(bench.Make(At({"https://own"}, "key"), Outcome::kAccepted) == "ok");
  CHECK(bench.Make(At({"https://gw"}, "bad 2"), Outcome::kRefused) == "throttled");
  bench.clock.Advance(minutes(1));
  CHECK(bench.Make(At({"https://gw"}, "good"), Outcome::kAccepted) == "ok");
  for (int i = 3; i < 5; ++i) {
    CHECK(bench.Make(At({"https://gw"}, "bad " + std::to_string(i)), Outcome::kRefused) == "ok");
  }
}

TEST_CASE("login guard: refusals of other gateways take nothing from what is proven at these") {
  Bench bench;
  REQUIRE(bench.Make(At({"https://gw"}, "good"), Outcome::kAccepted) == "ok");
  for (const char* tenant : {"evil 1", "evil 2"}) {
    CHECK(bench.Make(At({"https://own"}, tenant, tenant), Outcome::kAccepted) == "ok");
  }
  for (const char* tenant : {"evil 1", "evil 2"}) {
    CHECK(bench.Make(At({"https://own"}, tenant, tenant), Outcome::kRefused) == "ok");
  }
  LoginAttempt attempt = At({"https://gw"}, "good");
  REQUIRE(bench.guard.Admit(Context(), attempt).ok());
  CHECK(attempt.trusted);
}

TEST_CASE("login guard: a row ends some time after its last refusal") {
  Bench bench;
  const auto refused = [&](const std::string& tenant) {
    return bench.LogIn("bad", Outcome::kRefused, "p-1", tenant);
  };
  for (const char* tenant : {"a", "b"}) {
    for (int i = 0; i < 2; ++i) CHECK(refused(tenant) == "ok");
  }
  CHECK(refused("c") == "throttled");
  bench.clock.Advance(LoginGuard::kForgetAfter);
  for (int i = 0; i < 2; ++i) CHECK(refused("a") == "ok");
  CHECK(refused("c") == "ok");
}

TEST_CASE("login guard: a limited number of access ids is remembered, whoever names them") {
  for (const Outcome outcome : {Outcome::kAccepted, Outcome::kRefused}) {
    Bench bench;
    // Evil named it first.
    for (const char* tenant : {"evil 1", "shop"}) {
      CHECK(bench.LogIn(std::string("good of ") + tenant, Outcome::kAccepted, "p-1", tenant) ==
            "ok");
    }
    for (int i = 0; i < 3000; ++i) {
      for (const char* tenant : {"evil 1", "evil 2"}) {
        bench.LogIn(tenant, outcome, "p of " + std::to_string(i), tenant);
      }
    }
    CHECK(bench.guard.size() <= LoginGuard::kMostPlaces);
    LoginAttempt attempt{"p-1", "good of shop", "shop"};
    REQUIRE(bench.guard.Admit(Context(), attempt).ok());
    CHECK(attempt.trusted);
  }
}

TEST_CASE("login guard: an account is bounded with more namespaces than places too") {
  Bench bench;
  for (std::size_t i = 0; i < 2 * LoginGuard::kMostPlaces; ++i) {
    const std::string name = std::to_string(10000 - i);
    bench.LogIn("a", Outcome::kAccepted, "p of " + name, "tenant " + name);
  }
  CHECK(bench.guard.size() <= LoginGuard::kMostPlaces);
}

TEST_CASE("login guard: the number of unproven attempts in flight is limited") {
  Bench bench;
  std::vector<LoginAttempt> attempts;
  for (int i = 0; i < 5; ++i) attempts.push_back({"p-1", "pod " + std::to_string(i), "shop"});
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
  LoginAttempt first{"p-1", "a", "shop"}, second{"p-1", "a", "shop"};
  REQUIRE(bench.guard.Admit(Context(), first).ok());
  REQUIRE(bench.guard.Admit(Context(), second).ok());
  bench.guard.Settle(first, Outcome::kRefused, "no");
  bench.guard.Settle(second, Outcome::kUnknown);
  // Of the four places for unproven credentials, only the refusal's is taken.
  for (int i = 0; i < 3; ++i) {
    LoginAttempt attempt{"p-1", "pod", "tenant " + std::to_string(i)};
    CHECK(bench.guard.Admit(Context(bench.clock.Now(), {}), attempt).ok());
  }
}

TEST_CASE("login guard: one refused as proven casts doubt, though a refusal came before it") {
  Bench bench;
  for (const char* credential : {"a", "b", "c"}) {
    CHECK(bench.LogIn(credential, Outcome::kAccepted) == "ok");
  }
  LoginAttempt first{"p-1", "a", "shop"}, second{"p-1", "a", "shop"};
  REQUIRE(bench.guard.Admit(Context(), first).ok());
  REQUIRE(bench.guard.Admit(Context(), second).ok());
  bench.guard.Settle(first, Outcome::kRefused, "no");
  CHECK(bench.LogIn("b", Outcome::kAccepted) == "ok");  // ends the row
  bench.guard.Settle(second, Outcome::kRefused, "no");
  LoginAttempt other{"p-1", "c", "shop"};
  REQUIRE(bench.guard.Admit(Context(bench.clock.Now(), {}), other).ok());
  CHECK_FALSE(other.trusted);
}

}  // namespace nodekeep::akeyless
