#include "agent/mount/mount_ledger.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "tests/fakes/core.h"
#include "tests/fakes/together.h"

namespace nodekeep {
namespace {

MountPlanPtr PlanOf(const FakeClock& clock, const std::string& pod, const std::string& objects,
                    const std::string& namespace_name = "shop") {
  return FakePlan(std::make_shared<FakeProvider>(clock), objects,
                  MakeIdentity(namespace_name, pod, "web"));
}

}  // namespace

TEST_CASE("ledger: a record contains the pod, the objects and the outcome") {
  struct Row {
    std::string name;
    Result<ReadReport> outcome;
    std::string want, error;
  };
  ReadReport stale;
  stale.stale = 1;
  stale.stale_reason = "the backend is down";
  const Row rows[] = {
      {"served", ReadReport{}, "ok", ""},
      {"served from last good values", stale, "stale", ""},
      {"denied", Error(ErrorCode::kDenied, "403 permission denied"), "denied",
       "403 permission denied"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeClock clock;
    MountLedger ledger(clock);
    ledger.Record(*PlanOf(clock, "web-1", "app/db#user,app/db#password"), row.outcome,
                  Duration(12));
    const std::vector<MountRecord> list = ledger.List();
    REQUIRE(list.size() == 1);
    CHECK(list[0].provider == "fake");
    CHECK(list[0].namespace_name == "shop");
    CHECK(list[0].pod == "web-1");
    CHECK(list[0].pod_uid == "uid-of-web-1");
    CHECK(list[0].service_account == "web");
    CHECK(list[0].objects == std::vector<std::string>{"app/db#user", "app/db#password"});
    CHECK(list[0].refs.size() == 1);
    CHECK(list[0].outcome == row.want);
    CHECK(list[0].error == row.error);
    CHECK(list[0].took == Duration(12));
    CHECK(list[0].at == clock.Wall());
    CHECK(list[0].mounts == 1);
  }
}

TEST_CASE("ledger: a volume has one record of its latest mount and the number of mounts") {
  FakeClock clock;
  MountLedger ledger(clock);
  const MountPlanPtr plan = PlanOf(clock, "web-1", "a");
  ledger.Record(*plan, ReadReport(), Duration(1));
  ledger.Record(*plan, Error(ErrorCode::kDenied, "no"), Duration(2));
  ledger.Record(*PlanOf(clock, "web-2", "b"), ReadReport(), Duration(3));
  const std::vector<MountRecord> list = ledger.List();
  REQUIRE(list.size() == 2);
  CHECK(list[0].pod == "web-2");
  CHECK(list[1].pod == "web-1");
  CHECK(list[1].mounts == 2);
  CHECK(list[1].outcome == "denied");
}

TEST_CASE("ledger: a volume counts as served from its first success on") {
  FakeClock clock;
  MountLedger ledger(clock);
  const MountPlanPtr plan = PlanOf(clock, "web-1", "a");
  MountRequest request;
  request.provider = "fake";
  request.identity = plan->read->identity.Clone();
  request.target_path = plan->target_path;
  CHECK_FALSE(ledger.HasServed(request));
  ledger.Record(*plan, Error(ErrorCode::kDenied, "no"), Duration(1));
  CHECK_FALSE(ledger.HasServed(request));
  ledger.Record(*plan, ReadReport(), Duration(1));
  CHECK(ledger.HasServed(request));
  ledger.Record(*plan, Error(ErrorCode::kDenied, "no"), Duration(1));
  CHECK(ledger.HasServed(request));

  std::vector<MountRequest> others;
  for (int i = 0; i < 4; ++i) others.push_back(request.Clone());
  others[0].provider = "other";
  others[1].identity.pod->uid = "uid of its successor";
  others[2].identity.namespace_name = "other";
  others[3].target_path += "2";
  for (const MountRequest& other : others) CHECK_FALSE(ledger.HasServed(other));
}

TEST_CASE("ledger: the oldest record is dropped first, even if the wall clock was set back") {
  for (const Duration jump : {Duration::zero(), Duration(-std::chrono::hours(24))}) {
    FakeClock clock;
    MountLedger ledger(clock, 3800);  // three records
    for (int i = 0; i < 3; ++i) {
      ledger.Record(*PlanOf(clock, "old-" + std::to_string(i), "a"), ReadReport(), Duration(1));
    }
    clock.JumpWall(jump);
    ledger.Record(*PlanOf(clock, "new", "a"), ReadReport(), Duration(1));
    const std::vector<MountRecord> list = ledger.List();
    REQUIRE(list.size() == 3);
    CHECK(list[0].pod == "new");
    CHECK(list[1].pod == "old-2");
    CHECK(list[2].pod == "old-1");
  }
}

TEST_CASE("ledger: a namespace with very many records displaces its own") {
  FakeClock clock;
  MountLedger ledger(clock, 64 << 10);
  std::string objects = "o0";
  for (int i = 1; i < 10; ++i) objects += ",o" + std::to_string(i);
  ledger.Record(*PlanOf(clock, "quiet", objects, "other"), ReadReport(), Duration(1));
  for (int i = 0; i < 1000; ++i) {
    ledger.Record(*PlanOf(clock, "p" + std::to_string(i), objects), ReadReport(), Duration(1));
  }
  const std::vector<MountRecord> list = ledger.List();
  CHECK(list.size() > 10);
  CHECK(list.size() < 64);
  CHECK(list.front().pod == "p999");
  CHECK(list.back().pod == "quiet");
  CHECK(list.back().refs.size() == 10);
}

TEST_CASE("ledger: a record with very many objects lists the first of them") {
  FakeClock clock;
  MountLedger ledger(clock, 64 << 10);
  ledger.Record(*PlanOf(clock, "small", "a"), ReadReport(), Duration(1));
  std::string objects = "o0";
  for (int i = 1; i < 1000; ++i) objects += ",o" + std::to_string(i);
  ledger.Record(*PlanOf(clock, "huge", objects),
                Error(ErrorCode::kDenied, std::string(1 << 20, 'e')), Duration(1));
  const std::vector<MountRecord> list = ledger.List();
  REQUIRE(list.size() == 2);
  CHECK(list[0].objects.size() > 10);
  CHECK(list[0].objects.size() < 1000);
  CHECK(list[0].objects.front() == "o0");
  CHECK(list[0].error.size() < 10'000);
}

TEST_CASE("ledger: RefsOfPod returns the refs of all volumes of exactly that pod") {
  FakeClock clock;
  MountLedger ledger(clock);
  ledger.Record(*PlanOf(clock, "web-1", "a,b"), ReadReport(), Duration(1));
  ledger.Record(*PlanOf(clock, "web-10", "c"), ReadReport(), Duration(1));
  CHECK(ledger.RefsOfPod("shop/web-1").size() == 2);
  CHECK(ledger.RefsOfPod("web-1").empty());
  CHECK(ledger.RefsOfPod("other/web-1").empty());
}

TEST_CASE("ledger: concurrent mounts are all counted") {
  FakeClock clock;
  MountLedger ledger(clock);
  auto threads = RunConcurrently(8, [&](std::size_t) {
    const MountPlanPtr plan = PlanOf(clock, "web-1", "a");
    for (int i = 0; i < 50; ++i) ledger.Record(*plan, ReadReport(), Duration(1));
  });
  threads.clear();
  REQUIRE(ledger.List().size() == 1);
  CHECK(ledger.List()[0].mounts == 400);
}

}  // namespace nodekeep
