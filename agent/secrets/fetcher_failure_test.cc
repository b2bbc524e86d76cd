// How a fetch handles denials, outages and transient failures.

#include <catch2/catch_test_macros.hpp>

#include "agent/secrets/fetcher.h"
#include "tests/fakes/fetch_bench.h"
#include "tests/fakes/together.h"

namespace nodekeep {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("fetch: a denial or \"not found\" is remembered briefly for all pods that share it") {
  struct Row {
    std::string name;
    Error error;
  };
  const Row rows[] = {{"not found", Error(ErrorCode::kNotFound, "404")}, {"denied", No()}};
  for (const Row& row : rows) {
    INFO(row.name);
    FetcherFixture bench;
    bench.backend->SetValue("a", "v");
    bench.backend->FailAlways("a", row.error);
    for (int pod = 0; pod < 5; ++pod) {
      CHECK(bench.Mount(bench.Plan("a", "web-" + std::to_string(pod))) ==
            "no: " + std::string(ErrorCodeName(row.error.code())));
      bench.clock.Advance(seconds(1));
    }
    CHECK(bench.backend->reads() == 1);
    CHECK(bench.backend->logins() == 1);
    bench.backend->ClearFaults();
    bench.clock.Advance(seconds(10));
    CHECK(bench.Mount(bench.Plan("a")) == "v");
  }
}

TEST_CASE("fetch: a denial on a cached login costs one login and one retry, then is final") {
  for (const ErrorCode code : {ErrorCode::kDenied, ErrorCode::kAuthExpired}) {
    INFO(ErrorCodeName(code));
    FetcherFixture bench;
    bench.backend->SetValue("a", "v");
    bench.backend->SetValue("b", "v");
    CHECK(bench.Mount(bench.Plan("a")) == "v");
    bench.clock.Advance(minutes(3));
    bench.backend->FailAlways("a", Error(code, "refused"));
    constexpr std::size_t kPods = 30;
    std::vector<std::string> got(kPods);
    auto pods = RunConcurrently(kPods, [&](std::size_t pod) {
      got[pod] = bench.Mount(bench.Plan("a", "web-" + std::to_string(pod)));
    });
    pods.clear();
    for (const std::string& text : got) CHECK(text == "no: " + std::string(ErrorCodeName(code)));
    CHECK(bench.backend->logins() == 2);
    CHECK(bench.backend->reads("a") == 3);
    CHECK(bench.Mount(bench.Plan("a")) == "no: " + std::string(ErrorCodeName(code)));
    CHECK(bench.backend->logins() == 2);
    CHECK(bench.backend->reads("a") == 3);
    // The denial applies to this secret only.
    CHECK(bench.Mount(bench.Plan("b")) == "v");
  }
}

TEST_CASE("fetch: a path that stays denied costs fewer and fewer logins, and no other reads") {
  FetcherFixture bench;
  bench.backend->SetValue("b", "v");
  bench.backend->FailAlways("a", No());
  // Polled once a minute for an hour, next to a mount that succeeds.
  std::vector<int> logins_at;
  std::size_t before = 0;
  for (int minute = 0; minute < 60; ++minute) {
    CHECK(bench.Mount(bench.Plan("a")) == "no: denied");
    CHECK(bench.Mount(bench.Plan("b")) == "v");
    if (bench.backend->logins() != before) logins_at.push_back(minute);
    before = bench.backend->logins();
    bench.clock.Advance(minutes(1));
  }
  CHECK(logins_at == std::vector<int>{0, 1, 3, 7, 15, 25, 35, 45, 55});

  bench.backend->ClearFaults();
  bench.backend->SetValue("a", "v");
  CHECK(bench.Mount(bench.Plan("a")) == "v");
  // After a success, the next denial is retried with a new login at once.
  bench.clock.Advance(minutes(3));
  bench.backend->FailAlways("a", No());
  before = bench.backend->logins();
  CHECK(bench.Mount(bench.Plan("a")) == "no: denied");
  CHECK(bench.backend->logins() == before + 1);
}

TEST_CASE("fetch: a revoked login is replaced once for all concurrent mounts") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "v");
  CHECK(bench.Mount(bench.Plan("a")) == "v");
  bench.clock.Advance(minutes(3));
  bench.backend->RefuseToken("token-1");
  constexpr std::size_t kPods = 30;
  std::vector<std::string> got(kPods);
  auto pods = RunConcurrently(kPods, [&](std::size_t pod) {
    got[pod] = bench.Mount(bench.Plan("a", "web-" + std::to_string(pod)));
  });
  pods.clear();
  for (const std::string& text : got) CHECK(text == "v");
  CHECK(bench.backend->logins() == 2);
  CHECK(bench.backend->reads("a") == 3);
}

