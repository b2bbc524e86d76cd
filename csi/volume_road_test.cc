#include "csi/volume_road.h"

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <set>
#include <thread>

#include "csi/rotation.h"
#include "tests/fakes/fake_mounter.h"
#include "tests/fakes/heart.h"
#include "tests/fakes/temp_dir.h"
#include "tests/fakes/together.h"

namespace nodekeep {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// Classes in memory.
class FakeClasses final : public ClassSource {
 public:
  Result<ClassPtr> Get(const Context&, const std::string& namespace_name,
                       const std::string& name) override {
    std::lock_guard lock(mutex_);
    ++asked_;
    if (fault_) return *fault_;
    auto found = classes_.find(namespace_name + "/" + name);
    if (found != classes_.end()) return found->second;
    return Error::Format(ErrorCode::kNotFound,
                         "failed to get secretproviderclass {}/{}, error: not found",
                         namespace_name, name);
  }
  void Set(SecretProviderClass spc) {
    std::lock_guard lock(mutex_);
    const std::string text = spc.Text();
    classes_[text] = std::make_shared<const SecretProviderClass>(std::move(spc));
  }
  void Remove(const std::string& text) {
    std::lock_guard lock(mutex_);
    classes_.erase(text);
  }
  void Fail(std::optional<Error> fault) {
    std::lock_guard lock(mutex_);
    fault_ = std::move(fault);
  }
  std::size_t asked() const {
    std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, ClassPtr> classes_;
  std::optional<Error> fault_;
  std::size_t asked_ = 0;
};

class FakePods final : public PodSource {
 public:
  Result<std::shared_ptr<const PodsByUid>> OnNode(const Context&) override {
    return std::make_shared<const PodsByUid>(pods);
  }
  PodsByUid pods;
};

class NoForeignProviders final : public VolumeSource {
 public:
  Fetched Fetch(const Context&, const SecretProviderClass& spc, const Volume&,
                const std::vector<ObjectVersion>&) override {
    return {
        Error(ErrorCode::kPrecondition, "provider not found: provider \"" + spc.provider + "\""),
        ""};
  }
  bool MayWriteItself(const SecretProviderClass&) const override { return true; }
};

class EventList final : public VolumeEvents {
 public:
  void Record(const Volume& volume, Kind, std::string_view reason,
              const std::string& message) override {
    std::lock_guard lock(mutex_);
    reasons_.push_back(std::string(reason));
    messages_.push_back(message);
  }
  std::vector<std::string> reasons() const {
    std::lock_guard lock(mutex_);
    return reasons_;
  }
  std::string last() const {
    std::lock_guard lock(mutex_);
    return messages_.empty() ? "" : messages_.back();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> reasons_;
  std::vector<std::string> messages_;
};

class MirrorList final : public VolumeMirror {
 public:
  Status Converge(const Context&, const Volume& volume, const SecretProviderClass&,
                  const VolumeContent& content) override {
    files_seen = content.bundle.files.size();
    mounted_then = mounter->StateOf(volume.target_path).ok() &&
                   *mounter->StateOf(volume.target_path) == MountState::kMounted;
    ++converged;
    return fault ? Status(*fault) : Status();
  }
  void Recover(const Volume&, const SecretProviderClass&) override {}
  void Forget(const std::string&) override { ++forgotten; }

  FakeMounter* mounter = nullptr;
  std::optional<Error> fault;
  std::size_t files_seen = 0;
  bool mounted_then = false;
  std::size_t converged = 0;
  std::size_t forgotten = 0;
};

// The driver without its wire: a fake backend behind the real road.
struct Node {
  Node() {
    mirror.mounter = &mounter;
    backend->SetValue("db", "user=alice");
    classes.Set(Class());
  }

  static SecretProviderClass Class(const std::string& name = "app",
                                   const std::string& objects = "db",
                                   const std::string& provider = "fake") {
    SecretProviderClass spc;
    spc.namespace_name = "shop";
    spc.name = name;
    spc.provider = provider;
    spc.parameters["objects"] = objects;
    return spc;
  }

