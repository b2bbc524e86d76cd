#include "csi/volume_service.h"

#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "tests/fakes/driver_node.h"
#include "tests/fakes/together.h"

namespace nodekeep {

using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("driver: a volume is published completely and once; unpublish leaves nothing behind") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  CHECK(DriverNode::Read(*volume) == "user=alice");
  CHECK(node.mounter.mounted() == 1);
  REQUIRE(node.Publish(volume).ok());
  CHECK(node.mounter.mount_calls() == 1);
  CHECK(node.Metric(R"(node_publish_total{os_type="linux",provider="fake"})") == 2);

  REQUIRE(node.volumes.Unpublish(Context(), volume->target_path).ok());
  CHECK(node.mounter.mounted() == 0);
  CHECK_FALSE(std::filesystem::exists(volume->target_path));
  REQUIRE(node.volumes.Unpublish(Context(), volume->target_path).ok());
  CHECK(node.registry.List().empty());
  CHECK(node.refreshes.Measure().delayed == 0);
  CHECK(node.mirror.forgotten == 2);
}

TEST_CASE("driver: a first publish gets a value changed a moment ago, a refresh may wait") {
  DriverNode node;
  // Volumes of one pod, which share what is cached.
  const auto make = [&](const std::string& name) {
    auto volume = node.MakeVolume();
    volume->id += name;
    volume->target_path = node.dir / ("pods/u-web-1/volumes/kubernetes.io~csi/" + name + "/mount");
    std::filesystem::create_directories(std::filesystem::path(volume->target_path).parent_path());
    return VolumePtr(volume);
  };
  const VolumePtr running = make("running");
  const VolumePtr started = make("started");
  REQUIRE(node.Publish(running).ok());
  node.backend->SetValue("db", "user=bob");
  node.clock.Advance(seconds(5));
  node.Refresh(running);
  CHECK(DriverNode::Read(*running) == "user=alice");
  REQUIRE(node.Publish(running).ok());  // kubelet's repetition
  CHECK(DriverNode::Read(*running) == "user=alice");
  CHECK(node.backend->reads() == 1);
  REQUIRE(node.Publish(started).ok());
  CHECK(DriverNode::Read(*started) == "user=bob");
  CHECK(node.backend->reads() == 2);

  INFO("volumes of running pods found after a restart of the agent are refreshed as usual");
  node.backend->SetValue("db", "user=carol");
  node.clock.Advance(seconds(5));
  const VolumePtr found = make("found");
  REQUIRE(node.mounter.Mount(found->target_path, {}).ok());
  std::ofstream(found->target_path + "/db") << "user=alice";
  REQUIRE(node.Publish(found).ok());
  node.Refresh(found);
  CHECK(DriverNode::Read(*found) == "user=bob");
  CHECK(node.backend->reads() == 2);

  INFO("a publish after a reboot is a first one");
  node.mounter.Reboot();
  REQUIRE(node.Publish(running).ok());
  CHECK(DriverNode::Read(*running) == "user=carol");
}

