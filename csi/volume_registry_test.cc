#include "csi/volume_registry.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/fakes/fake_clock.h"

namespace nodekeep {

TEST_CASE("volume registry: a refresh that is brought forward while another runs is not lost") {
  using std::chrono::minutes;
  FakeClock clock;
  VolumeRegistry registry(clock);
  auto volume = std::make_shared<Volume>();
  volume->target_path = "/t";
  const auto due = [&] { return registry.AwaitDue(Context().WithDeadline(clock.Now())); };
  const auto finish = [&] { registry.Update("/t", clock.Now() + minutes(2), [](VolumeState&) {}); };
  registry.Put(volume, clock.Now());
  REQUIRE(due() == std::vector<std::string>{"/t"});
  CHECK(due().empty());  // it is being refreshed
  registry.MakeDue([](const Volume&) { return true; }, clock.Now());
  finish();
  CHECK(due() == std::vector<std::string>{"/t"});
  finish();
  CHECK(due().empty());
  clock.Advance(minutes(2));
  CHECK(due() == std::vector<std::string>{"/t"});
}

}  // namespace nodekeep
