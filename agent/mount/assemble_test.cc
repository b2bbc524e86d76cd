#include "agent/mount/assemble.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>

#include "tests/fakes/core.h"

namespace nodekeep {
namespace {

struct AssembleFixture {
  AssembleFixture() {
    Identity identity;
    identity.namespace_name = "shop";
    plan =
        FakePlan(std::make_shared<FakeProvider>(clock), "db#user,db#password", std::move(identity));
  }

  // Two files of 1,000 bytes each, both from one answer.
  Result<Bundle> Assemble(const BundleLimits& limits) const {
    const std::string thousand(1000, 'x');
    Answers answers;
    answers.values.push_back(
        std::make_shared<const SecretBytes>("user=" + thousand + "\npassword=" + thousand));
    return AssembleBundle(*plan, std::move(answers), SecretBytes("key"), limits);
  }

  FakeClock clock;
  MountPlanPtr plan;
};

TEST_CASE("assemble: files that are larger together than a volume may be are refused") {
  const AssembleFixture fixture;
  CHECK(fixture.Assemble({.max_bytes = 2000}).ok());
  const Result<Bundle> refused = fixture.Assemble({.max_bytes = 1999});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == ErrorCode::kTooLarge);
  CHECK(refused.error().message().find("2000 bytes with object \"db#password\"") !=
        std::string::npos);
}

TEST_CASE("assemble: optional files that do not exist are listed as absent") {
  const FakeClock clock;
  Identity identity;
  identity.namespace_name = "shop";
  const MountPlanPtr plan = FakePlan(std::make_shared<FakeProvider>(clock), "db#user,gone,db#none",
                                     std::move(identity), {{"nodekeep/optional", "gone,db#none"}});
  // One read of "db", which has no field "none", and one of "gone".
  Answers answers;
  answers.values.emplace_back(std::make_shared<const SecretBytes>("user=alice"));
  answers.values.emplace_back(SharedSecret());
  REQUIRE(plan->parsed->read_of == std::vector<std::size_t>{0, 1, 0});
  const Result<Bundle> bundle = AssembleBundle(*plan, std::move(answers), SecretBytes("key"));
  if (!bundle.ok()) FAIL(bundle.error().message());
  REQUIRE(bundle->files.size() == 1);
  CHECK(bundle->files[0].path == plan->parsed->mount.projections[0].path);
  CHECK(bundle->absent == std::vector<std::string>{plan->parsed->mount.projections[1].path,
                                                   plan->parsed->mount.projections[2].path});
}

TEST_CASE("assemble: a file that an optional folder lacks is absent") {
  const FakeClock clock;
  Identity identity;
  identity.namespace_name = "shop";
  const MountPlanPtr base =
      FakePlan(std::make_shared<FakeProvider>(clock), "db#user", std::move(identity));
  for (const bool optional : {false, true}) {
    INFO(optional);
    ParsedMount mount = base->parsed->mount;
    mount.projections[0].is_folder = true;
    mount.projections[0].optional = optional;
    const std::string path = mount.projections[0].path;
    MountPlan plan = *base;
    plan.parsed = MakeParsedClass(std::move(mount), 0);
    Answers answers;
    answers.values.emplace_back(std::make_shared<const SecretBytes>("user=alice"));
    const Result<Bundle> bundle = AssembleBundle(plan, std::move(answers), SecretBytes("key"));
    if (!bundle.ok()) FAIL(bundle.error().message());
    CHECK(bundle->files.size() == 1);
    CHECK(bundle->absent ==
          (optional ? std::vector<std::string>{path} : std::vector<std::string>()));
  }
}

TEST_CASE("assemble: files take a share of their namespace for as long as they exist") {
  const AssembleFixture fixture;
  SharedResource memory({.name = "answer_bytes", .capacity = 128 << 10});
  {
    const Result<Bundle> first = fixture.Assemble({.memory = &memory});
    REQUIRE(first.ok());
    CHECK(memory.used() == 64 << 10);
    const Result<Bundle> second = fixture.Assemble({.memory = &memory});
    REQUIRE_FALSE(second.ok());
    CHECK(second.error().code() == ErrorCode::kThrottled);
    CHECK(second.error().message().find("namespace \"shop\"") != std::string::npos);
    CHECK(memory.used() == 64 << 10);
  }
  CHECK(memory.used() == 0);
}

}  // namespace
}  // namespace nodekeep
