#include "csi/rotation.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <semaphore>
#include <stdexcept>

#include "tests/fakes/driver_node.h"

namespace nodekeep {

TEST_CASE("rotation: volumes whose provider hangs leave the others their turn") {
  DriverNode node;
  node.classes.Set(DriverNode::Class("hung", "db", "nobody"));
  // More than there are turns, and before the healthy one in the order of the registry.
  for (int i = 0; i < 40; ++i) {
    auto volume = node.MakeVolume("a-" + std::to_string(i));
    volume->class_name = "hung";
    REQUIRE(node.mounter.Mount(volume->target_path, {}).ok());
    node.registry.Put(volume, node.clock.Now());
    node.registry.Update(volume->target_path, node.clock.Now(),
                         [](VolumeState& state) { state.error = "no answer"; });
  }
  const VolumePtr healthy = node.MakeVolume("b");
  REQUIRE(node.Publish(healthy).ok());
  std::atomic<int> hanging = 0;
  node.foreign.before_answer = [&](const Context& context) {
    ++hanging;
    (void)Sleep(context, node.clock, std::chrono::hours(1));  // until it is told to give up
  };
  std::counting_semaphore<> refreshed(0);
  node.backend->SetReader([&](const Context&, const Credential&, const Question&) {
    refreshed.release();
    return Result<Answer>(Error(ErrorCode::kTransient, "seen"));
  });
  node.clock.Advance(std::chrono::minutes(3));
  WorkerPool pool({});
  {
    Rotation rotation(node.road, node.registry, pool, node.clock, std::chrono::hours(2));
    CHECK(refreshed.try_acquire_for(std::chrono::seconds(30)));
  }
  CHECK(hanging <= 4);
}

TEST_CASE("rotation: a refresh that throws gives its turn back, and is made again later") {
  DriverNode node;
  node.classes.Set(DriverNode::Class("foreign", "db", "nobody"));
  // More than there are turns.
  for (int i = 0; i < 40; ++i) {
    auto volume = node.MakeVolume("a-" + std::to_string(i));
    volume->class_name = "foreign";
    REQUIRE(node.mounter.Mount(volume->target_path, {}).ok());
    node.registry.Put(volume, node.clock.Now());
  }
  std::counting_semaphore<> thrown(0);
  std::counting_semaphore<> refreshed(0);
  std::atomic<int> left = 40;
  node.foreign.before_answer = [&](const Context&) {
    if (left-- > 0) throw std::runtime_error("defect");
    refreshed.release();
  };
  WorkerPool pool({.on_exception = [&](std::string_view, std::string_view) { thrown.release(); }});
  {
    Rotation rotation(node.road, node.registry, pool, node.clock, std::chrono::hours(2));
    for (int i = 0; i < 40; ++i) REQUIRE(thrown.try_acquire_for(std::chrono::seconds(30)));
    CHECK_FALSE(refreshed.try_acquire());
    node.clock.Advance(std::chrono::minutes(1));
    for (int i = 0; i < 40; ++i) REQUIRE(refreshed.try_acquire_for(std::chrono::seconds(30)));
  }
}

}  // namespace nodekeep
