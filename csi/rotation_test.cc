#include "csi/rotation.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <semaphore>
#include <stdexcept>
#include <thread>

#include "agent/base/on_exit.h"
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

// Polls in real time: refreshes run on threads of their own.
bool Eventually(const std::function<bool()>& condition) {
  const SteadyTime late = SystemClock().Now() + std::chrono::seconds(30);
  while (!condition()) {
    if (SystemClock().Now() > late) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

bool Holds(Workqueue<std::string>& queue, std::size_t delayed, std::size_t in_work) {
  const Workqueue<std::string>::Depth depth = queue.Measure();
  return depth.due == 0 && depth.delayed == delayed && depth.in_work == in_work;
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

TEST_CASE("rotation: the fifth bad volume of a namespace is asked once one of the others is done") {
  struct Row {
    std::string name;
    std::function<void(VolumeState&)> makes_bad;
  };
  const Row rows[] = {{"failing", [](VolumeState& state) { state.error = "no answer"; }},
                      {"slow", [](VolumeState& state) { state.slow = true; }}};
  for (const Row& row : rows) {
    INFO(row.name);
    DriverNode node;
    node.classes.Set(DriverNode::Class("hung", "db", "nobody"));
    for (int i = 0; i < 5; ++i) {
      auto volume = node.MakeVolume("a-" + std::to_string(i));
      volume->class_name = "hung";
      REQUIRE(node.mounter.Mount(volume->target_path, {}).ok());
      node.registry.Put(volume);
      node.registry.Update(volume->target_path, row.makes_bad);
      node.refreshes.Add(volume->target_path);
    }
    std::atomic<int> asked = 0;
    std::counting_semaphore<> answer(0);
    node.foreign.before_answer = [&](const Context& context) {
      ++asked;
      while (!context.stop().stop_requested()) {
        if (answer.try_acquire_for(std::chrono::milliseconds(5))) return;
      }
    };
    WorkerPool pool({});
    Rotation rotation({.budget = std::chrono::hours(2)}, DependenciesOf(node, pool));
    REQUIRE(Eventually([&] { return asked == 4 && Holds(node.refreshes, 1, 4); }));
    answer.release();
    // The one that was answered is due in some minutes, the fifth within a second.
    REQUIRE(Eventually([&] { return Holds(node.refreshes, 2, 3); }));
    const SteadyTime soon = node.clock.Now() + std::chrono::seconds(10);
    CHECK(Eventually([&] {
      if (Holds(node.refreshes, 2, 3) && node.clock.Now() < soon) {
        node.clock.Advance(std::chrono::milliseconds(100));
      }
      return asked == 5;
    }));
  }
}

TEST_CASE("rotation: a refresh that a full pool refuses comes again") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.clock.Advance(std::chrono::minutes(3));
  node.backend->SetValue("db", "user=bob");
  std::counting_semaphore<> go(0);
  int blockers = 0;
  std::atomic<int> begun = 0;
  std::atomic<int> ended = 0;
  WorkerPool pool({.max_threads = 2, .max_queued = 4});
  const auto fill = [&] {
    const auto blocker = [&] {
      ++begun;
      go.acquire();
      ++ended;
    };
    while (pool.Post("shop", blocker).ok()) ++blockers;
  };
  const auto unblock = [&] { go.release(100); };
  const OnExit open(unblock);
  fill();
  REQUIRE(Eventually([&] { return begun == 1; }));  // its share of the threads
  fill();
  {
    Rotation rotation({}, DependenciesOf(node, pool));
    const OnExit open_first(unblock);  // the rotation waits for the refreshes that it has started
    // It was taken from the queue, refused, and put back for later.
    REQUIRE(Eventually([&] { return Holds(node.refreshes, 1, 0); }));
    CHECK(DriverNode::Read(*volume) == "user=alice");
    unblock();
    REQUIRE(Eventually([&] { return ended == blockers; }));
    node.clock.Advance(std::chrono::seconds(1));
    CHECK(Eventually([&] { return DriverNode::Read(*volume) == "user=bob"; }));
  }
}

TEST_CASE("rotation: a volume that is no longer known is dropped from the queue") {
  DriverNode node;
  node.refreshes.Add("/pods/gone");
  const VolumePtr known = node.MakeVolume();
  REQUIRE(node.Publish(known).ok());
  node.backend->SetValue("db", "user=bob");
  node.clock.Advance(std::chrono::minutes(3));
  WorkerPool pool({});
  Rotation rotation({}, DependenciesOf(node, pool));
  REQUIRE(Eventually([&] { return DriverNode::Read(*known) == "user=bob"; }));
  CHECK(Eventually([&] { return Holds(node.refreshes, 1, 0); }));
}

TEST_CASE("rotation: a refresh ends with its budget, and uses the share of its namespace") {
  DriverNode node;
  node.classes.Set(DriverNode::Class("foreign", "db", "nobody"));
  auto volume = node.MakeVolume();
  volume->class_name = "foreign";
  REQUIRE(node.mounter.Mount(volume->target_path, {}).ok());
  node.registry.Put(volume);
  node.refreshes.Add(volume->target_path);
  std::counting_semaphore<> seen(0);
  Duration left{};
  std::string namespace_name;
  node.foreign.before_answer = [&](const Context& context) {
    left = context.Remaining(node.clock);
    namespace_name = context.namespace_name();
    seen.release();
  };
  WorkerPool pool({});
  Rotation rotation({.budget = std::chrono::seconds(70)}, DependenciesOf(node, pool));
  REQUIRE(seen.try_acquire_for(std::chrono::seconds(30)));
  CHECK(left == std::chrono::seconds(70));
  CHECK(namespace_name == "shop");
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
