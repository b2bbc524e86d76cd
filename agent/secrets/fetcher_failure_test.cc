// What a fetch makes of refusals, outages and passing failures.

#include <catch2/catch_test_macros.hpp>

#include "agent/secrets/fetcher.h"
#include "tests/fakes/fetch_bench.h"
#include "tests/fakes/together.h"

namespace nodekeep {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("fetch: a no is remembered briefly for all who share it") {
  struct Row {
    std::string name;
    Error error;
  };
  const Row rows[] = {{"not found", Error(ErrorCode::kNotFound, "404")}, {"denied", No()}};
  for (const Row& row : rows) {
    INFO(row.name);
    FetchBench bench;
    bench.backend->SetValue("a", "v");
    bench.backend->FailAlways("a", row.error);
    for (int pod = 0; pod < 5; ++pod) {
      CHECK(bench.Mount(bench.Plan("a", "web-" + std::to_string(pod))) ==
            "no: " + std::string(ErrorCodeName(row.error.code())));
      bench.clock.Advance(seconds(1));
    }
    CHECK(bench.backend->reads() == 1);
    CHECK(bench.backend->logins() == 1);
    bench.backend->Heal();
    bench.clock.Advance(seconds(10));
    CHECK(bench.Mount(bench.Plan("a")) == "v");
  }
}

TEST_CASE("fetch: a refusal after a cached login costs one login and one retry, then is believed") {
  for (const ErrorCode code : {ErrorCode::kDenied, ErrorCode::kAuthExpired}) {
    INFO(ErrorCodeName(code));
    FetchBench bench;
    bench.backend->SetValue("a", "v");
    bench.backend->SetValue("b", "v");
    CHECK(bench.Mount(bench.Plan("a")) == "v");
    bench.clock.Advance(minutes(3));
    bench.backend->FailAlways("a", Error(code, "refused"));
    constexpr std::size_t kPods = 30;
    std::vector<std::string> got(kPods);
    auto pods = Together(kPods, [&](std::size_t pod) {
      got[pod] = bench.Mount(bench.Plan("a", "web-" + std::to_string(pod)));
    });
    pods.clear();
    for (const std::string& text : got) CHECK(text == "no: " + std::string(ErrorCodeName(code)));
    CHECK(bench.backend->logins() == 2);
    CHECK(bench.backend->reads("a") == 3);
    CHECK(bench.Mount(bench.Plan("a")) == "no: " + std::string(ErrorCodeName(code)));
    CHECK(bench.backend->logins() == 2);
    CHECK(bench.backend->reads("a") == 3);
    // The denial is of this secret only.
    CHECK(bench.Mount(bench.Plan("b")) == "v");
  }
}

TEST_CASE(
    "fetch: a path that stays denied costs ever fewer logins, and none of the others' reads") {
  FetchBench bench;
  bench.backend->SetValue("b", "v");
  bench.backend->FailAlways("a", No());
  // Polled once a minute for an hour, beside a mount that is well.
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

  bench.backend->Heal();
  bench.backend->SetValue("a", "v");
  CHECK(bench.Mount(bench.Plan("a")) == "v");
  // Denied anew, it is doubted at once.
  bench.clock.Advance(minutes(3));
  bench.backend->FailAlways("a", No());
  before = bench.backend->logins();
  CHECK(bench.Mount(bench.Plan("a")) == "no: denied");
  CHECK(bench.backend->logins() == before + 1);
}

TEST_CASE("fetch: a login that was revoked is replaced, once for all who meet it") {
  FetchBench bench;
  bench.backend->SetValue("a", "v");
  CHECK(bench.Mount(bench.Plan("a")) == "v");
  bench.clock.Advance(minutes(3));
  bench.backend->RefuseToken("token-1");
  constexpr std::size_t kPods = 30;
  std::vector<std::string> got(kPods);
  auto pods = Together(kPods, [&](std::size_t pod) {
    got[pod] = bench.Mount(bench.Plan("a", "web-" + std::to_string(pod)));
  });
  pods.clear();
  for (const std::string& text : got) CHECK(text == "v");
  CHECK(bench.backend->logins() == 2);
  CHECK(bench.backend->reads("a") == 3);
}

TEST_CASE("fetch: a refusal after a login of this very mount is believed at once") {
  FetchBench bench;
  bench.backend->FailAlways("a", No());
  CHECK(bench.Mount(bench.Plan("a")) == "no: denied");
  CHECK(bench.backend->logins() == 1);
  CHECK(bench.backend->reads() == 1);
}

TEST_CASE("fetch: what was refused is not papered over when no new login can be had") {
  FetchBench bench({.retry = {.attempts = 1}});
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
  // Nor by the next mount, which only meets the outage.
  CHECK(bench.Mount(bench.Plan("a")) == "no: transient");
}

TEST_CASE("fetch: a slow refusal that nobody waited for is not papered over either") {
  FetchBench bench;
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

TEST_CASE("fetch: while the backend is down the last good value stands in until its hard age") {
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
      {"login over and its endpoint down", Down(), true, minutes(30), "v"},
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
    FetchBench bench({.retry = {.attempts = 1}});
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
    // Well again: no longer stale.
    bench.backend->Heal();
    CHECK(bench.Mount(bench.Plan("a"), &report) == "v");
    CHECK(report.stale == 0);
  }
}

TEST_CASE("fetch: stale is only what was asked for and not answered") {
  FetchBench bench({.retry = {.attempts = 1}});
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

  // One refusal in it ends it, whatever could stand in for the rest.
  bench.clock.Advance(minutes(3));
  bench.backend->FailAlways("a", No());
  CHECK(bench.Mount(bench.Plan("b,a")) == "no: denied");
  CHECK(bench.Mount(bench.Plan("a,b")) == "no: denied");
}

TEST_CASE("fetch: a login that is not found is an error, also when every object is optional") {
  FetchBench bench;
  bench.backend->SetValue("a", "v");
  const MountPlanPtr plan = bench.Plan("a,gone", "web-1", {{"nodekeep/optional", "*"}});
  bench.backend->FailLoginsAlways(Error(ErrorCode::kNotFound, "the token file is missing"));
  const Result<Bundle> refused = bench.core.Fetch(plan);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == ErrorCode::kNotFound);
  CHECK(refused.error().message().ends_with("the token file is missing"));