  std::shared_ptr<Volume> MakeVolume(const std::string& pod = "web-1") const {
    auto volume = std::make_shared<Volume>();
    volume->id = "csi-" + pod;
    volume->target_path = dir / ("pods/u-" + pod + "/volumes/kubernetes.io~csi/secrets/mount");
    std::filesystem::create_directories(std::filesystem::path(volume->target_path).parent_path());
    volume->class_name = "app";
    volume->namespace_name = "shop";
    volume->pod = pod;
    volume->pod_uid = "u-" + pod;
    volume->service_account = "web";
    volume->read_only = true;
    volume->attributes = {{"secretProviderClass", "app"},
                          {"csi.storage.k8s.io/pod.name", pod},
                          {"csi.storage.k8s.io/pod.namespace", "shop"},
                          {"csi.storage.k8s.io/pod.uid", "u-" + pod},
                          {"csi.storage.k8s.io/serviceAccount.name", "web"}};
    return volume;
  }
  Status Publish(const VolumePtr& volume) { return road.Publish(Context(), volume); }
  void Refresh(const VolumePtr& volume) { road.Refresh(Context(), volume->target_path); }
  static std::string Read(const Volume& volume, const std::string& file = "db") {
    std::ifstream in(volume.target_path + "/" + file);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  VolumeState StateOf(const Volume& volume) {
    const auto record = registry.Find(volume.target_path);
    return record ? record->state : VolumeState();
  }
  double Metric(const std::string& line) const {
    const std::string text = heart.metrics.Render();
    const std::size_t at = text.find(line + " ");
    return at == std::string::npos ? 0 : std::stod(text.substr(at + line.size() + 1));
  }

  FakeClock clock;
  std::shared_ptr<FakeProvider> backend = std::make_shared<FakeProvider>(clock);
  Heart heart{clock, {.retry = {.attempts = 1}}};
  MountLedger ledger{clock};
  MountRoad mounts{[this](const std::string& name) { return name == "fake" ? backend : nullptr; },
                   heart.fetcher,
                   ledger,
                   nullptr,
                   "node-1",
                   clock,
                   heart.log,
                   heart.metrics};
  TempDir dir;
  FakeMounter mounter;
  FakeClasses classes;
  FakePods pods;
  NoForeignProviders foreign;
  RoadVolumeSource source{mounts, foreign};
  MirrorList mirror;
  EventList events;
  VolumeRegistry registry{clock};
  VolumeRoad road{{},
                  {.mounter = mounter,
                   .classes = classes,
                   .pods = pods,
                   .source = source,
                   .mirror = mirror,
                   .events = events,
                   .registry = registry,
                   .clock = clock,
                   .rng = heart.rng,
                   .log = heart.log,
                   .metrics = heart.metrics}};
};

}  // namespace

TEST_CASE("driver: a volume is published complete, once, and unpublished without a trace") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  CHECK(Node::Read(*volume) == "user=alice");
  CHECK(node.mounter.mounted() == 1);
  REQUIRE(node.Publish(volume).ok());
  CHECK(node.mounter.mount_calls() == 1);
  CHECK(node.Metric(R"(node_publish_total{os_type="linux",provider="fake"})") == 2);

