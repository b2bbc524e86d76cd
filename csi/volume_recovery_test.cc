#include "csi/volume_recovery.h"

#include <catch2/catch_test_macros.hpp>

#include "agent/base/json.h"
#include "tests/fakes/capture_stderr.h"
#include "tests/fakes/driver_node.h"

namespace nodekeep {
namespace {

// The node after a restart: volumes are mounted and complete, but none is registered.
struct Restarted : DriverNode {
  VolumePtr Left(const std::string& pod, const std::string& class_name = "app",
                 bool has_secret_ref = false) {
    auto volume = MakeVolume(pod);
    REQUIRE(mounter.Mount(volume->target_path, {}).ok());
    const std::filesystem::path target = volume->target_path;
    std::ofstream(target / "db") << "user=alice";
    std::ofstream(target.parent_path() / "vol_data.json")
        << R"({"driverName":"d","volumeHandle":"csi"})";
    PodFacts facts;
    facts.namespace_name = "shop";
    facts.name = pod;
    facts.uid = volume->pod_uid;
    facts.volumes["secrets"] = {.driver = "d",
                                .attributes = {{"secretProviderClass", class_name}},
                                .has_secret_ref = has_secret_ref};
    pods.pods[facts.uid] = facts;
    return volume;
  }
  bool Claimed(const VolumePtr& volume) const {
    return mirror.claimed.contains(volume->target_path);
  }
  bool Known(const VolumePtr& volume) const {
    return registry.Find(volume->target_path).has_value();
  }

  VolumeRecovery recovery{{.kubelet_root = dir.path(), .driver_name = "d"},
                          {.mounter = mounter,
                           .pods = pods,
                           .classes = classes,
                           .mirror = mirror,
                           .registry = registry,
                           .budget = budget,
                           .refreshes = refreshes,
                           .clock = clock,
                           .log = core.log}};
};

}  // namespace

TEST_CASE("recovery: the volumes on the node are registered, claimed and due at once") {
  Restarted node;
  const VolumePtr volume = node.Left("web-1");
  CHECK(node.recovery.Run(Context()));
  CHECK(node.Known(volume));
  CHECK(node.Claimed(volume));
  CHECK(node.TakeDue().size() == 1);
}

TEST_CASE("recovery: volumes count with what they hold, also beyond the share, until unpublish") {
  Restarted node;
  std::vector<VolumePtr> volumes;
  // The second lacks its secrets, so it is not registered.
  for (const bool has_secret_ref : {false, true}) {
    volumes.push_back(node.Left(has_secret_ref ? "web-2" : "web-1", "app", has_secret_ref));
  }
  const std::size_t each = 4096 + 2 * kTmpfsInodeBytes;
  node.volume_bytes.SetCapacity(each);
  CHECK(node.recovery.Run(Context()));
  CHECK(node.recovery.Run(Context()));  // counted once
  REQUIRE(node.volume_bytes.List().size() == 1);
  CHECK(node.volume_bytes.List()[0].namespace_name == "shop");
  CHECK(node.volume_bytes.used() == 2 * each);
  CHECK(node.refusals.empty());
  for (const VolumePtr& volume : volumes) {
    REQUIRE(node.volumes.Unpublish(Context(), volume->target_path).ok());
  }
  CHECK(node.volume_bytes.used() == 0);
}

TEST_CASE("recovery: an unreadable vol_data.json is logged once; the other volumes are found") {
  Restarted node;
  const VolumePtr volume = node.Left("web-1");
  const VolumePtr bad = node.Left("web-2");
  const std::filesystem::path data =
      std::filesystem::path(bad->target_path).parent_path() / "vol_data.json";
  std::filesystem::remove(data);
  std::filesystem::create_directory(data);
  Logger log(LogLevel::kWarn, LogFormat::kJson);
  VolumeRecovery recovery({.kubelet_root = node.dir.path(), .driver_name = "d"},
                          {.mounter = node.mounter,
                           .pods = node.pods,
                           .classes = node.classes,
                           .mirror = node.mirror,
                           .registry = node.registry,
                           .budget = node.budget,
                           .refreshes = node.refreshes,
                           .clock = node.clock,
                           .log = log});
  std::string text;
  {
    CaptureStderr captured;
    CHECK(recovery.Run(Context()));
    CHECK(recovery.Run(Context()));
    text = captured.Text();
  }
  CHECK(node.Known(volume));
  CHECK_FALSE(node.Known(bad));
  const Result<Json> line = ParseJson(text);  // fails on two lines
  REQUIRE(line.ok());
  CHECK(TextOf(Find(*line, {"path"})) == data.string());
  CHECK(TextOf(Find(*line, {"error"})) == "read " + data.string() + ": Is a directory");
}

TEST_CASE("recovery: it is complete only when every class has been read") {
  Restarted node;
  node.classes.Set(DriverNode::Class("other"));
  const VolumePtr volume = node.Left("web-1");
  node.classes.Fail(Error(ErrorCode::kTransient, "429"));
  CHECK_FALSE(node.recovery.Run(Context()));
  CHECK(node.Known(volume));  // it is refreshed nevertheless
  CHECK_FALSE(node.Claimed(volume));
  node.classes.Fail(std::nullopt);
  CHECK(node.recovery.Run(Context()));
  CHECK(node.Claimed(volume));
}

TEST_CASE("recovery: a missing or invalid class does not delay it") {
  for (const ErrorCode code : {ErrorCode::kNotFound, ErrorCode::kInvalid}) {
    Restarted node;
    const VolumePtr volume = node.Left("web-1");
    node.classes.Fail(Error(code, "no"));
    CHECK(node.recovery.Run(Context()));
    CHECK(node.Known(volume));
  }
}

TEST_CASE("recovery: a volume unpublished meanwhile leaves neither record nor claim") {
  Restarted node;
  const VolumePtr volume = node.Left("web-1");
  node.mirror.on_recover = [&] {
    REQUIRE(node.volumes.Unpublish(Context(), volume->target_path).ok());
  };
  CHECK(node.recovery.Run(Context()));
  CHECK_FALSE(node.Known(volume));
  CHECK_FALSE(node.Claimed(volume));
  CHECK(node.TakeDue().empty());
  CHECK(node.volume_bytes.used() == 0);
}

TEST_CASE("recovery: a volume that lacks its secrets is claimed before it is registered") {
  Restarted node;
  const VolumePtr volume = node.Left("web-1", "app", true);
  CHECK(node.recovery.Run(Context()));
  CHECK_FALSE(node.Known(volume));
  CHECK(node.Claimed(volume));
}

TEST_CASE("recovery: a second scan does not change a volume that was published meanwhile") {
  Restarted node;
  const VolumePtr first = node.Left("web-1");
  node.classes.Fail(Error(ErrorCode::kTransient, "429"));
  CHECK_FALSE(node.recovery.Run(Context()));
  node.classes.Fail(std::nullopt);
  auto published = node.MakeVolume("web-1");
  published->tokens = SecretBytes("{}");
  REQUIRE(node.Publish(published).ok());
  CHECK(node.recovery.Run(Context()));
  REQUIRE(node.Known(first));
  CHECK(node.registry.Find(first->target_path)->volume->tokens.Reveal() == "{}");
}

}  // namespace nodekeep