TEST_CASE("driver: a failed publish has upstream's error text and leaves nothing behind") {
  struct Row {
    std::string name;
    std::function<void(DriverNode&, Volume&)> change;
    ErrorCode code;
    std::string text;
    std::string type;
  };
  const Row rows[] = {
      {"no class named", [](DriverNode&, Volume& v) { v.class_name = ""; }, ErrorCode::kInvalid,
       "secretProviderClass is not set", "FailedToMount"},
      {"class of another namespace", [](DriverNode&, Volume& v) { v.namespace_name = "other"; },
       ErrorCode::kNotFound,
       "failed to get secretproviderclass other/app, error: ", "SecretProviderClassNotFound"},
      {"not read-only", [](DriverNode&, Volume& v) { v.read_only = false; }, ErrorCode::kInvalid,
       "Readonly is not true in request", "FailedToMount"},
      {"provider not there",
       [](DriverNode& n, Volume&) { n.classes.Set(DriverNode::Class("app", "db", "nobody")); },
       ErrorCode::kPrecondition,
       "failed to mount secrets store objects for pod shop/web-1, err: provider not found: "
       "provider \"nobody\"",
       ""},
      {"secret not there", [](DriverNode& n, Volume&) { n.backend->Remove("db"); },
       ErrorCode::kNotFound,
       "failed to mount secrets store objects for pod shop/web-1, err: ", "GRPCProviderError"},
      {"mount fails",
       [](DriverNode& n, Volume&) {
         n.mounter.FailMounts({Error(ErrorCode::kDenied, "mount: no")});
       },
       ErrorCode::kDenied, "mount: no", "FailedToEnsureMountPoint"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    DriverNode node;
    auto volume = node.MakeVolume();
    row.change(node, *volume);
    for (int i = 0; i < 2; ++i) {
      const Status published = node.Publish(volume);
      if (row.name == "mount fails" && i == 1) {
        CHECK(published.ok());  // the next try
        continue;
      }
      REQUIRE_FALSE(published.ok());
      CHECK(published.error().code() == row.code);
      CHECK(published.error().message().starts_with(row.text));
      CHECK(node.mounter.mounted() == 0);
      CHECK_FALSE(std::filesystem::exists(volume->target_path));
      CHECK(node.registry.List().empty());
    }
    const std::string text = node.core.metrics.Render();
    CHECK(text.find("error_type=\"" + row.type + "\"") != std::string::npos);
  }
}

TEST_CASE("driver: a doubtful class is reported once per version, not per pod or refresh") {
  DriverNode node;
  const auto doubtful = [&](const std::string& version, const std::string& warning) {
    SecretProviderClass spc = DriverNode::Class();
    spc.uid = "u";
    spc.resource_version = version;
    if (!warning.empty()) spc.parameters["warning"] = warning;
    node.classes.Set(spc);
  };
  const auto warnings = [&] {
    const std::vector<std::string> reasons = node.events.reasons();
    return std::count(reasons.begin(), reasons.end(), "SecretProviderClassWarning");
  };
  doubtful("1", "");
  REQUIRE(node.Publish(node.MakeVolume("web-1")).ok());
  CHECK(warnings() == 0);

  doubtful("2", "parameter vaultadress: is unknown");
  // Reported also when the mount fails, perhaps because of it.
  node.backend->Remove("db");
  CHECK_FALSE(node.Publish(node.MakeVolume("web-2")).ok());
  CHECK(node.events.last() == "SecretProviderClass shop/app: parameter vaultadress: is unknown");
  CHECK(warnings() == 1);
  node.backend->SetValue("db", "user=alice");
  node.clock.Advance(minutes(10));
  const VolumePtr volume = node.MakeVolume("web-3");
  REQUIRE(node.Publish(volume).ok());
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(warnings() == 1);

  // A refresh reports a change of the class.
  doubtful("3", "parameter vaultadress: is unknown");
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(warnings() == 2);
}

TEST_CASE("driver: a new directory without a mount is not taken for a published volume") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  std::filesystem::create_directories(volume->target_path);  // new: its age must not matter
  REQUIRE(node.Publish(volume).ok());
  CHECK(node.mounter.mounted() == 1);
  CHECK(DriverNode::Read(*volume) == "user=alice");
}

TEST_CASE("driver: a directory left by a reboot is mounted and filled again") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.mounter.Reboot();
  REQUIRE(node.Publish(volume).ok());
  CHECK(node.mounter.mounted() == 1);
  CHECK(DriverNode::Read(*volume) == "user=alice");
}

TEST_CASE(
    "driver: a first publish that fails transiently leaves no directory that a retry mistakes "
    "for content") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  node.backend->FailReads("db", {Error(ErrorCode::kTransient, "connection refused")});
  CHECK_FALSE(node.Publish(volume).ok());
  CHECK_FALSE(std::filesystem::exists(volume->target_path));
  node.clock.Advance(seconds(1));
  REQUIRE(node.Publish(volume).ok());
  CHECK(DriverNode::Read(*volume) == "user=alice");
}

TEST_CASE(
    "driver: kubelet's repeated publishes of unchanged volumes cause no read of backend or "
    "class") {
  DriverNode node;
  std::vector<VolumePtr> volumes;
  for (int i = 0; i < 20; ++i) {
    volumes.push_back(node.MakeVolume("web-" + std::to_string(i)));
    REQUIRE(node.Publish(volumes.back()).ok());
  }
  const std::size_t first = node.backend->reads();
  const std::size_t classes = node.classes.gets();
  for (int i = 0; i < 100; ++i) {
    node.clock.Advance(seconds(1));
    for (const VolumePtr& volume : volumes) REQUIRE(node.Publish(volume).ok());
  }
  CHECK(node.backend->reads() == first);
  CHECK(node.classes.gets() == classes);
}

