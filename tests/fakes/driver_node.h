#pragma once

// The driver without gRPC: a fake backend behind the real MountService. Everything is in memory
// except the directories.

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "csi/rotation.h"
#include "csi/volume_service.h"
#include "tests/fakes/core.h"
#include "tests/fakes/fake_mounter.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {

// An in-memory ClassSource.
class FakeClasses final : public ClassSource {
 public:
  Result<ClassPtr> Get(const Context&, const std::string& namespace_name,
                       const std::string& name) override {
    MutexLock lock(mutex_);
    ++asked_;
    if (fault_) return *fault_;
    auto found = classes_.find(namespace_name + "/" + name);
    if (found != classes_.end()) return found->second;
    return Error::Format(ErrorCode::kNotFound,
                         "failed to get secretproviderclass {}/{}, error: not found",
                         namespace_name, name);
  }
  void Set(SecretProviderClass spc) {
    MutexLock lock(mutex_);
    const std::string text = spc.Text();
    classes_[text] = std::make_shared<const SecretProviderClass>(std::move(spc));
  }
  void Remove(const std::string& text) {
    MutexLock lock(mutex_);
    classes_.erase(text);
  }
  void Fail(std::optional<Error> fault) {
    MutexLock lock(mutex_);
    fault_ = std::move(fault);
  }
  std::size_t gets() const {
    MutexLock lock(mutex_);
    return asked_;
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, ClassPtr> classes_ NODEKEEP_GUARDED_BY(mutex_);
  std::optional<Error> fault_ NODEKEEP_GUARDED_BY(mutex_);
  std::size_t asked_ NODEKEEP_GUARDED_BY(mutex_) = 0;
};

class FakePods final : public PodSource {
 public:
  Result<std::shared_ptr<const PodsByUid>> OnNode(const Context&) override {
    if (fault) return *fault;
    return std::make_shared<const PodsByUid>(pods);
  }
  PodsByUid pods;
  std::optional<Error> fault;
};

class NoForeignProviders final : public VolumeSource {
 public:
  Fetched Fetch(const Context& context, const SecretProviderClass& spc, const Volume&,
                const std::vector<ObjectVersion>*) override {
    if (before_answer) before_answer(context);
    return {
        Error(ErrorCode::kPrecondition, "provider not found: provider \"" + spc.provider + "\""),
        ""};
  }
  bool MayWriteItself(const SecretProviderClass&) const override { return true; }
  bool Serves(const std::string&) const override { return false; }

  std::function<void(const Context&)> before_answer;
};

class EventList final : public VolumeEvents {
 public:
  void Record(const Volume& volume, Kind, std::string_view reason,
              const std::string& message) override {
    MutexLock lock(mutex_);
    reasons_.push_back(std::string(reason));
    messages_.push_back(message);
  }
  std::vector<std::string> reasons() const {
    MutexLock lock(mutex_);
    return reasons_;
  }
  std::string last() const {
    MutexLock lock(mutex_);
    return messages_.empty() ? "" : messages_.back();
  }

 private:
  mutable Mutex mutex_;
  std::vector<std::string> reasons_ NODEKEEP_GUARDED_BY(mutex_);
  std::vector<std::string> messages_ NODEKEEP_GUARDED_BY(mutex_);
};

class MirrorList final : public VolumeMirror {
 public:
  Status Converge(const Context&, const Volume& volume, const SecretProviderClass&,
                  const VolumeContent& content) override {
    files_seen = content.bundle.files.size();
    was_mounted = mounter->StateOf(volume.target_path).ok() &&
                  *mounter->StateOf(volume.target_path) == MountState::kMounted;
    ++converged;
    if (on_converge) on_converge();
    claimed.insert(volume.target_path);
    return fault ? Status(*fault) : Status();
  }
  void Recover(const Volume& volume, const SecretProviderClass&) override {
    claimed.insert(volume.target_path);
    if (on_recover) on_recover();
  }
  void Forget(const std::string& target_path) override {
    ++forgotten;
    claimed.erase(target_path);
  }

