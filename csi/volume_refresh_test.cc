// Refreshes of volumes and what ends them: what is recorded, when the next one is due, and what an
// unpublish leaves.

#include <catch2/catch_test_macros.hpp>
#include <semaphore>
#include <thread>

#include "agent/base/on_exit.h"
#include "csi/volume_service.h"
#include "tests/fakes/driver_node.h"

namespace nodekeep {

using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("driver: a volume that was unmounted behind our back is neither read for nor written") {
  struct Row {
    std::string name;
    std::function<void(DriverNode&, const std::string&)> unmounts;
  };
  const Row rows[] = {
      {"the directory stays", [](DriverNode& n, const std::string&) { n.mounter.Reboot(); }},
      {"the directory is gone too",
       [](DriverNode& n, const std::string& path) { REQUIRE(n.mounter.Clear(path).ok()); }},
      {"the mount is stale",
       [](DriverNode& n, const std::string& path) { n.mounter.MakeStale(path); }},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    DriverNode node;
    const VolumePtr volume = node.MakeVolume();
    REQUIRE(node.Publish(volume).ok());
    row.unmounts(node, volume->target_path);
    node.backend->SetValue("db", "user=bob");
    node.clock.Advance(minutes(3));
    const std::size_t reads = node.backend->reads();
    const std::size_t classes = node.classes.gets();
    node.Refresh(volume);
    CHECK(node.backend->reads() == reads);
    CHECK(node.classes.gets() == classes);
    CHECK(DriverNode::Read(*volume) != "user=bob");
    CHECK(node.mounter.mount_calls() == 1);
    CHECK(node.StateOf(*volume).error ==
          volume->target_path + " is no longer mounted; kubelet's next request mounts it");
    REQUIRE(node.Publish(volume).ok());
    CHECK(DriverNode::Read(*volume) == "user=bob");
    CHECK(node.StateOf(*volume).error.empty());
  }
}

TEST_CASE("driver: a publish that ends while an unpublish waits leaves nothing") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  const std::string& path = volume->target_path;
  std::jthread unpublish;
  Status unpublished;
  node.mounter.on_mount = [&] {
    // Past the point from which the publish can be cancelled. Both are gone once the unpublish has
    // begun; it then waits for this publish.
    node.registry.Put(volume);
    node.refreshes.Add(path);
    unpublish = std::jthread([&] { unpublished = node.volumes.Unpublish(Context(), path); });
    while (node.registry.Find(path)) std::this_thread::yield();
  };
  const Status published = node.Publish(volume);
  unpublish.join();
  CHECK(published.ok());
  REQUIRE(unpublished.ok());
  CHECK(node.registry.List().empty());
  const Workqueue<std::string>::Depth depth = node.refreshes.Measure();
  CHECK(depth.delayed + depth.due + depth.in_work == 0);
  CHECK(node.mounter.mounted() == 0);
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(node.volume_bytes.used() == 0);
  CHECK(node.mirror.claimed.empty());
}

TEST_CASE("driver: from the beginning of an unpublish the volume is not refreshed") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.clock.Advance(minutes(3));
  node.mounter.FailClears({Error(ErrorCode::kInternal, "unmount: busy")});
  REQUIRE_FALSE(node.volumes.Unpublish(Context(), volume->target_path).ok());
  CHECK(node.TakeDue().empty());
  CHECK(node.registry.List().empty());
  const std::size_t reads = node.backend->reads();
  CHECK_FALSE(node.volumes.Refresh(Context(), volume->target_path));
  CHECK(node.backend->reads() == reads);
  // Its Secrets are kept until it is really gone.
  CHECK(node.mirror.forgotten == 0);
}

TEST_CASE("driver: a refresh that is cancelled reports nothing, and is not due again") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.clock.Advance(minutes(3));
  node.backend->Close();
  std::stop_source stop;
  std::optional<SteadyTime> due = SteadyTime();
  {
    std::jthread refresh([&] {
      due = node.volumes.Refresh(Context(SteadyTime::max(), stop.get_token()), volume->target_path);
    });
    const OnExit open([&] { node.backend->Open(); });
    REQUIRE(node.backend->AwaitWaiting(1));
    stop.request_stop();
    refresh.join();
  }
  CHECK_FALSE(due);
  CHECK(node.events.reasons().empty());
  CHECK(node.StateOf(*volume).error.empty());
}

TEST_CASE("driver: a refresh whose volume is in use waits for its next turn") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  node.backend->Close();
  std::optional<SteadyTime> due;
  {
    std::jthread publish([&] { (void)node.Publish(volume); });
    const OnExit open([&] { node.backend->Open(); });
    REQUIRE(node.backend->AwaitWaiting(1));
    due = node.volumes.Refresh(Context(node.clock.Now(), {}), volume->target_path);
  }
  REQUIRE(due);
  CHECK(*due > node.clock.Now());
  CHECK(*due <= node.clock.Now() + seconds(1));
  CHECK(DriverNode::Read(*volume) == "user=alice");
}