TEST_CASE("fetch: a denial after a login made by the same mount is final at once") {
  FetcherFixture bench;
  bench.backend->FailAlways("a", No());
  CHECK(bench.Mount(bench.Plan("a")) == "no: denied");
  CHECK(bench.backend->logins() == 1);
  CHECK(bench.backend->reads() == 1);
}

TEST_CASE("fetch: a denial is not hidden by a stale value if the new login fails") {
  FetcherFixture bench({.retry = {.attempts = 1}});
  bench.backend->SetValue("a", "v");
  CHECK(bench.Mount(bench.Plan("a")) == "v");
  bench.clock.Advance(minutes(3));
  bench.backend->FailAlways("a", No());
  bench.backend->FailLoginsAlways(Down());
  Result<Bundle> bundle = bench.core.Fetch(bench.Plan("a"));
  REQUIRE(!bundle.ok());
  CHECK(bundle.error().code() == ErrorCode::kDenied);
  CHECK(bundle.error().message() ==
        "403 permission denied; logging in once more failed: connection refused");
  // The next mount gets only the outage, and no stale value either.
  CHECK(bench.Mount(bench.Plan("a")) == "no: transient");
}

TEST_CASE("fetch: a denial that arrives after its mount gave up removes the stale value too") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "v");
  CHECK(bench.Mount(bench.Plan("a")) == "v");
  bench.clock.Advance(minutes(3));
  bench.backend->FailAlways("a", No());
  bench.backend->Close();
  std::string got;
  std::jthread pod([&] { got = bench.Mount(bench.Plan("a")); });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.clock.Advance(seconds(3));
  pod.join();
  CHECK(got == "v");  // stale: the backend had not answered yet
  bench.backend->Open();
  CHECK(bench.Mount(bench.Plan("a")) == "no: denied");
  bench.backend->FailLoginsAlways(Down());
  bench.backend->FailAlways("a", Down());
  bench.clock.Advance(seconds(15));
  CHECK(bench.Mount(bench.Plan("a")) == "no: transient");
}

