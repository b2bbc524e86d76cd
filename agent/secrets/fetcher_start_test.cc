// What a pod that starts is served (ReadPlan::max_age).

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "agent/secrets/fetcher.h"
#include "tests/fakes/fetch_bench.h"
#include "tests/fakes/together.h"

namespace nodekeep {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("start: a pod that starts gets no value older than the age of its class") {
  struct Row {
    std::string name;
    std::map<std::string, std::string> parameters;
    Duration age;
    bool at_start;
    std::string want;
  };
  const Row rows[] = {
      {"just below the default", {}, seconds(5) - Duration(1), true, "old"},
      {"at the default", {}, seconds(5), true, "new"},
      {"a refresh, just below the soft age", {}, minutes(2) - Duration(1), false, "old"},
      {"a refresh, at the soft age", {}, minutes(2), false, "new"},
      {"always read", {{"nodekeep/maxAgeAtStart", "0s"}}, Duration(1), true, "new"},
      {"a refresh of a class that is always read at start",
       {{"nodekeep/maxAgeAtStart", "0s"}},
       minutes(1),
       false,
       "old"},
      {"longer", {{"nodekeep/maxAgeAtStart", "30s"}}, seconds(30) - Duration(1), true, "old"},
      {"longer, at its end", {{"nodekeep/maxAgeAtStart", "30s"}}, seconds(30), true, "new"},
      {"never longer than the soft age",
       {{"nodekeep/maxAgeAtStart", "10m"}, {"nodekeep/refreshAfter", "1m"}},
       minutes(1),
       true,
       "new"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FetcherFixture bench;
    bench.backend->SetValue("a", "old");
    REQUIRE(bench.Mount(bench.PlanAtStart("a", "web-1")) == "old");
    bench.backend->SetValue("a", "new");
    bench.clock.Advance(row.age);
    const MountPlanPtr plan = row.at_start ? bench.PlanAtStart("a", "web-2", row.parameters)
                                           : bench.Plan("a", "web-2", row.parameters);
    CHECK(bench.core.FetchFromMemory(plan).has_value() == (row.want == "old"));
    CHECK(bench.Mount(plan) == row.want);
    CHECK(bench.backend->reads() == (row.want == "old" ? 1 : 2));
    CHECK(bench.backend->logins() == 1);
  }
}

TEST_CASE("start: a value that the backend confirms by its version is as new as a read one") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "v", "7");
  REQUIRE(bench.Mount(bench.PlanAtStart("a", "web-1")) == "v");
  bench.clock.Advance(minutes(1));
  ReadReport report;
  CHECK(bench.Mount(bench.PlanAtStart("a", "web-2"), &report) == "v");
  CHECK(report.backend_reads == 1);
  bench.clock.Advance(seconds(4));
  CHECK(bench.core.FetchFromMemory(bench.PlanAtStart("a", "web-3")));
  CHECK(bench.backend->reads() == 2);
}