  bench.backend->Heal();
  bench.clock.Advance(minutes(1));  // the refusal is remembered for less
  const Answers answers = bench.core.fetcher.Read(Context(), plan->read);
  REQUIRE(answers.values.size() == 2);
  REQUIRE(answers.values[0].ok());
  CHECK((*answers.values[0])->Reveal() == "v");
  REQUIRE(answers.values[1].ok());
  CHECK(*answers.values[1] == nullptr);
}

TEST_CASE("fetch: nothing stands in where the class says so, or where nothing was served before") {
  FetchBench bench({.retry = {.attempts = 1}});
  bench.backend->SetValue("a", "v");
  const std::map<std::string, std::string> never = {{"nodekeep/serveStaleFor", "0s"}};
  CHECK(bench.Mount(bench.Plan("a", "web-1", never)) == "v");
  bench.clock.Advance(minutes(3));
  bench.backend->FailAlways("", Down());
  CHECK(bench.Mount(bench.Plan("a", "web-1", never)) == "no: transient");
  CHECK(bench.Mount(bench.Plan("a,b", "web-1")) == "no: transient");
}

TEST_CASE("fetch: a slow backend is waited for briefly when last good values are at hand") {
  FetchBench bench;
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
  // The read went on for whoever comes next.
  bench.backend->Open();
  CHECK(bench.Mount(bench.Plan("a")) == "new");
  CHECK(bench.backend->reads("a") == 2);
}