TEST_CASE(
    "driver: a failed refresh keeps the volume, publish returns OK, the failure is reported") {
  struct Row {
    std::string name;
    std::function<void(DriverNode&)> breaks;
    std::string text;
  };
  const Row rows[] = {
      {"class gone", [](DriverNode& n) { n.classes.Remove("shop/app"); },
       "failed to get secretproviderclass shop/app"},
      {"secret gone", [](DriverNode& n) { n.backend->Remove("db"); }, "db"},
      {"provider gone",
       [](DriverNode& n) { n.classes.Set(DriverNode::Class("app", "db", "nobody")); },
       "provider not found"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    DriverNode node;
    const VolumePtr volume = node.MakeVolume();
    REQUIRE(node.Publish(volume).ok());
    row.breaks(node);
    node.clock.Advance(minutes(3));
    node.Refresh(volume);
    CHECK(node.Publish(volume).ok());
    CHECK(node.mounter.mounted() == 1);
    CHECK(node.mounter.clear_calls() == 0);
    CHECK(DriverNode::Read(*volume) == "user=alice");
    CHECK(node.StateOf(*volume).error.find(row.text) != std::string::npos);
    REQUIRE(node.events.reasons() == std::vector<std::string>{"MountRotationFailed"});
    CHECK(node.events.last().find(row.text) != std::string::npos);
    CHECK(node.core.metrics.Render().find("rotation_reconcile_error_total{") != std::string::npos);
    // The same failure is not reported again.
    node.clock.Advance(minutes(3));
    node.Refresh(volume);
    CHECK(node.events.reasons().size() == 1);
  }
}

TEST_CASE("driver: leftovers of a killed writer do not prevent the next write") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  // Mounted and killed in the middle of the first write.
  REQUIRE(node.mounter.Mount(volume->target_path, {}).ok());
  std::filesystem::create_directories(volume->target_path + "/..2026_01_31_12_00_00.1");
  std::filesystem::create_symlink("..2026_01_31_12_00_00.1", volume->target_path + "/..data_tmp");
  // The links are created before the swap of ..data, so they are dangling.
  std::filesystem::create_symlink("..data/db", volume->target_path + "/db");
  REQUIRE(node.Publish(volume).ok());
  CHECK(DriverNode::Read(*volume) == "user=alice");
  CHECK(node.mounter.mount_calls() == 1);
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(volume->target_path)) {
    left.insert(entry.path().filename());
  }
  CHECK_FALSE(left.contains("..2026_01_31_12_00_00.1"));
  CHECK_FALSE(left.contains("..data_tmp"));
}

TEST_CASE("driver: a change of mode alone is applied") {
  DriverNode node;
  auto volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  const auto mode = [&] {
    return static_cast<unsigned>(
        std::filesystem::status(volume->target_path + "/db").permissions());
  };
  CHECK(mode() == 0644);
  auto grouped = node.MakeVolume();
  grouped->group = getegid();
  std::filesystem::permissions(std::filesystem::canonical(volume->target_path + "/db"),
                               std::filesystem::perms(0600));
  REQUIRE(node.Publish(grouped).ok());
  node.clock.Advance(minutes(3));
  node.Refresh(grouped);
  CHECK(mode() == 0644);
}

TEST_CASE("driver: no attribute of a pod disables the driver") {
  DriverNode node;
  auto volume = node.MakeVolume();
  volume->attributes["providerName"] = "mock_provider";
  REQUIRE(node.Publish(volume).ok());
  CHECK(DriverNode::Read(*volume) == "user=alice");
}