  REQUIRE(node.road.Unpublish(Context(), volume->target_path).ok());
  CHECK(node.mounter.mounted() == 0);
  CHECK_FALSE(std::filesystem::exists(volume->target_path));
  REQUIRE(node.road.Unpublish(Context(), volume->target_path).ok());
  CHECK(node.registry.List().empty());
  CHECK(node.mirror.forgotten == 2);
}

TEST_CASE("driver: a publish that fails says why in upstream's words and leaves nothing behind") {
  struct Row {
    std::string name;
    std::function<void(Node&, Volume&)> change;
    ErrorCode code;
    std::string text;
    std::string type;
  };
  const Row rows[] = {
      {"no class named", [](Node&, Volume& v) { v.class_name = ""; }, ErrorCode::kInvalid,
       "secretProviderClass is not set", "FailedToMount"},
      {"class of another namespace", [](Node&, Volume& v) { v.namespace_name = "other"; },
       ErrorCode::kNotFound,
       "failed to get secretproviderclass other/app, error: ", "SecretProviderClassNotFound"},
      {"not read-only", [](Node&, Volume& v) { v.read_only = false; }, ErrorCode::kInvalid,
       "Readonly is not true in request", "FailedToMount"},
      {"provider not there",
       [](Node& n, Volume&) { n.classes.Set(Node::Class("app", "db", "nobody")); },
       ErrorCode::kPrecondition,
       "failed to mount secrets store objects for pod shop/web-1, err: provider not found: "
       "provider \"nobody\"",
       ""},
      {"secret not there", [](Node& n, Volume&) { n.backend->Remove("db"); }, ErrorCode::kNotFound,
       "failed to mount secrets store objects for pod shop/web-1, err: ", "GRPCProviderError"},
      {"no mount to be had",
       [](Node& n, Volume&) { n.mounter.FailMounts({Error(ErrorCode::kDenied, "mount: no")}); },
       ErrorCode::kDenied, "mount: no", "FailedToEnsureMountPoint"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Node node;
    auto volume = node.MakeVolume();
    row.change(node, *volume);
    for (int i = 0; i < 2; ++i) {
      const Status published = node.Publish(volume);
      if (row.name == "no mount to be had" && i == 1) {
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
    const std::string text = node.heart.metrics.Render();
    CHECK(text.find("error_type=\"" + row.type + "\"") != std::string::npos);
  }
}

TEST_CASE("D1: a fresh directory without a mount is never taken for a published volume") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  std::filesystem::create_directories(volume->target_path);  // just now: the age says nothing
  REQUIRE(node.Publish(volume).ok());
  CHECK(node.mounter.mounted() == 1);
  CHECK(Node::Read(*volume) == "user=alice");
}

TEST_CASE("D1: after a reboot the directory that is left is mounted and filled again") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.mounter.Reboot();
  REQUIRE(node.Publish(volume).ok());
  CHECK(node.mounter.mounted() == 1);
  CHECK(Node::Read(*volume) == "user=alice");
}

TEST_CASE(
    "D1: a first publish that fails transiently leaves no directory that a retry could take for "
    "content") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  node.backend->FailReads("db", {Error(ErrorCode::kTransient, "connection refused")});
  CHECK_FALSE(node.Publish(volume).ok());
  CHECK_FALSE(std::filesystem::exists(volume->target_path));
  node.clock.Advance(seconds(1));
  REQUIRE(node.Publish(volume).ok());
  CHECK(Node::Read(*volume) == "user=alice");
}

TEST_CASE(
    "D2: while nothing changes, the backend is asked once per interval, whatever kubelet repeats") {
  Node node;
  std::vector<VolumePtr> volumes;
  for (int i = 0; i < 20; ++i) {
    volumes.push_back(node.MakeVolume("web-" + std::to_string(i)));
    REQUIRE(node.Publish(volumes.back()).ok());
  }
  const std::size_t first = node.backend->reads();
  const std::size_t classes = node.classes.asked();
  for (int i = 0; i < 100; ++i) {
    node.clock.Advance(seconds(1));
    for (const VolumePtr& volume : volumes) REQUIRE(node.Publish(volume).ok());
  }
  CHECK(node.backend->reads() == first);
  CHECK(node.classes.asked() == classes);
}

TEST_CASE("D5, D6: a refresh that fails keeps the volume, is answered OK, and is seen") {
  struct Row {
    std::string name;
    std::function<void(Node&)> breaks;
    std::string text;
  };
  const Row rows[] = {
      {"class gone", [](Node& n) { n.classes.Remove("shop/app"); },
       "failed to get secretproviderclass shop/app"},
      {"secret gone", [](Node& n) { n.backend->Remove("db"); }, "db"},
      {"provider gone", [](Node& n) { n.classes.Set(Node::Class("app", "db", "nobody")); },
       "provider not found"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Node node;
    const VolumePtr volume = node.MakeVolume();
    REQUIRE(node.Publish(volume).ok());
    row.breaks(node);
    node.clock.Advance(minutes(3));
    node.Refresh(volume);
    CHECK(node.Publish(volume).ok());
    CHECK(node.mounter.mounted() == 1);
    CHECK(node.mounter.clear_calls() == 0);
    CHECK(Node::Read(*volume) == "user=alice");
    CHECK(node.StateOf(*volume).error.find(row.text) != std::string::npos);
    REQUIRE(node.events.reasons() == std::vector<std::string>{"MountRotationFailed"});
    CHECK(node.events.last().find(row.text) != std::string::npos);
    CHECK(node.heart.metrics.Render().find("rotation_reconcile_error_total{") != std::string::npos);
    // The same again is no news.
    node.clock.Advance(minutes(3));
    node.Refresh(volume);
    CHECK(node.events.reasons().size() == 1);
  }
}

TEST_CASE("D7, D8: what a killed writer left in the volume does not hinder the next write") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  // Mounted and killed in the middle of the first write.
  REQUIRE(node.mounter.Mount(volume->target_path, {}).ok());
  std::filesystem::create_directories(volume->target_path + "/..2026_01_31_12_00_00.1");
  std::filesystem::create_symlink("..2026_01_31_12_00_00.1", volume->target_path + "/..data_tmp");
  // The links come before the swap that gives them something to lead to.
  std::filesystem::create_symlink("..data/db", volume->target_path + "/db");
  REQUIRE(node.Publish(volume).ok());
  CHECK(Node::Read(*volume) == "user=alice");
  CHECK(node.mounter.mount_calls() == 1);
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(volume->target_path)) {
    left.insert(entry.path().filename());
  }
  CHECK_FALSE(left.contains("..2026_01_31_12_00_00.1"));
  CHECK_FALSE(left.contains("..data_tmp"));
}

TEST_CASE("D9: a change of mode alone is applied") {
  Node node;
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

TEST_CASE("D14: no attribute of a pod switches the driver off") {
  Node node;
  auto volume = node.MakeVolume();
  volume->attributes["providerName"] = "mock_provider";
  REQUIRE(node.Publish(volume).ok());
  CHECK(Node::Read(*volume) == "user=alice");
}

TEST_CASE("D15: a publish that is given up does not write behind the back of its successor") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  node.backend->Close();
  std::stop_source given_up;
  Status first;
  {
    std::jthread slow([&] {
      first = node.road.Publish(Context(SteadyTime::max(), given_up.get_token()), volume);
    });
    REQUIRE(node.backend->AwaitWaiting(1));
    given_up.request_stop();
  }
  REQUIRE_FALSE(first.ok());
  CHECK(first.error().message().find("gone away") != std::string::npos);
  CHECK(node.mounter.mount_calls() == 0);
  node.backend->Open();
  REQUIRE(node.Publish(volume).ok());
  CHECK(Node::Read(*volume) == "user=alice");
}

TEST_CASE("D15: an unpublish ends the refresh under way and is not undone by it") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.clock.Advance(minutes(3));
  node.backend->Close();
  {
    std::jthread refresh([&] { node.Refresh(volume); });
    // The refresh serves what it has after two seconds of this clock, which stands still.
    REQUIRE(node.backend->AwaitWaiting(1));
    REQUIRE(node.road.Unpublish(Context(), volume->target_path).ok());
  }
  node.backend->Open();
  CHECK(node.mounter.mounted() == 0);
  CHECK_FALSE(std::filesystem::exists(volume->target_path));
  CHECK(node.registry.List().empty());
}