TEST_CASE("driver: a rotated volume makes the others of its class due at once, and no others") {
  DriverNode node;
  node.classes.Set(DriverNode::Class("other"));
  const VolumePtr first = node.MakeVolume("web-1");
  const VolumePtr second = node.MakeVolume("web-2");
  auto other = node.MakeVolume("web-3");
  other->class_name = "other";
  for (const VolumePtr& volume : {first, second, VolumePtr(other)}) {
    REQUIRE(node.Publish(volume).ok());
  }
  node.clock.Advance(minutes(4));
  CHECK(node.TakeDue().size() == 3);
  node.Refresh(first);
  CHECK(node.TakeDue().empty());  // nothing has changed
  node.backend->SetValue("db", "user=bob");
  node.clock.Advance(minutes(4));
  (void)node.TakeDue();
  node.Refresh(first);
  CHECK(node.TakeDue() == std::vector<std::string>{second->target_path});
}

TEST_CASE("driver: volumes of a class are due at one time, those of other classes at others") {
  DriverNode node;
  node.classes.Set(DriverNode::Class("other"));
  const auto due_after = [&](const VolumePtr& volume) {
    const auto due = node.volumes.Refresh(Context(), volume->target_path);
    REQUIRE(due);
    return *due;
  };
  const VolumePtr first = node.MakeVolume("web-1");
  const VolumePtr second = node.MakeVolume("web-2");
  auto other = node.MakeVolume("web-3");
  other->class_name = "other";
  REQUIRE(node.Publish(first).ok());
  node.clock.Advance(seconds(1));
  REQUIRE(node.Publish(second).ok());
  REQUIRE(node.Publish(other).ok());
  const SteadyTime at = due_after(first);
  CHECK(due_after(second) == at);
  CHECK(due_after(other) != at);
  // The next period is that of the first refresh, at least half a period away.
  const Duration period = minutes(2) + seconds(6);
  CHECK(at - node.clock.Now() >= period / 2);
  CHECK(at - node.clock.Now() <= period + period / 2);
  node.clock.Advance(std::chrono::duration_cast<Duration>(at - node.clock.Now()));
  CHECK(due_after(first) == at + period);
}

TEST_CASE("driver: volumes are refreshed when their pod is not known to have ended") {
  struct Row {
    std::string name;
    std::function<void(DriverNode&)> change;
    bool refreshed;
  };
  const Row rows[] = {
      {"running", [](DriverNode& n) { n.pods.pods["u-web-1"].ending = false; }, true},
      {"not in the list", [](DriverNode&) {}, true},
      {"another pod has ended", [](DriverNode& n) { n.pods.pods["u-web-2"].ending = true; }, true},
      {"the list cannot be read",
       [](DriverNode& n) {
         n.pods.pods["u-web-1"].ending = true;
         n.pods.fault = Error(ErrorCode::kTransient, "the API server is away");
       },
       true},
      {"ended", [](DriverNode& n) { n.pods.pods["u-web-1"].ending = true; }, false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    DriverNode node;
    const VolumePtr volume = node.MakeVolume();
    REQUIRE(node.Publish(volume).ok());
    row.change(node);
    node.backend->SetValue("db", "user=bob");
    node.clock.Advance(minutes(3));
    const auto due = node.volumes.Refresh(Context(), volume->target_path);
    CHECK((DriverNode::Read(*volume) == "user=bob") == row.refreshed);
    // It stays in the rotation: a pod that "finished" may have been misread.
    REQUIRE(due);
    CHECK(*due > node.clock.Now());
  }
}

TEST_CASE(
    "driver: a refresh that took over five seconds counts as slow, until one is quick again") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  CHECK_FALSE(node.StateOf(*volume).slow);
  struct Row {
    Duration took;
    bool slow;
  };
  for (const Row& row : {Row{seconds(5), false}, Row{seconds(6), true}, Row{seconds(0), false}}) {
    INFO(row.took.count());
    node.clock.Advance(minutes(3));
    node.mirror.on_converge = [&] { node.clock.Advance(row.took); };
    node.Refresh(volume);
    CHECK(node.StateOf(*volume).slow == row.slow);
  }
}

TEST_CASE("driver: a failure is dated from its first time, and each new reason is reported once") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  const WallTime current_at = node.StateOf(*volume).current_at;
  CHECK(current_at == node.clock.Wall());
  node.classes.Fail(Error(ErrorCode::kDenied, "no"));
  node.clock.Advance(minutes(3));
  const WallTime first = node.clock.Wall();
  node.Refresh(volume);
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(node.StateOf(*volume).failing_since == first);
  CHECK(node.StateOf(*volume).current_at == current_at);
  CHECK(node.events.reasons().size() == 1);
  CHECK(node.events.last().starts_with("the volume keeps its content; "));
  node.classes.Fail(Error(ErrorCode::kDenied, "still not"));
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(node.StateOf(*volume).failing_since == first);
  CHECK(node.events.reasons().size() == 2);
  // After a success, a failure begins anew.
  node.classes.Fail(std::nullopt);
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(node.StateOf(*volume).error.empty());
  CHECK(node.StateOf(*volume).current_at == node.clock.Wall());
  node.classes.Fail(Error(ErrorCode::kDenied, "still not"));
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(node.StateOf(*volume).failing_since == node.clock.Wall());
  CHECK(node.events.reasons().size() == 3);
}