TEST_CASE("driver: a cancelled publish does not write after its successor") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  node.backend->Close();
  std::stop_source cancelled;
  Status first;
  {
    std::jthread slow([&] {
      first = node.volumes.Publish(Context(SteadyTime::max(), cancelled.get_token()), volume);
    });
    REQUIRE(node.backend->AwaitWaiting(1));
    cancelled.request_stop();
  }
  REQUIRE_FALSE(first.ok());
  CHECK(first.error().message().find("gone away") != std::string::npos);
  CHECK(node.mounter.mount_calls() == 0);
  node.backend->Open();
  REQUIRE(node.Publish(volume).ok());
  CHECK(DriverNode::Read(*volume) == "user=alice");
}

TEST_CASE("driver: an unpublish cancels the running refresh and is not undone by it") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.clock.Advance(minutes(3));
  node.backend->Close();
  {
    std::jthread refresh([&] { node.Refresh(volume); });
    // The refresh would serve stale values after two seconds of this clock, which stands still.
    REQUIRE(node.backend->AwaitWaiting(1));
    REQUIRE(node.volumes.Unpublish(Context(), volume->target_path).ok());
  }
  node.backend->Open();
  CHECK(node.mounter.mounted() == 0);
  CHECK_FALSE(std::filesystem::exists(volume->target_path));
  CHECK(node.registry.List().empty());
}

TEST_CASE("driver: concurrent publishes of one target mount it once") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  std::atomic<int> failed = 0;
  RunConcurrently(16, [&](std::size_t) {
    if (!node.Publish(volume).ok()) ++failed;
  });
  CHECK(failed == 0);
  CHECK(node.mounter.mount_calls() == 1);
}

TEST_CASE("driver: a changed secret reaches every volume of the class with one read") {
  DriverNode node;
  std::vector<VolumePtr> volumes;
  for (int i = 0; i < 10; ++i) {
    auto volume = node.MakeVolume("web-" + std::to_string(i));
    volume->tokens = SecretBytes("");
    volumes.push_back(volume);
    REQUIRE(node.Publish(volume).ok());
  }
  node.backend->SetValue("db", "user=bob");
  node.clock.Advance(minutes(3));
  const std::vector<std::string> due = node.TakeDue();
  CHECK(due.size() == 10);
  for (const std::string& target : due) node.Refresh(target);
  for (const VolumePtr& volume : volumes) CHECK(DriverNode::Read(*volume) == "user=bob");
  CHECK(node.events.reasons().size() == 10);
  CHECK(node.events.last() ==
        "successfully rotated mounted contents for spc shop/app: updated \"db\"");
  CHECK(node.Metric(
            R"(rotation_reconcile_total{os_type="linux",provider="fake",rotated="true"})") == 10);
}

TEST_CASE("driver: an unchanged secret is neither written nor reported") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  const auto before = std::filesystem::read_symlink(volume->target_path + "/..data");
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(std::filesystem::read_symlink(volume->target_path + "/..data") == before);
  CHECK(node.events.reasons().empty());
  CHECK(node.Metric(
            R"(rotation_reconcile_total{os_type="linux",provider="fake",rotated="false"})") == 1);
}

TEST_CASE(
    "driver: during a backend outage the volume keeps its content and its condition says so") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.backend->FailAlways("", Error(ErrorCode::kTransient, "connection refused"));
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  const VolumeState state = node.StateOf(*volume);
  CHECK(state.stale);
  CHECK(ConditionOf(state).starts_with("serving last good values since "));
  CHECK(ConditionOf(state).find("connection refused") != std::string::npos);
  node.backend->ClearFaults();
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(ConditionOf(node.StateOf(*volume)) == "up to date");
}

TEST_CASE("driver: volumes of a pod that is being deleted or has finished are not refreshed") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.pods.pods["u-web-1"].ending = true;
  const std::size_t reads = node.backend->reads();
  node.backend->SetValue("db", "user=bob");
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(node.backend->reads() == reads);
  CHECK(DriverNode::Read(*volume) == "user=alice");
}

TEST_CASE(
    "driver: Secrets are mirrored before publish returns; a failure is reported and blocks "
    "nothing") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  node.mirror.fault = Error(ErrorCode::kPrecondition, "Secret shop/db has another owner");
  REQUIRE(node.Publish(volume).ok());
  CHECK(node.mirror.converged == 1);
  CHECK(node.mirror.files_seen == 1);
  CHECK_FALSE(node.mirror.was_mounted);
  CHECK(DriverNode::Read(*volume) == "user=alice");
  REQUIRE(node.events.reasons() == std::vector<std::string>{"FailedToCreateSecret"});
  CHECK(node.events.last() == "Secret shop/db has another owner");
  CHECK(ConditionOf(node.StateOf(*volume)) ==
        "up to date; not mirrored: Secret shop/db has another owner");
}

