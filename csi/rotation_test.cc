#include "csi/rotation.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <semaphore>
#include <stdexcept>
#include <thread>

#include "tests/fakes/driver_node.h"

namespace nodekeep {
namespace {

Rotation::Dependencies DependenciesOf(DriverNode& node, WorkerPool& pool) {
  return {.volumes = node.volumes,
          .registry = node.registry,
          .refreshes = node.refreshes,
          .pool = pool,
          .clock = node.clock};
}

}  // namespace

TEST_CASE("rotation: volumes whose provider hangs do not block the others") {
  DriverNode node;
  node.classes.Set(DriverNode::Class("hung", "db", "nobody"));
  // More than there are slots, and queued before the healthy one.
  for (int i = 0; i < 40; ++i) {
    auto volume = node.MakeVolume("a-" + std::to_string(i));
    volume->class_name = "hung";
    REQUIRE(node.mounter.Mount(volume->target_path, {}).ok());
    node.registry.Put(volume);
    node.registry.Update(volume->target_path,
                         [](VolumeState& state) { state.error = "no answer"; });
    node.refreshes.Add(volume->target_path);
  }
  const VolumePtr healthy = node.MakeVolume("b");
  REQUIRE(node.Publish(healthy).ok());
  std::atomic<int> hanging = 0;
  node.foreign.before_answer = [&](const Context& context) {
    ++hanging;
    (void)Sleep(context, node.clock, std::chrono::hours(1));  // until it is cancelled
  };
  std::counting_semaphore<> refreshed(0);
  node.backend->SetReader([&](const Context&, const Credential&, const Question&) {
    refreshed.release();
    return Result<Answer>(Error(ErrorCode::kTransient, "seen"));
  });
  node.clock.Advance(std::chrono::minutes(3));
  WorkerPool pool({});
  {
    Rotation rotation({.budget = std::chrono::hours(2)}, DependenciesOf(node, pool));
    CHECK(refreshed.try_acquire_for(std::chrono::seconds(30)));
  }
  CHECK(hanging <= 4);
}

TEST_CASE("rotation: a refresh that throws releases its slot and is retried later") {
  DriverNode node;
  node.classes.Set(DriverNode::Class("foreign", "db", "nobody"));
  // More than there are slots.
  for (int i = 0; i < 40; ++i) {
    auto volume = node.MakeVolume("a-" + std::to_string(i));
    volume->class_name = "foreign";
    REQUIRE(node.mounter.Mount(volume->target_path, {}).ok());
    node.registry.Put(volume);
    node.refreshes.Add(volume->target_path);
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
    Rotation rotation({.budget = std::chrono::hours(2)}, DependenciesOf(node, pool));
    for (int i = 0; i < 40; ++i) REQUIRE(thrown.try_acquire_for(std::chrono::seconds(30)));
    CHECK_FALSE(refreshed.try_acquire());
    node.clock.Advance(std::chrono::minutes(1));
    for (int i = 0; i < 40; ++i) REQUIRE(refreshed.try_acquire_for(std::chrono::seconds(30)));
  }
}

TEST_CASE("rotation: a refresh requested while one is running runs after it") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  std::counting_semaphore<> running(0);
  std::counting_semaphore<> asked(0);
  // Within the refresh, after it has read.
  node.mirror.on_converge = [&] {
    running.release();
    (void)asked.try_acquire_for(std::chrono::seconds(30));
  };
  node.clock.Advance(std::chrono::minutes(3));
  WorkerPool pool({});
  {
    Rotation rotation({}, DependenciesOf(node, pool));
    REQUIRE(running.try_acquire_for(std::chrono::seconds(30)));
    node.refreshes.Add(volume->target_path);
    CHECK(node.TakeDue().empty());  // its refresh is running
    asked.release();
    REQUIRE(running.try_acquire_for(std::chrono::seconds(30)));
    asked.release();
    // It is due next at its usual time, and no earlier.
    const SteadyTime late = SystemClock().Now() + std::chrono::seconds(30);
    while (node.refreshes.Measure().delayed != 1 && SystemClock().Now() < late) {
      std::this_thread::yield();
    }
    CHECK(node.refreshes.Measure().delayed == 1);
    CHECK(node.mirror.converged == 3);
    node.clock.Advance(std::chrono::minutes(3));
    REQUIRE(running.try_acquire_for(std::chrono::seconds(30)));
    asked.release();
  }
  CHECK(node.mirror.converged == 4);
}

TEST_CASE("rotation: a volume unpublished during its refresh is not queued again") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.backend->Close();
  node.clock.Advance(std::chrono::minutes(3));
  WorkerPool pool({});
  {
    Rotation rotation({}, DependenciesOf(node, pool));
    REQUIRE(node.backend->AwaitWaiting(1));
    node.refreshes.Add(volume->target_path);
    REQUIRE(node.volumes.Unpublish(Context(), volume->target_path).ok());
    node.backend->Open();
  }
  CHECK(node.registry.List().empty());
  const Workqueue<std::string>::Depth depth = node.refreshes.Measure();
  CHECK(depth.delayed + depth.due + depth.in_work == 0);
}

}  // namespace nodekeep