TEST_CASE("fetch: a refused login ends everything fetched in its name") {
  struct Row {
    std::string name;
    Error error;
  };
  const Row rows[] = {{"denied", No()},
                      {"no such auth mount", Error(ErrorCode::kInvalid, "404 no handler")}};
  for (const Row& row : rows) {
    INFO(row.name);
    FetchBench bench({.retry = {.attempts = 1}});
    bench.backend->SetLoginLifetime(minutes(10), false);
    bench.backend->SetValue("a", "v");
    CHECK(bench.Mount(bench.Plan("a")) == "v");
    bench.clock.Advance(minutes(11));
    bench.backend->FailLoginsAlways(row.error);
    // The third speaks for the account.
    for (const std::string pod : {"web-1", "web-2", "web-3"}) {
      CHECK_FALSE(bench.core.cache.List().empty());
      CHECK(bench.Mount(bench.Plan("a", pod)) ==
            "no: " + std::string(ErrorCodeName(row.error.code())));
    }
    CHECK(bench.core.cache.List().empty());
    // The outage that follows finds nothing to paper it over with.
    bench.clock.Advance(seconds(11));
    bench.backend->FailLoginsAlways(Down());
    CHECK(bench.Mount(bench.Plan("a")) == "no: transient");
  }
}

TEST_CASE("fetch: one pod's refused login takes nothing from the others of its account") {
  FetchBench bench({.retry = {.attempts = 1}});
  bench.backend->SetLoginLifetime(minutes(10), false);
  bench.backend->SetValue("a", "v");
  CHECK(bench.Mount(bench.Plan("a", "web-1")) == "v");
  bench.clock.Advance(seconds(570));  // the login is in its last tenth and still works
  bench.backend->FailLogins({No()});
  CHECK(bench.Mount(bench.Plan("a", "web-gone")) == "no: denied");
  CHECK(bench.core.cache.List().size() == 1);

  INFO("the others go on with the old login while no new one can be had");
  bench.backend->FailLoginsAlways(Down());
  CHECK(bench.Mount(bench.Plan("a", "web-1")) == "v");
  CHECK(bench.core.FetchFromMemory(bench.Plan("a", "web-2")));

  INFO("the refused one is served neither from memory nor by a login that is not its own");
  CHECK_FALSE(bench.core.FetchFromMemory(bench.Plan("a", "web-gone")));
  bench.clock.Advance(seconds(11));
  CHECK(bench.Mount(bench.Plan("a", "web-gone")) == "no: transient");
  bench.backend->Heal();
  CHECK(bench.Mount(bench.Plan("a", "web-1", {{"nodekeep/refreshAfter", "0s"}})) == "v");
  bench.backend->FailLogins({No()});
  CHECK(bench.Mount(bench.Plan("a", "web-gone")) == "no: denied");

  INFO("until a login of its own succeeds");
  bench.clock.Advance(seconds(11));
  CHECK(bench.Mount(bench.Plan("a", "web-gone")) == "v");
  CHECK(bench.core.FetchFromMemory(bench.Plan("a", "web-gone")));
}

TEST_CASE("fetch: a passing failure is asked again for what failed, and only for that") {
  FetchBench bench;
  bench.backend->SetValue("a", "v");
  bench.backend->SetValue("b", "v");
  bench.backend->FailReads("b", {Down(), Down()});
  CHECK(bench.Mount(bench.Plan("a,b")) == "v");
  CHECK(bench.backend->reads("a") == 1);
  CHECK(bench.backend->reads("b") == 3);
}

TEST_CASE(
    "fetch: what asks for more patience than is left is left alone, and holds up nothing else") {
  // Refs are asked in the order of their paths: the patient one is first, between and last.
  for (const std::string patient : {"a", "b", "c"}) {
    INFO(patient);
    FetchBench bench;
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

TEST_CASE("fetch: the longest Retry-After that fits is waited for, whatever else failed") {
  FetchBench bench({.fetch_budget = hours(1000)});
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