TEST_CASE("fetch: while the backend is down the last good value is served up to its hard age") {
  struct Row {
    std::string name;
    Error error;
    bool login_down;
    Duration age;
    std::string want;
  };
  const Error throttled(ErrorCode::kThrottled, "429");
  const Row rows[] = {
      {"reads fail, past the soft age", Down(), false, minutes(3), "v"},
      {"reads throttled", throttled, false, minutes(3), "v"},
      {"just below the hard age", Down(), false, minutes(60) - Duration(1), "v"},
      {"at the hard age", Down(), false, minutes(60), "no: transient"},
      {"login expired and its endpoint down", Down(), true, minutes(30), "v"},
      {"login down, at the hard age", Down(), true, minutes(60), "no: transient"},
      {"not found", Error(ErrorCode::kNotFound, "404"), false, minutes(3), "no: not_found"},
      {"denied", No(), false, minutes(3), "no: denied"},
      {"token expired", Error(ErrorCode::kAuthExpired, "401"), false, minutes(3),
       "no: auth_expired"},
      {"request wrong", Error(ErrorCode::kInvalid, "400"), false, minutes(3), "no: invalid"},
      {"sealed for good", Error(ErrorCode::kPrecondition, "not initialised"), false, minutes(3),
       "no: precondition"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FetcherFixture bench({.retry = {.attempts = 1}});
    bench.backend->SetLoginLifetime(minutes(10), false);
    if (!row.login_down) bench.backend->SetLoginLifetime(Duration::zero(), false);
    bench.backend->SetValue("a", "v");
    CHECK(bench.Mount(bench.Plan("a")) == "v");
    bench.clock.Advance(row.age);
    bench.clock.JumpWall(-hours(999));
    bench.backend->FailAlways("a", row.error);
    if (row.login_down) bench.backend->FailLoginsAlways(row.error);
    ReadReport report;
    CHECK(bench.Mount(bench.Plan("a"), &report) == row.want);
    if (row.want != "v") continue;
    CHECK(report.stale == 1);
    CHECK(report.stale_age == row.age);
    CHECK(!report.stale_reason.empty());
    CHECK(bench.core.metrics.Render().find("nodekeep_stale_served_total{provider=\"fake\"} 1") !=
          std::string::npos);
    // The backend is up again: no longer stale.
    bench.backend->ClearFaults();
    CHECK(bench.Mount(bench.Plan("a"), &report) == "v");
    CHECK(report.stale == 0);
  }
}

TEST_CASE("fetch: only the refs that the backend did not answer are served stale") {
  FetcherFixture bench({.retry = {.attempts = 1}});
  bench.backend->SetValue("a", "old a");
  bench.backend->SetValue("b", "old b");
  CHECK(bench.Mount(bench.Plan("a,b")) == "old a");
  bench.clock.Advance(minutes(3));
  bench.backend->SetValue("a", "new a");
  bench.backend->FailAlways("b", Down());
  Result<Bundle> bundle = bench.core.Fetch(bench.Plan("a,b"));
  REQUIRE(bundle.ok());
  CHECK(ContentsOf(*bundle, "a") == "new a");
  CHECK(ContentsOf(*bundle, "b") == "old b");
  CHECK(bundle->report.stale == 1);

  // One denial fails the whole request, whatever stale values the others have.
  bench.clock.Advance(minutes(3));
  bench.backend->FailAlways("a", No());
  CHECK(bench.Mount(bench.Plan("b,a")) == "no: denied");
  CHECK(bench.Mount(bench.Plan("a,b")) == "no: denied");
}

TEST_CASE("fetch: a login that fails with kNotFound is an error even if all objects are optional") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "v");
  const MountPlanPtr plan = bench.Plan("a,gone", "web-1", {{"nodekeep/optional", "*"}});
  bench.backend->FailLoginsAlways(Error(ErrorCode::kNotFound, "the token file is missing"));
  const Result<Bundle> refused = bench.core.Fetch(plan);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == ErrorCode::kNotFound);
  CHECK(refused.error().message().ends_with("the token file is missing"));

  bench.backend->ClearFaults();
  bench.clock.Advance(minutes(1));  // the refusal is remembered for less
  const Answers answers = bench.core.fetcher.Read(Context(), plan->read);
  REQUIRE(answers.values.size() == 2);
  REQUIRE(answers.values[0].ok());
  CHECK((*answers.values[0])->Reveal() == "v");
  REQUIRE(answers.values[1].ok());
  CHECK(*answers.values[1] == nullptr);
}

TEST_CASE("fetch: no stale value if the class disables it or nothing was served before") {
  FetcherFixture bench({.retry = {.attempts = 1}});
  bench.backend->SetValue("a", "v");
  const std::map<std::string, std::string> never = {{"nodekeep/serveStaleFor", "0s"}};
  CHECK(bench.Mount(bench.Plan("a", "web-1", never)) == "v");
  bench.clock.Advance(minutes(3));
  bench.backend->FailAlways("", Down());
  CHECK(bench.Mount(bench.Plan("a", "web-1", never)) == "no: transient");
  CHECK(bench.Mount(bench.Plan("a,b", "web-1")) == "no: transient");
}

