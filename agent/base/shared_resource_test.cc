#include "agent/base/shared_resource.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <thread>
#include <vector>

namespace nodekeep {
namespace {

// Takes single units until one is refused.
std::vector<SharedResource::Grant> TakeAll(SharedResource& resource, const std::string& name) {
  std::vector<SharedResource::Grant> grants;
  while (auto grant = resource.TryTake(name, 1)) grants.push_back(*std::move(grant));
  return grants;
}

TEST_CASE("shared resource: a namespace that is alone gets half") {
  SharedResource resource({.name = "slots", .capacity = 64});
  CHECK(TakeAll(resource, "team-a").size() == 32);
}

TEST_CASE("shared resource: half is the limit for one large amount too") {
  SharedResource resource({.name = "bytes", .capacity = 100});
  CHECK_FALSE(resource.TryTake("a", 51));
  CHECK(resource.TryTake("a", 50));
}

TEST_CASE("shared resource: later namespaces always find something free") {
  SharedResource resource({.name = "slots", .capacity = 64});
  std::vector<std::vector<SharedResource::Grant>> all;
  for (const std::string name : {"a", "b", "c", "d", "e", "f"}) {
    all.push_back(TakeAll(resource, name));
    CHECK(all.back().size() >= 1);
  }
}

TEST_CASE("shared resource: equally greedy namespaces end with equal parts") {
  SharedResource resource({.name = "slots", .capacity = 60});
  std::vector<SharedResource::Grant> a = TakeAll(resource, "a");
  std::vector<SharedResource::Grant> b = TakeAll(resource, "b");
  for (int i = 0; i < 100; ++i) {
    // Whichever holds more gives one unit back, and both try again.
    (a.size() > b.size() ? a : b).pop_back();
    if (auto grant = resource.TryTake("b", 1)) b.push_back(*std::move(grant));
    if (auto grant = resource.TryTake("a", 1)) a.push_back(*std::move(grant));
  }
  CHECK(a.size() + b.size() >= 39);
  CHECK(a.size() <= b.size() + 1);
  CHECK(b.size() <= a.size() + 1);
}

TEST_CASE("shared resource: the last free unit goes to a namespace that holds none") {
  SharedResource resource({.name = "slots", .capacity = 2});
  const auto first = resource.TryTake("a", 1);
  REQUIRE(first);
  CHECK_FALSE(resource.MayTake("a", 1));
  const auto second = resource.TryTake("b", 1);
  CHECK(second);
  CHECK_FALSE(resource.MayTake("c", 1));
}

TEST_CASE("shared resource: an amount larger than what is free is refused, without overflow") {
  SharedResource resource({.name = "bytes", .capacity = 100});
  CHECK_FALSE(resource.TryTake("a", 101));
  CHECK_FALSE(resource.TryTake("a", SIZE_MAX));
  const auto held = resource.TryTake("a", 50);
  REQUIRE(held);
  CHECK_FALSE(resource.TryTake("a", SIZE_MAX));
}

TEST_CASE("shared resource: the node's own work may take all that is free") {
  SharedResource resource({.name = "slots", .capacity = 8});
  const std::vector<SharedResource::Grant> tenant = TakeAll(resource, "a");
  CHECK(TakeAll(resource, "").size() == 8 - tenant.size());
}

TEST_CASE("shared resource: grants grow, shrink, move and end") {
  SharedResource resource({.name = "bytes", .capacity = 100});
  {
    auto grant = resource.TryTake("a", 0);
    REQUIRE(grant);
    CHECK(grant->Resize(40));
    CHECK_FALSE(grant->Resize(60));
    CHECK(grant->amount() == 40);
    CHECK(grant->Resize(10));
    CHECK(resource.used() == 10);
    SharedResource::Grant moved = *std::move(grant);
    CHECK(moved.amount() == 10);
    CHECK(grant->amount() == 0);
    moved = SharedResource::Grant();
    CHECK(resource.used() == 0);
  }
  CHECK(resource.used() == 0);
  CHECK(resource.List().empty());
}

TEST_CASE("shared resource: what exists already counts even above the capacity") {
  SharedResource resource({.name = "bytes", .capacity = 10});
  const SharedResource::Grant found = resource.TakeExisting("a", 25);
  CHECK(resource.used() == 25);
  CHECK_FALSE(resource.TryTake("b", 1));
  resource.SetCapacity(27);
  CHECK(resource.MayTake("b", 1));
  CHECK_FALSE(resource.MayTake("a", 1));
}

TEST_CASE("shared resource: refusals are reported with resource and namespace") {
  std::string seen;
  SharedResource resource({.name = "bytes", .capacity = 1, .on_refusal = [&](auto name, auto& by) {
                             seen += std::string(name) + " " + by + ";";
                           }});
  CHECK_FALSE(resource.TryTake("a", 2));
  CHECK_FALSE(resource.MayTake("a", 2));
  CHECK(seen == "bytes a;");
}

TEST_CASE("shared resource: concurrent callers never exceed the capacity") {
  SharedResource resource({.name = "slots", .capacity = 10});
  std::vector<std::thread> threads;
  for (const std::string name : {"a", "b", "c", "d"}) {
    threads.emplace_back([&resource, name] {
      for (int i = 0; i < 2000; ++i) {
        const auto grant = resource.TryTake(name, 3);
        if (resource.used() > 10) std::terminate();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(resource.used() == 0);
}

}  // namespace
}  // namespace nodekeep