TEST_CASE("driver: a failed mirror is retried soon, with growing pauses") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  node.mirror.fault = Error(ErrorCode::kTransient, "the API server is away");
  REQUIRE(node.Publish(volume).ok());
  const auto due_after = [&](seconds wait) {
    node.clock.Advance(wait);
    return !node.TakeDue().empty();
  };
  CHECK_FALSE(due_after(seconds(9)));
  CHECK(due_after(seconds(1)));
  const std::size_t reads = node.backend->reads();
  node.Refresh(volume);
  CHECK(node.mirror.converged == 2);
  CHECK(node.events.reasons().size() == 1);
  CHECK_FALSE(due_after(seconds(19)));
  CHECK(due_after(seconds(1)));
  node.mirror.fault.reset();
  node.Refresh(volume);
  CHECK(node.mirror.converged == 3);
  CHECK(node.backend->reads() == reads);
  CHECK(ConditionOf(node.StateOf(*volume)) == "up to date");
  CHECK_FALSE(due_after(seconds(40)));
}

TEST_CASE("driver: a volume never published releases its Secrets, a lost one keeps them") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  node.mounter.FailMounts({Error(ErrorCode::kInternal, "no memory")});
  CHECK_FALSE(node.Publish(volume).ok());
  CHECK(node.mirror.converged == 1);
  CHECK(node.mirror.forgotten == 1);
  REQUIRE(node.Publish(volume).ok());
  REQUIRE(node.mounter.Clear(volume->target_path).ok());
  node.mounter.FailMounts({Error(ErrorCode::kInternal, "no memory")});
  CHECK_FALSE(node.Publish(volume).ok());
  CHECK(node.mirror.forgotten == 1);
}

TEST_CASE("driver: a stale mount is replaced on publish") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.mounter.MakeStale(volume->target_path);
  REQUIRE(node.Publish(volume).ok());
  CHECK(DriverNode::Read(*volume) == "user=alice");
  CHECK(node.mounter.mount_calls() == 2);
}

TEST_CASE("driver: a failed publish removes the mount of a killed predecessor") {
  struct Row {
    std::string name;
    std::function<void(DriverNode&)> fault;
  };
  const Row rows[] = {
      {"no class", [](DriverNode& n) { n.classes.Remove("shop/app"); }},
      {"API server away",
       [](DriverNode& n) { n.classes.Fail(Error(ErrorCode::kTransient, "refused")); }},
      {"no secret", [](DriverNode& n) { n.backend->Remove("db"); }},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    DriverNode node;
    const VolumePtr volume = node.MakeVolume();
    REQUIRE(node.mounter.Mount(volume->target_path, {}).ok());
    std::filesystem::create_directory(volume->target_path + "/..2026_01_31_12_00_00.1");
    row.fault(node);
    CHECK_FALSE(node.Publish(volume).ok());
    CHECK(node.mounter.mounted() == 0);
    CHECK_FALSE(std::filesystem::exists(volume->target_path));
  }
}

TEST_CASE("driver: a cancelled mirror does not cause a warning on the pod") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  std::stop_source stop;
  node.mirror.fault = Error(ErrorCode::kCancelled, "the caller has gone away");
  node.mirror.on_converge = [&] { stop.request_stop(); };
  const Context context(SteadyTime::max(), stop.get_token());
  CHECK_FALSE(node.volumes.Publish(context, volume).ok());
  CHECK(node.mirror.converged == 1);
  CHECK(node.events.reasons().empty());
}

TEST_CASE("driver: a failed unmount is an error, and the next unpublish succeeds") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.mounter.FailClears({Error(ErrorCode::kInternal, "unmount: busy")});
  const Status first = node.volumes.Unpublish(Context(), volume->target_path);
  REQUIRE_FALSE(first.ok());
  CHECK(first.error().message() == "unmount: busy");
  CHECK(node.Metric(R"(node_unpublish_error_total{os_type="linux"})") == 1);
  REQUIRE(node.volumes.Unpublish(Context(), volume->target_path).ok());
  CHECK(node.Metric(R"(node_unpublish_total{os_type="linux"})") == 1);
}