TEST_CASE("driver: many publishes of one target at once mount it once") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  std::atomic<int> failed = 0;
  Together(16, [&](std::size_t) {
    if (!node.Publish(volume).ok()) ++failed;
  });
  CHECK(failed == 0);
  CHECK(node.mounter.mount_calls() == 1);
}

TEST_CASE("driver: a changed secret reaches every volume of the class by one question") {
  Node node;
  std::vector<VolumePtr> volumes;
  for (int i = 0; i < 10; ++i) {
    auto volume = node.MakeVolume("web-" + std::to_string(i));
    volume->tokens = SecretBytes("");
    volumes.push_back(volume);
    REQUIRE(node.Publish(volume).ok());
  }
  node.backend->SetValue("db", "user=bob");
  node.clock.Advance(minutes(3));
  const std::vector<std::string> due = node.registry.AwaitDue(Context(node.clock.Now(), {}));
  CHECK(due.size() == 10);
  for (const std::string& target : due) node.road.Refresh(Context(), target);
  for (const VolumePtr& volume : volumes) CHECK(Node::Read(*volume) == "user=bob");
  CHECK(node.events.reasons().size() == 10);
  CHECK(node.events.last() == "successfully rotated mounted contents for spc shop/app: updated db");
  CHECK(node.Metric(
            R"(rotation_reconcile_total{os_type="linux",provider="fake",rotated="true"})") == 10);
}

TEST_CASE("driver: an unchanged secret is neither written nor told") {
  Node node;
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
    "driver: while the backend is down the volume keeps its content and its condition says so") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.backend->FailAlways("", Error(ErrorCode::kTransient, "connection refused"));
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  const VolumeState state = node.StateOf(*volume);
  CHECK(state.stale);
  CHECK(ConditionOf(state).starts_with("serving last good values since "));
  CHECK(ConditionOf(state).find("connection refused") != std::string::npos);
  node.backend->Heal();
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(ConditionOf(node.StateOf(*volume)) == "up to date");
}

TEST_CASE("driver: a pod that is deleted or has finished is left alone") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.pods.pods["u-web-1"].ending = true;
  const std::size_t reads = node.backend->reads();
  node.backend->SetValue("db", "user=bob");
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK(node.backend->reads() == reads);
  CHECK(Node::Read(*volume) == "user=alice");
}