TEST_CASE("start: 110 pods within four seconds cost at most two reads per secret") {
  constexpr std::size_t kPods = 110;
  struct Row {
    std::string name;
    Duration age;  // of the cached values when the first pod starts
  };
  const Row rows[] = {
      {"old values", minutes(1)},
      {"values that become too old meanwhile", seconds(3)},
      {"values of the previous second", seconds(1)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FetcherFixture bench;
    for (int i = 0; i < 10; ++i) bench.backend->SetValue("s" + std::to_string(i), "v");
    REQUIRE(bench.Mount(bench.PlanAtStart(TenObjects(), "web-0")) == "v");
    const std::size_t before = bench.backend->reads();
    bench.clock.Advance(row.age);
    for (std::size_t pod = 1; pod <= kPods; ++pod) {
      CHECK(bench.Mount(bench.PlanAtStart(TenObjects(), "web-" + std::to_string(pod))) == "v");
      bench.clock.Advance(milliseconds(4000) / kPods);
    }
    CHECK(bench.backend->reads() - before <= 2 * 10);
    CHECK(bench.backend->logins() == 1);
  }

  INFO("at once");
  FetcherFixture bench;
  for (int i = 0; i < 10; ++i) bench.backend->SetValue("s" + std::to_string(i), "v");
  REQUIRE(bench.Mount(bench.PlanAtStart(TenObjects(), "web-0")) == "v");
  bench.clock.Advance(minutes(1));
  bench.backend->Close();
  std::atomic<std::size_t> right = 0;
  auto pods = RunConcurrently(kPods, [&](std::size_t pod) {
    if (bench.Mount(bench.PlanAtStart(TenObjects(), "w-" + std::to_string(pod))) == "v") ++right;
  });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.backend->Open();
  pods.clear();
  CHECK(right == kPods);
  CHECK(bench.backend->reads() == 20);
}

TEST_CASE("start: what was read while a pod waited for its login is not read again") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "v");
  bench.backend->SetLoginHandler(
      [&](const Context&, const Identity& identity) -> Result<Credential> {
        if (identity.PodName() == "web-slow") {
          // Another login of the account, which does not wait for this one.
          Result<Bundle> other =
              bench.core.Fetch(bench.PlanAtStart("a", "web-fast"), Context().WithNamespace("fast"));
          CHECK(other.ok());
          bench.clock.Advance(seconds(8));
        }
        Credential credential;
        credential.token = SecretBytes("token of " + identity.PodName());
        credential.sharing = Sharing::kServiceAccount;
        credential.service_account_uid = identity.service_account_uid;
        return credential;
      });
  CHECK(bench.Mount(bench.PlanAtStart("a", "web-slow")) == "v");
  CHECK(bench.backend->logins() == 2);
  CHECK(bench.backend->reads() == 1);
}

TEST_CASE("start: the last good value is served while the backend is down") {
  struct Row {
    std::string name;
    Error error;
    std::string stale_for;
    Duration age;
    std::string want;
  };
  const Row rows[] = {
      {"down", Down(), "1h", seconds(30), "v"},
      {"throttled", Error(ErrorCode::kThrottled, "429"), "1h", seconds(30), "v"},
      {"down, past the soft age", Down(), "1h", minutes(30), "v"},
      {"down, at the hard age", Down(), "1h", hours(1), "no: transient"},
      {"never stale, below the soft age", Down(), "0s", seconds(30), "v"},
      {"never stale, past the soft age", Down(), "0s", minutes(3), "no: transient"},
      {"denied", No(), "1h", seconds(30), "no: denied"},
      {"not found", Error(ErrorCode::kNotFound, "404"), "1h", seconds(30), "no: not_found"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FetcherFixture bench({.retry = {.attempts = 1}});
    bench.backend->SetValue("a", "v");
    REQUIRE(bench.Mount(bench.PlanAtStart("a", "web-1")) == "v");
    bench.clock.Advance(row.age);
    bench.backend->FailAlways("a", row.error);
    const MountPlanPtr plan =
        bench.PlanAtStart("a", "web-2", {{"nodekeep/serveStaleFor", row.stale_for}});
    ReadReport report;
    CHECK(bench.Mount(plan, &report) == row.want);
    CHECK(report.stale == (row.want == "v" ? 1 : 0));
    CHECK(report.stale_age == (row.want == "v" ? row.age : Duration::zero()));
  }
}

TEST_CASE("start: a pod waits for a slow backend only briefly if there is a last good value") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "old");
  REQUIRE(bench.Mount(bench.PlanAtStart("a", "web-1")) == "old");
  bench.clock.Advance(seconds(30));
  bench.backend->SetValue("a", "new");
  bench.backend->Close();
  std::string got;
  std::jthread pod([&] { got = bench.Mount(bench.PlanAtStart("a", "web-2")); });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.clock.Advance(seconds(10));
  pod.join();
  CHECK(got == "old");
  bench.backend->Open();
  CHECK(bench.Mount(bench.PlanAtStart("a", "web-3")) == "new");
}