TEST_CASE("driver: a volume that was complete before the start is taken over without a call") {
  DriverNode before;
  const VolumePtr volume = before.MakeVolume();
  REQUIRE(before.Publish(volume).ok());
  // The successor starts with an empty registry and queue.
  before.registry.Remove(volume->target_path);
  before.refreshes.Remove(volume->target_path);
  before.backend->FailAlways("", Error(ErrorCode::kTransient, "connection refused"));
  const std::size_t reads = before.backend->reads();
  REQUIRE(before.Publish(volume).ok());
  CHECK(before.backend->reads() == reads);
  CHECK(before.mounter.mount_calls() == 1);
  CHECK(DriverNode::Read(*volume) == "user=alice");
  CHECK(before.TakeDue().size() == 1);
}

TEST_CASE("driver: fsGroup becomes the group of the files and may read them") {
  DriverNode node;
  auto volume = node.MakeVolume();
  volume->group = getegid();
  REQUIRE(node.Publish(volume).ok());
  CHECK(node.mounter.OptionsOf(volume->target_path)->group == getegid());
  CHECK((std::filesystem::status(volume->target_path + "/db").permissions() &
         std::filesystem::perms::group_read) != std::filesystem::perms::none);
}

TEST_CASE("driver: new tokens make a failed refresh due at once") {
  DriverNode node;
  auto volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.classes.Fail(Error(ErrorCode::kDenied, "no"));
  node.clock.Advance(minutes(3));
  REQUIRE(node.TakeDue().size() == 1);
  node.Refresh(volume);
  CHECK_FALSE(node.StateOf(*volume).error.empty());
  CHECK(node.TakeDue().empty());
  auto again = node.MakeVolume();
  again->tokens = SecretBytes(R"({"":{"token":"t","expirationTimestamp":"2099-01-01T00:00:00Z"}})");
  REQUIRE(node.Publish(again).ok());
  CHECK(node.TakeDue().size() == 1);
}

namespace {

// Two volumes of 1 MiB exhaust what one namespace may take.
constexpr std::size_t kSmallBudget = std::size_t{5} << 20;

std::string OneMiB(char c) { return std::string(std::size_t{1} << 20, c); }

}  // namespace

TEST_CASE("driver: volumes beyond the share of their namespace are refused before any write") {
  DriverNode node;
  node.volume_bytes.SetCapacity(kSmallBudget);
  node.backend->SetValue("db", OneMiB('a'));
  auto neighbour_class = DriverNode::Class();
  neighbour_class.namespace_name = "bank";
  node.classes.Set(neighbour_class);
  const VolumePtr first = node.MakeVolume("web-1");
  const VolumePtr second = node.MakeVolume("web-2");
  REQUIRE(node.Publish(first).ok());
  REQUIRE(node.Publish(second).ok());

  const VolumePtr third = node.MakeVolume("web-3");
  const std::size_t mirrored = node.mirror.converged;
  const Status refused = node.Publish(third);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == ErrorCode::kPrecondition);
  const std::string& text = refused.error().message();
  for (const std::string& part :
       {std::string("failed to mount secrets store objects for pod shop/web-3, err: "),
        std::to_string((1 << 20) + 6 * 1024) + " bytes", std::string("namespace \"shop\""),
        std::string("driver.volumesTotal")}) {
    INFO(part);
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(node.mounter.mount_calls() == 2);
  CHECK_FALSE(std::filesystem::exists(third->target_path));
  CHECK(node.mirror.converged == mirrored);
  CHECK(node.refusals == std::map<std::string, int>{{"shop", 1}});

  // The neighbour is served.
  auto neighbour = node.MakeVolume("teller");
  neighbour->namespace_name = "bank";
  REQUIRE(node.Publish(neighbour).ok());
  REQUIRE(node.volumes.Unpublish(Context(), neighbour->target_path).ok());

  // An unpublish makes room.
  REQUIRE(node.volumes.Unpublish(Context(), first->target_path).ok());
  CHECK(node.Publish(third).ok());
  for (const VolumePtr& volume : {second, third}) {
    REQUIRE(node.volumes.Unpublish(Context(), volume->target_path).ok());
  }
  CHECK(node.volume_bytes.used() == 0);
}