TEST_CASE("fetch: the wait for a slow backend is short if last good values are available") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "old");
  CHECK(bench.Mount(bench.Plan("a")) == "old");
  bench.clock.Advance(minutes(3));
  bench.backend->SetValue("a", "new");
  bench.backend->Close();
  std::string got;
  ReadReport report;
  std::jthread pod([&] { got = bench.Mount(bench.Plan("a"), &report); });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.clock.Advance(seconds(2));
  pod.join();
  CHECK(got == "old");
  CHECK(report.stale == 1);
  // The read continued for the next caller.
  bench.backend->Open();
  CHECK(bench.Mount(bench.Plan("a")) == "new");
  CHECK(bench.backend->reads("a") == 2);
}

TEST_CASE("fetch: a refused login evicts everything fetched for its identity") {
  struct Row {
    std::string name;
    Error error;
  };
  const Row rows[] = {{"denied", No()},
                      {"no such auth mount", Error(ErrorCode::kInvalid, "404 no handler")}};
  for (const Row& row : rows) {
    INFO(row.name);
    FetcherFixture bench({.retry = {.attempts = 1}});
    bench.backend->SetLoginLifetime(minutes(10), false);
    bench.backend->SetValue("a", "v");
    CHECK(bench.Mount(bench.Plan("a")) == "v");
    bench.clock.Advance(minutes(11));
    bench.backend->FailLoginsAlways(row.error);
    // With the third pod the account counts as refused.
    for (const std::string pod : {"web-1", "web-2", "web-3"}) {
      CHECK_FALSE(bench.core.cache.List().empty());
      CHECK(bench.Mount(bench.Plan("a", pod)) ==
            "no: " + std::string(ErrorCodeName(row.error.code())));
    }
    CHECK(bench.core.cache.List().empty());
    // In the outage that follows there is no stale value to serve.
    bench.clock.Advance(seconds(11));
    bench.backend->FailLoginsAlways(Down());
    CHECK(bench.Mount(bench.Plan("a")) == "no: transient");
  }
}

TEST_CASE("fetch: three pods refused when they log in once more end the account's entries") {
  FetcherFixture bench({.retry = {.attempts = 1}});
  bench.backend->SetValue("a", "v");
  bench.backend->SetValue("b", "v");
  REQUIRE(bench.Mount(bench.Plan("a,b", "web-0")) == "v");
  REQUIRE(bench.core.FetchFromMemory(bench.Plan("b", "web-4")));
  bench.clock.Advance(minutes(1));
  bench.backend->FailAlways("a", No());
  bench.backend->FailLoginsAlways(No());
  bench.backend->Close();
  // Each with a read of its own, so that all three hold the cached login when it is denied.
  constexpr std::size_t kPods = 3;
  std::vector<char> denied(kPods);  // not bool: each pod writes its own
  auto pods = RunConcurrently(kPods, [&](std::size_t i) {
    const std::string name = "web-" + std::to_string(i + 1);
    Result<Bundle> bundle =
        bench.core.Fetch(bench.Plan("a", name, {{"nodekeep/refreshAfter", "2s"}}),
                         Context().WithNamespace("namespace-" + name));
    denied[i] = !bundle.ok() && bundle.error().IsDenial();
  });
  CHECK(bench.backend->AwaitWaiting(kPods));
  bench.backend->Open();
  pods.clear();
  CHECK(denied == std::vector<char>(kPods, 1));
  CHECK_FALSE(bench.core.FetchFromMemory(bench.Plan("b", "web-4")));
  CHECK(bench.core.cache.List().empty());
}