TEST_CASE("start: a call that has been in progress for longer than the age is not joined") {
  struct Row {
    std::string name;
    Duration in_progress;
    std::size_t calls;
  };
  const Row rows[] = {{"joined", seconds(4), 1}, {"not joined", seconds(6), 2}};
  for (const Row& row : rows) {
    INFO(row.name);
    FetcherFixture bench;
    bench.backend->SetValue("a", "v");
    REQUIRE(bench.Mount(bench.PlanAtStart("a", "web-1")) == "v");
    bench.clock.Advance(minutes(1));
    const std::size_t before = bench.backend->reads();
    bench.backend->Close();
    std::jthread first([&] { bench.Mount(bench.PlanAtStart("a", "web-2")); });
    REQUIRE(bench.backend->AwaitWaiting(1));
    bench.clock.Advance(row.in_progress);
    std::jthread second([&] { bench.Mount(bench.PlanAtStart("a", "web-3")); });
    if (row.calls == 2) {
      CHECK(bench.backend->AwaitWaiting(2));
    }
    bench.backend->Open();
    first.join();
    second.join();
    CHECK(bench.backend->reads() - before == row.calls);
  }
}

TEST_CASE("start: leases, certificates and answers that cannot change are not read again") {
  struct Row {
    std::string name;
    Answer answer;
    std::size_t reads;
  };
  Row rows[] = {{"a plain value", {}, 2},
                {"a lease or certificate", {}, 1},
                {"an answer that cannot change", {}, 1}};
  rows[1].answer.lifetime = hours(1);
  rows[2].answer.immutable = true;
  for (Row& row : rows) {
    INFO(row.name);
    FetcherFixture bench;
    bench.backend->SetReader([&](const Context&, const Credential&, const Question&) {
      Answer answer;
      answer.value = SecretBytes("v");
      answer.lifetime = row.answer.lifetime;
      answer.immutable = row.answer.immutable;
      return answer;
    });
    const std::map<std::string, std::string> always = {{"nodekeep/maxAgeAtStart", "0s"}};
    CHECK(bench.Mount(bench.PlanAtStart("a", "web-1", always)) == "v");
    bench.clock.Advance(minutes(1));
    CHECK(bench.Mount(bench.PlanAtStart("a", "web-2", always)) == "v");
    CHECK(bench.backend->reads() == row.reads);
  }
}

TEST_CASE("start: an optional object that was created a moment ago is found") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "v");
  const std::map<std::string, std::string> optional = {{"nodekeep/optional", "*"}};
  CHECK(bench.Mount(bench.PlanAtStart("late", "web-1", optional)) == "(no file)");
  bench.backend->SetValue("late", "created");
  bench.clock.Advance(seconds(5) - Duration(1));
  CHECK(bench.Mount(bench.PlanAtStart("late", "web-2", optional)) == "(no file)");
  bench.clock.Advance(Duration(1));
  CHECK(bench.Mount(bench.Plan("late", "web-1", optional)) == "(no file)");
  CHECK(bench.backend->reads() == 1);
  CHECK(bench.Mount(bench.PlanAtStart("late", "web-2", optional)) == "created");
  CHECK(bench.Mount(bench.Plan("late", "web-1", optional)) == "created");
  CHECK(bench.backend->reads() == 2);
}

TEST_CASE("start: a class that is always read at start costs other namespaces nothing") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "v");
  REQUIRE(bench.Mount(bench.PlanAtStart("a", "web-1")) == "v");
  for (int pod = 0; pod < 50; ++pod) {
    MountRequest request;
    request.provider = "fake";
    request.parameters = {{"objects", "a"}, {"nodekeep/maxAgeAtStart", "0s"}};
    request.identity = MakeIdentity("greedy", "pod-" + std::to_string(pod), "web");
    request.at_start = true;
    const MountPlanPtr plan =
        *PlanMount(Context(), ProviderOf(bench.backend), std::move(request), {});
    CHECK(bench.Mount(plan) == "v");
    bench.clock.Advance(milliseconds(10));
  }
  CHECK(bench.backend->reads() == 51);
  CHECK(bench.core.FetchFromMemory(bench.PlanAtStart("a", "web-2")));
}

}  // namespace nodekeep