TEST_CASE("driver: last good values date the content from when the backend confirmed it") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  const WallTime read_at = node.clock.Wall();
  node.backend->FailAlways("", Error(ErrorCode::kTransient, "connection refused"));
  node.clock.Advance(minutes(3));
  const WallTime since = node.clock.Wall();
  for (int i = 0; i < 2; ++i) {
    node.Refresh(volume);
    CHECK(node.StateOf(*volume).stale);
    CHECK(node.StateOf(*volume).failing_since == since);
    CHECK(node.StateOf(*volume).current_at == read_at);
    node.clock.Advance(minutes(3));
  }
}

TEST_CASE("driver: a repeated publish makes a volume due only if it brings what a refresh lacked") {
  const std::string token = R"({"":{"token":"t","expirationTimestamp":"2099-01-01T00:00:00Z"}})";
  struct Row {
    std::string name;
    bool failing, recovered, new_tokens, due;
  };
  const Row rows[] = {{"up to date, the same tokens", false, false, false, false},
                      {"up to date, new tokens", false, false, true, false},
                      {"failing, the same tokens", true, false, false, false},
                      {"failing, new tokens", true, false, true, true},
                      {"recovered, the same tokens", false, true, false, false},
                      {"recovered, new tokens", false, true, true, true}};
  for (const Row& row : rows) {
    INFO(row.name);
    DriverNode node;
    auto volume = node.MakeVolume();
    REQUIRE(node.Publish(volume).ok());
    if (row.recovered) {
      node.registry.Remove(volume->target_path);
      auto recovered = node.MakeVolume();
      recovered->recovered = true;
      node.registry.Recover(recovered);
    }
    if (row.failing) {
      node.registry.Update(volume->target_path, [](VolumeState& state) { state.error = "no"; });
    }
    auto again = node.MakeVolume();
    if (row.new_tokens) again->tokens = SecretBytes(token);
    REQUIRE(node.volumes.PublishAgain(again));
    CHECK(node.TakeDue().size() == (row.due ? 1 : 0));
    // The next refresh uses the request's tokens.
    const auto known = node.registry.Find(volume->target_path);
    REQUIRE(known);
    CHECK(known->volume->tokens.Reveal() == (row.new_tokens ? token : ""));
    CHECK_FALSE(known->volume->recovered);
  }
}

TEST_CASE("driver: a recovered volume whose refresh fails for want of tokens causes no event") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.registry.Remove(volume->target_path);
  auto recovered = node.MakeVolume();
  recovered->recovered = true;
  node.registry.Recover(recovered);
  node.classes.Fail(Error(ErrorCode::kDenied, "no token"));
  node.Refresh(volume);
  CHECK(node.events.reasons().empty());
  CHECK(node.StateOf(*volume).error == "no token");
}

TEST_CASE("driver: Secrets follow a refresh that succeeded, and no other") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  CHECK(node.mirror.converged == 1);
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(node.mirror.converged == 2);
  CHECK(node.mirror.was_mounted);
  // Read, but not written: the new set finds no memory.
  node.volume_bytes.SetCapacity(node.volume_bytes.used());
  node.backend->SetValue("db", std::string(std::size_t{1} << 20, 'x'));
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  REQUIRE_FALSE(node.StateOf(*volume).error.empty());
  CHECK(node.mirror.converged == 2);
  // Not even read.
  node.backend->Remove("db");
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(node.mirror.converged == 2);
}

TEST_CASE("driver: what a killed writer left counts until it is replaced") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.mounter.Mount(volume->target_path, {}).ok());
  const std::string left = volume->target_path + "/..2026_01_31_12_00_00.1";
  std::filesystem::create_directories(left);
  std::ofstream(left + "/db") << std::string(std::size_t{1} << 20, 'x');
  std::size_t during = 0;
  node.mirror.on_converge = [&] { during = node.volume_bytes.used(); };
  REQUIRE(node.Publish(volume).ok());
  CHECK(during > std::size_t{1} << 20);
  CHECK(node.volume_bytes.used() == *node.mounter.MemoryOf(volume->target_path));
}

TEST_CASE("driver: a volume that was lost does not count when it is mounted again") {
  DriverNode node;
  node.backend->SetValue("db", std::string(std::size_t{1} << 20, 'x'));
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  // Room for one set of this namespace, not for two.
  node.volume_bytes.SetCapacity(3 * node.volume_bytes.used());
  node.mounter.Reboot();
  CHECK(node.Publish(volume).ok());
  CHECK(node.volume_bytes.used() == *node.mounter.MemoryOf(volume->target_path));
}

}  // namespace nodekeep