TEST_CASE("driver: what is mounted rotates however full the memory for volumes is") {
  DriverNode node;
  node.backend->SetValue("db", OneMiB('a'));
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  const std::size_t held = node.volume_bytes.used();
  CHECK(held == *node.mounter.MemoryOf(volume->target_path));
  node.volume_bytes.SetCapacity(held);

  node.backend->SetValue("db", OneMiB('b'));
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(node.StateOf(*volume).error.empty());
  CHECK(DriverNode::Read(*volume) == OneMiB('b'));
  CHECK(node.volume_bytes.used() == held);
  CHECK(node.rotation_bytes.used() == 0);
  CHECK(node.refusals.empty());
}

TEST_CASE("driver: a rotation to a larger set needs room in the share of its namespace") {
  DriverNode node;
  node.backend->SetValue("db", OneMiB('a'));
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  const std::size_t held = node.volume_bytes.used();
  node.volume_bytes.SetCapacity(2 * held + (1 << 19));

  const std::string larger = OneMiB('b') + OneMiB('b');
  node.backend->SetValue("db", larger);
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(node.StateOf(*volume).error.find("driver.volumesTotal") != std::string::npos);
  CHECK(node.StateOf(*volume).error.find("the old set stays") != std::string::npos);
  CHECK(node.events.reasons() == std::vector<std::string>{"MountRotationFailed"});
  CHECK(DriverNode::Read(*volume) == OneMiB('a'));
  CHECK(node.refusals == std::map<std::string, int>{{"shop", 1}});
  CHECK(node.volume_bytes.used() == held);

  node.volume_bytes.SetCapacity(8 * held);
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(node.StateOf(*volume).error.empty());
  CHECK(DriverNode::Read(*volume) == larger);
}

TEST_CASE("driver: a rotation waits while others of its namespace use the memory for rotations") {
  DriverNode node;
  node.backend->SetValue("db", OneMiB('a'));
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.backend->SetValue("db", OneMiB('b'));
  node.clock.Advance(minutes(3));
  (void)node.TakeDue();
  {
    const auto others = node.rotation_bytes.TakeExisting("shop", std::size_t{62} << 20);
    const std::optional<SteadyTime> due = node.volumes.Refresh(Context(), volume->target_path);
    REQUIRE(due);
    CHECK(*due <= node.clock.Now() + seconds(5));
    CHECK(DriverNode::Read(*volume) == OneMiB('a'));
    CHECK(node.StateOf(*volume).error.empty());
    CHECK(node.events.reasons().empty());
  }
  node.Refresh(volume);
  CHECK(DriverNode::Read(*volume) == OneMiB('b'));
}

TEST_CASE("driver: a set that could be written but never rotated is refused at the mount") {
  DriverNode node;
  std::string five;
  for (int i = 0; i < 5; ++i) five += OneMiB('a');
  node.backend->SetValue("db", five);
  const Status refused = node.Publish(node.MakeVolume());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message().find("driver.volumeSize") != std::string::npos);
  CHECK(node.volume_bytes.used() == 0);
}

TEST_CASE("driver: the budget is given back after every way in which a publish fails") {
  struct Row {
    std::string name;
    std::function<void(DriverNode&)> fault;
  };
  const Row rows[] = {
      {"the mount fails",
       [](DriverNode& n) { n.mounter.FailMounts({Error(ErrorCode::kInternal, "no memory")}); }},
      {"the mount goes away before the write",
       [](DriverNode& n) { n.mirror.on_converge = [&n] { n.mounter.LoseNextMount(); }; }},
      {"a foreign provider fails after the mount",
       [](DriverNode& n) { n.classes.Set(DriverNode::Class("app", "db", "nobody")); }},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    DriverNode node;
    row.fault(node);
    CHECK_FALSE(node.Publish(node.MakeVolume()).ok());
    CHECK(node.volume_bytes.used() == 0);
  }
}