TEST_CASE("fetch: one pod's refused login does not affect other pods of its account") {
  FetcherFixture bench({.retry = {.attempts = 1}});
  bench.backend->SetLoginLifetime(minutes(10), false);
  bench.backend->SetValue("a", "v");
  CHECK(bench.Mount(bench.Plan("a", "web-1")) == "v");
  bench.clock.Advance(seconds(570));  // the login is in its last tenth and still works
  bench.backend->FailLogins({No()});
  CHECK(bench.Mount(bench.Plan("a", "web-gone")) == "no: denied");
  CHECK(bench.core.cache.List().size() == 1);

  INFO("the others keep using the old login while the login endpoint is down");
  bench.backend->FailLoginsAlways(Down());
  CHECK(bench.Mount(bench.Plan("a", "web-1")) == "v");
  CHECK(bench.core.FetchFromMemory(bench.Plan("a", "web-2")));

  INFO("the refused pod is served neither from memory nor by another pod's login");
  CHECK_FALSE(bench.core.FetchFromMemory(bench.Plan("a", "web-gone")));
  bench.clock.Advance(seconds(11));
  CHECK(bench.Mount(bench.Plan("a", "web-gone")) == "no: transient");
  bench.backend->ClearFaults();
  CHECK(bench.Mount(bench.Plan("a", "web-1", {{"nodekeep/refreshAfter", "0s"}})) == "v");
  bench.backend->FailLogins({No()});
  CHECK(bench.Mount(bench.Plan("a", "web-gone")) == "no: denied");

  INFO("until a login of its own succeeds");
  bench.clock.Advance(seconds(11));
  CHECK(bench.Mount(bench.Plan("a", "web-gone")) == "v");
  CHECK(bench.core.FetchFromMemory(bench.Plan("a", "web-gone")));
}

TEST_CASE("fetch: a retry reads only the refs that failed transiently") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "v");
  bench.backend->SetValue("b", "v");
  bench.backend->FailReads("b", {Down(), Down()});
  CHECK(bench.Mount(bench.Plan("a,b")) == "v");
  CHECK(bench.backend->reads("a") == 1);
  CHECK(bench.backend->reads("b") == 3);
}

TEST_CASE("fetch: a ref whose Retry-After exceeds the budget is not retried and delays no other") {
  // Refs are read in the order of their paths: the one with Retry-After is first, middle and last.
  for (const std::string patient : {"a", "b", "c"}) {
    INFO(patient);
    FetcherFixture bench;
    for (const std::string path : {"a", "b", "c"}) {
      bench.backend->SetValue(path, "v");
      bench.backend->FailReads(path,
                               {path == patient ? Down().WithRetryAfter(minutes(1)) : Down()});
    }
    CHECK(bench.Mount(bench.Plan("a,b,c")) == "no: transient");
    for (const std::string path : {"a", "b", "c"}) {
      INFO(path);
      CHECK(bench.backend->reads(path) == (path == patient ? 1 : 2));
    }
  }
}

TEST_CASE("fetch: a retry waits for the longest Retry-After within the budget") {
  FetcherFixture bench({.fetch_budget = hours(1000)});
  std::map<std::string, std::vector<SteadyTime>> asked;
  bench.backend->SetReader([&](const Context&, const Credential&, const Question& question) {
    std::vector<SteadyTime>& times = asked[question.ref.path];
    times.push_back(bench.clock.Now());
    if (times.size() == 1) {
      return Result<Answer>(question.ref.path == "a" ? Down().WithRetryAfter(seconds(7)) : Down());
    }
    Answer answer;
    answer.value = SecretBytes("v");
    return Result<Answer>(std::move(answer));
  });
  std::string got;
  std::atomic<bool> done = false;
  std::jthread pod([&] {
    got = bench.Mount(bench.Plan("a,b"));
    done = true;
  });
  while (!done) {
    bench.clock.Advance(std::chrono::milliseconds(10));
    std::this_thread::yield();
  }
  CHECK(got == "v");
  for (const std::string path : {"a", "b"}) {
    INFO(path);
    REQUIRE(asked[path].size() == 2);
    CHECK(asked[path][1] - asked[path][0] >= seconds(7));
  }
}

}  // namespace nodekeep