TEST_CASE(
    "driver: Secrets are mirrored before the volume is answered; a fault is told and hinders "
    "nothing") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  node.mirror.fault = Error(ErrorCode::kPrecondition, "Secret shop/db is somebody else's");
  REQUIRE(node.Publish(volume).ok());
  CHECK(node.mirror.converged == 1);
  CHECK(node.mirror.files_seen == 1);
  CHECK_FALSE(node.mirror.mounted_then);
  CHECK(Node::Read(*volume) == "user=alice");
  REQUIRE(node.events.reasons() == std::vector<std::string>{"FailedToCreateSecret"});
  CHECK(node.events.last() == "Secret shop/db is somebody else's");
  CHECK(ConditionOf(node.StateOf(*volume)) ==
        "up to date; not mirrored: Secret shop/db is somebody else's");
}

TEST_CASE("driver: what could not be mirrored is tried again soon, less and less often") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  node.mirror.fault = Error(ErrorCode::kTransient, "the API server is away");
  REQUIRE(node.Publish(volume).ok());
  const auto due_after = [&](seconds wait) {
    const std::stop_source nobody;
    const Context now(node.clock.Now() + wait, nobody.get_token());
    node.clock.Advance(wait);
    return !node.registry.AwaitDue(now).empty();
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

TEST_CASE("driver: a volume that never was gives up its Secrets, one that was lost keeps them") {
  Node node;
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
  Node node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.mounter.MakeStale(volume->target_path);
  REQUIRE(node.Publish(volume).ok());
  CHECK(Node::Read(*volume) == "user=alice");
  CHECK(node.mounter.mount_calls() == 2);
}

TEST_CASE("driver: an unpublish that cannot unmount is an error, and the next one is not") {
  Node node;
  const VolumePtr volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.mounter.FailClears({Error(ErrorCode::kInternal, "unmount: busy")});
  const Status first = node.road.Unpublish(Context(), volume->target_path);
  REQUIRE_FALSE(first.ok());
  CHECK(first.error().message() == "unmount: busy");
  CHECK(node.Metric(R"(node_unpublish_error_total{os_type="linux"})") == 1);
  REQUIRE(node.road.Unpublish(Context(), volume->target_path).ok());
  CHECK(node.Metric(R"(node_unpublish_total{os_type="linux"})") == 1);
}

TEST_CASE("driver: a volume that was complete before this process is taken over without a call") {
  Node before;
  const VolumePtr volume = before.MakeVolume();
  REQUIRE(before.Publish(volume).ok());
  // The successor knows nothing of it.
  before.registry.Remove(volume->target_path);
  before.backend->FailAlways("", Error(ErrorCode::kTransient, "connection refused"));
  const std::size_t reads = before.backend->reads();
  REQUIRE(before.Publish(volume).ok());
  CHECK(before.backend->reads() == reads);
  CHECK(before.mounter.mount_calls() == 1);
  CHECK(Node::Read(*volume) == "user=alice");
  CHECK(before.registry.AwaitDue(Context(before.clock.Now(), {})).size() == 1);
}

TEST_CASE("driver: fsGroup becomes the group of the files, which it may read") {
  Node node;
  auto volume = node.MakeVolume();
  volume->group = getegid();
  REQUIRE(node.Publish(volume).ok());
  CHECK(node.mounter.OptionsOf(volume->target_path)->group == getegid());
  CHECK((std::filesystem::status(volume->target_path + "/db").permissions() &
         std::filesystem::perms::group_read) != std::filesystem::perms::none);
}

TEST_CASE("driver: new tokens bring a failed refresh forward") {
  Node node;
  auto volume = node.MakeVolume();
  REQUIRE(node.Publish(volume).ok());
  node.classes.Fail(Error(ErrorCode::kDenied, "no"));
  node.clock.Advance(minutes(3));
  node.Refresh(volume);
  CHECK_FALSE(node.StateOf(*volume).error.empty());
  const Context soon(node.clock.Now(), {});
  CHECK(node.registry.AwaitDue(soon).empty());
  auto again = node.MakeVolume();
  again->tokens = SecretBytes(R"({"":{"token":"t","expirationTimestamp":"2099-01-01T00:00:00Z"}})");
  REQUIRE(node.Publish(again).ok());
  CHECK(node.registry.AwaitDue(Context(node.clock.Now(), {})).size() == 1);
}

}  // namespace nodekeep