TEST_CASE("driver: a volume that was complete before the start counts with what it holds") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.mounter.Mount(volume->target_path, {}).ok());
  std::ofstream(volume->target_path + "/db") << std::string(10'000, 'x');
  REQUIRE(node.Publish(volume).ok());  // taken over
  CHECK(node.volume_bytes.used() == 3 * 4096 + 2 * kTmpfsInodeBytes);
  REQUIRE(node.volumes.Unpublish(Context(), volume->target_path).ok());
  CHECK(node.volume_bytes.used() == 0);
}

TEST_CASE("driver: files that a provider writes itself count once it has answered") {
  struct SelfWriter final : VolumeSource {
    Fetched Fetch(const Context&, const SecretProviderClass&, const Volume& volume,
                  const std::vector<ObjectVersion>*) override {
      std::ofstream(volume.target_path + "/db") << OneMiB('a');
      VolumeContent content;
      content.bundle.versions.push_back({"db", "1"});
      content.untouched = true;
      return {std::move(content), ""};
    }
    bool MayWriteItself(const SecretProviderClass&) const override { return true; }
    bool Serves(const std::string&) const override { return true; }
  };
  DriverNode node;
  SelfWriter source;
  VolumeService volumes({}, {.mounter = node.mounter,
                             .classes = node.classes,
                             .pods = node.pods,
                             .source = source,
                             .mirror = node.mirror,
                             .events = node.events,
                             .registry = node.registry,
                             .budget = node.budget,
                             .refreshes = node.refreshes,
                             .clock = node.clock,
                             .rng = node.core.rng,
                             .log = node.core.log,
                             .metrics = node.driver_metrics});
  node.volume_bytes.SetCapacity(kSmallBudget);
  REQUIRE(volumes.Publish(Context(), node.MakeVolume("web-1")).ok());
  REQUIRE(volumes.Publish(Context(), node.MakeVolume("web-2")).ok());
  const VolumePtr third = node.MakeVolume("web-3");
  const Status refused = volumes.Publish(Context(), third);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message().find("driver.volumesTotal") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(third->target_path));
  CHECK(node.volume_bytes.used() < (std::size_t{5} << 19));
}

TEST_CASE("driver: nothing is written below a mount that went away during the refresh") {
  DriverNode node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.backend->SetValue("db", "user=bob");
  node.clock.Advance(minutes(3));
  node.backend->Close();
  {
    std::jthread refresh([&] { node.Refresh(volume); });
    REQUIRE(node.backend->AwaitWaiting(1));
    node.mounter.Reboot();  // the directory stays, with nothing mounted on it
    node.backend->Open();
  }
  CHECK(std::filesystem::is_directory(volume->target_path));
  CHECK(std::filesystem::is_empty(volume->target_path));
  CHECK(node.StateOf(*volume).error.find("no tmpfs is mounted on it") != std::string::npos);
  // Kubelet's next request mounts it again.
  REQUIRE(node.Publish(volume).ok());
  CHECK(DriverNode::Read(*volume) == "user=bob");
}

TEST_CASE("driver: a failed refresh is tried again at the interval of the class") {
  struct Row {
    std::string name;
    std::string asked;
    seconds not_yet, due;
  };
  // The interval is 5 % longer, and refreshes of a class have a common phase, so the next one is
  // due between half an interval and one and a half from now.
  const Row rows[] = {{"shorter than the default", "20s", seconds(10), seconds(32)},
                      {"longer than the default, which is used", "10m", seconds(60), seconds(190)}};
  for (const Row& row : rows) {
    INFO(row.name);
    DriverNode node;
    auto spc = DriverNode::Class();
    spc.parameters["nodekeep/refreshAfter"] = row.asked;
    node.classes.Set(spc);
    const VolumePtr volume = node.MakeVolume();
    REQUIRE(node.Publish(volume).ok());
    node.clock.Advance(minutes(20));
    CHECK(node.TakeDue().size() == 1);
    node.backend->Remove("db");
    for (int failure = 0; failure < 2; ++failure) {
      node.Refresh(volume);
      REQUIRE_FALSE(node.StateOf(*volume).error.empty());
      node.clock.Advance(row.not_yet);
      CHECK(node.TakeDue().empty());
      node.clock.Advance(row.due - row.not_yet);
      CHECK(node.TakeDue().size() == 1);
    }
  }
}

}  // namespace nodekeep