  FakeMounter* mounter = nullptr;
  std::optional<Error> fault;
  std::function<void()> on_converge;
  std::function<void()> on_recover;
  std::set<std::string> claimed;  // target paths
  std::size_t files_seen = 0;
  bool was_mounted = false;
  std::size_t converged = 0;
  std::size_t forgotten = 0;
};

struct DriverNode {
  DriverNode() {
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
  Status Publish(const VolumePtr& volume) { return volumes.Publish(Context(), volume); }
  // Refreshes as Rotation does.
  void Refresh(const std::string& target_path) {
    if (const auto due = volumes.Refresh(Context(), target_path))
      refreshes.AddAt(target_path, *due);
  }
  void Refresh(const VolumePtr& volume) { Refresh(volume->target_path); }
  // Removes the paths that are due now from the queue and returns them.
  std::vector<std::string> TakeDue() {
    std::vector<std::string> paths;
    while (const auto item = refreshes.Get(Context(clock.Now(), {}))) paths.push_back(item->key());
    return paths;
  }
  static std::string Read(const Volume& volume, const std::string& file = "db") {
    std::ifstream in(volume.target_path + "/" + file);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  VolumeState StateOf(const Volume& volume) {
    const auto record = registry.Find(volume.target_path);
    return record ? record->state : VolumeState();
  }
  double Metric(const std::string& line) const {
    const std::string text = core.metrics.Render();
    const std::size_t at = text.find(line + " ");
    return at == std::string::npos ? 0 : std::stod(text.substr(at + line.size() + 1));
  }

  FakeClock clock;
  std::shared_ptr<FakeProvider> backend = std::make_shared<FakeProvider>(clock);
  Core core{clock, {.retry = {.attempts = 1}}};
  MountLedger ledger{clock};
  MountService mounts{
      {.version_key = SecretBytes("the version key of the tests"), .tokens = nullptr},
      {.providers =
           [this](const std::string& name) {
             return name == "fake" ? std::make_shared<const Provider>(ProviderOf(backend))
                                   : nullptr;
           },
       .fetcher = core.fetcher,
       .ledger = ledger,
       .clock = clock,
       .log = core.log,
       .metrics = core.mount_metrics,
       .class_bytes = core.class_bytes,
       .answer_bytes = core.answer_bytes}};
  DriverMetrics driver_metrics{
      core.metrics, [this](const std::string& provider) { return source.Serves(provider); }};
  TempDir dir;
  FakeMounter mounter;
  FakeClasses classes;
  FakePods pods;
  NoForeignProviders foreign;
  MountVolumeSource source{mounts, foreign};
  MirrorList mirror;
  EventList events;
  VolumeRegistry registry;
  std::map<std::string, int> refusals;  // by namespace
  SharedResource volume_bytes{
      {.name = "volume_bytes",
       .capacity = std::size_t{128} << 20,
       .on_refusal = [this](std::string_view, const std::string& namespace_name) {
         ++refusals[namespace_name];
       }}};
  SharedResource rotation_bytes{{.name = "rotation_bytes", .capacity = std::size_t{64} << 20}};
  VolumeBudget budget{volume_bytes, rotation_bytes, mounter};
  Workqueue<std::string> refreshes{{.max_in_work = kRefreshesAtOnce}, clock, core.rng};
  VolumeService volumes{{},
                        {.mounter = mounter,
                         .classes = classes,
                         .pods = pods,
                         .source = source,
                         .mirror = mirror,
                         .events = events,
                         .registry = registry,
                         .budget = budget,
                         .refreshes = refreshes,
                         .clock = clock,
                         .rng = core.rng,
                         .log = core.log,
                         .metrics = driver_metrics}};
};

}  // namespace nodekeep
