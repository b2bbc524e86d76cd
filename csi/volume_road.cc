#include "csi/volume_road.h"

#include "agent/base/on_exit.h"
#include "agent/sink/atomic_writer.h"
#include "csi/volume_scan.h"

namespace nodekeep {
namespace {

// How long a refresh waits to learn of the node's pods, at the very first.
constexpr Duration kPatienceForPods = std::chrono::seconds(2);
constexpr Duration kShortestBeat = std::chrono::milliseconds(500);

// What could not be mirrored is tried again well before the next refresh: an API server that was
// away is back, somebody has mended the class. Doubles, so that what nobody mends costs little.
constexpr Duration kFirstMirrorPause = std::chrono::seconds(10);
constexpr int kMostMirrorDoublings = 5;

Duration MirrorPause(int failures) {
  return kFirstMirrorPause * (1 << std::min(failures - 1, kMostMirrorDoublings));
}

bool NeedsExecution(const Bundle& bundle) {
  for (const BundleFile& file : bundle.files) {
    if ((file.mode & 0111) != 0) return true;
  }
  return false;
}

// A full volume says "no space left on device", which nobody would look for in our settings.
Error NoRoom(const Error& error, const Bundle& bundle, std::uint64_t volume_size) {
  if (error.code() != ErrorCode::kTooLarge) return error;
  std::size_t bytes = 0;
  for (const BundleFile& file : bundle.files) bytes += file.contents.size();
  return Error::Format(error.code(),
                       "{}: the files have {} bytes and the volume {}, in which a rotation keeps "
                       "old and new at once: mount less, or raise driver.volumeSize (applies to "
                       "pods started afterwards)",
                       error.message(), bytes, volume_size);
}

}  // namespace

// How one passage ended, and what the registry and the metrics are to know of it.
struct VolumeRoad::Outcome {
  Status status;
  std::string failure_type;  // error_type of csi.md 2.12
  std::string provider;
  std::vector<ObjectVersion> versions;
  FetchReport report;
  std::string mirror_error;
  bool changed = false;
  std::string changes;  // for people: "updated db.yaml"

  static Outcome Failure(Error error, std::string type, std::string provider = "") {
    Outcome outcome;
    outcome.status = std::move(error);
    outcome.failure_type = std::move(type);
    outcome.provider = std::move(provider);
    return outcome;
  }
};

VolumeRoad::VolumeRoad(Options options, Dependencies dependencies)
    : options_(options),
      deps_(dependencies),
      beat_offset_(static_cast<std::size_t>(dependencies.rng.Uniform() * 1e9)),
      locks_(dependencies.clock) {}

Status VolumeRoad::Publish(const Context& context, VolumePtr volume) {
  if (PublishAgain(volume)) return {};
  auto guard = locks_.Lock(context, volume->target_path);
  Outcome outcome = guard.ok() ? PublishLocked((*guard)->context(), volume)
                              : Outcome::Failure(guard.error(), "FailedToMount");
  if (outcome.status.ok()) {
    deps_.metrics.CountPublish(outcome.provider);
  } else {
    deps_.metrics.CountPublishError(outcome.provider, outcome.failure_type);
    deps_.log.Warn("publish failed", {{"pod", volume->Text()},
                                      {"class", volume->class_name},
                                      {"target", volume->target_path},
                                      {"error", outcome.status.error().message()}});
  }
  return outcome.status;
}

bool VolumeRoad::PublishAgain(const VolumePtr& volume) {
  const std::optional<VolumeRecord> known = deps_.registry.Find(volume->target_path);
  if (!known) return false;
  const Result<MountState> state = deps_.mounter.StateOf(volume->target_path);
  if (!state.ok() || *state != MountState::kMounted) return false;
  // Its tokens and secrets replace those of the request before.
  deps_.registry.Put(volume, deps_.clock.Now());
  const bool waits = !known->state.error.empty() || known->volume->recovered;
  if (waits && !ConstantTimeEqual(known->volume->tokens, volume->tokens)) {
    deps_.registry.MakeDue(
        [&](const Volume& other) { return other.target_path == volume->target_path; },
        deps_.clock.Now());
  }
  deps_.metrics.CountPublish(known->state.provider);
  return true;
}

VolumeRoad::Outcome VolumeRoad::PublishLocked(const Context& context, const VolumePtr& volume) {
  const std::string& path = volume->target_path;
  Result<MountState> state = deps_.mounter.StateOf(path);
  if (!state.ok()) return Outcome::Failure(state.error(), "FailedToEnsureMountPoint");
  if (*state == MountState::kStale) {
    if (Status cleared = deps_.mounter.Clear(path); !cleared.ok()) {
      return Outcome::Failure(cleared.error(), "FailedToEnsureMountPoint");
    }
    state = MountState::kAbsent;
  }
  if (*state == MountState::kMounted && HasContent(path)) {
    // Complete since before this process: by our predecessor, or by the driver we replace.
    Outcome outcome;
    if (const auto known = deps_.registry.Find(path)) outcome.provider = known->state.provider;
    deps_.registry.Put(volume, deps_.clock.Now());
    deps_.log.Info("volume taken over", {{"pod", volume->Text()}, {"target", path}});
    return outcome;
  }
  const auto fill = [&] {
    const OnThrow clear([&] { (void)deps_.mounter.Clear(path); });
    return Fill(context, *volume, *state);
  };
  Outcome outcome = fill();
  if (!outcome.status.ok()) {
    // Kubelet does not unpublish what never succeeded: nothing may stay, not even what a killed
    // predecessor has mounted.
    if (Status cleared = deps_.mounter.Clear(path); !cleared.ok()) {
      deps_.log.Error("cannot clean up after a failed publish",
                      {{"target", path}, {"error", cleared.error().message()}});
    }
    return outcome;
  }
  deps_.registry.Put(volume, SteadyTime::max());
  Succeeded(*volume, outcome);
  return outcome;
}

// The first content of a volume. An error leaves the cleaning up of the target to the caller.
VolumeRoad::Outcome VolumeRoad::Fill(const Context& context, const Volume& volume,
                                     MountState state) {
  if (volume.class_name.empty()) {
    return Outcome::Failure(
        Error(ErrorCode::kInvalid,
              "secretProviderClass is not set; set it in the volume's csi.volumeAttributes"),
        "FailedToMount");
  }
  Result<ClassPtr> spc = deps_.classes.Get(context, volume.namespace_name, volume.class_name);
  if (!spc.ok()) {
    return Outcome::Failure(spc.error(), spc.error().code() == ErrorCode::kNotFound
                                             ? "SecretProviderClassNotFound"
                                             : "FailedToMount");
  }
  const std::string& provider = (*spc)->provider;
  if (!volume.read_only) {
    return Outcome::Failure(Error(ErrorCode::kInvalid,
                                  "Readonly is not true in request; set readOnly: true in the "
                                  "volume's csi section"),
                            "FailedToMount", provider);
  }
  Outcome outcome = FetchAndWrite(context, volume, **spc, state);
  outcome.provider = provider;
  if (outcome.status.ok()) return outcome;
  // A pod that never starts needs no Secret; one whose volume was lost, by a reboot say, does.
  if (!deps_.registry.Find(volume.target_path)) deps_.mirror.Forget(volume.target_path);
  return outcome;
}

VolumeRoad::Outcome VolumeRoad::FetchAndWrite(const Context& context, const Volume& volume,
                                              const SecretProviderClass& spc, MountState state) {
  TmpfsOptions tmpfs{.size = options_.volume_size, .group = volume.group};
  const auto mount = [&](bool executable) -> Status {
    if (state == MountState::kMounted) return {};
    tmpfs.executable = executable;
    state = MountState::kMounted;
    return deps_.mounter.Mount(volume.target_path, tmpfs);
  };
  if (deps_.source.MayWriteItself(spc)) {
    if (Status mounted = mount(true); !mounted.ok()) {
      return Outcome::Failure(mounted.error(), "FailedToEnsureMountPoint");
    }
  }
  Fetched fetched = deps_.source.Fetch(context, spc, volume, {});
  if (!fetched.content.ok()) {
    return Outcome::Failure(
        fetched.content.error().Prepend("failed to mount secrets store objects for pod {}, err",
                                        volume.Text()),
        fetched.failure_type);
  }
  // Before the volume is answered, so that environment variables work at the first start.
  std::string mirror_error = Mirror(context, volume, spc, *fetched.content, "");
  if (Status over = context.Check(deps_.clock); !over.ok()) {
    return Outcome::Failure(over.error(), "FailedToMount");
  }
  if (Status mounted = mount(NeedsExecution(fetched.content->bundle)); !mounted.ok()) {
    return Outcome::Failure(mounted.error(), "FailedToEnsureMountPoint");
  }
  Outcome outcome = Write(volume, *fetched.content);
  outcome.mirror_error = std::move(mirror_error);
  return outcome;
}

VolumeRoad::Outcome VolumeRoad::Write(const Volume& volume, VolumeContent& content) {
  Outcome outcome;
  outcome.versions = content.bundle.versions;
  outcome.report = content.bundle.report;
  if (content.untouched) return outcome;
  AtomicWriter::Options options;
  if (volume.group) {
    options.gid = volume.group;
    // What kubelet's own fsGroup handling adds to files of a read-only volume.
    for (BundleFile& file : content.bundle.files) file.mode |= 0440;
  }
  Result<WriteOutcome> written =
      AtomicWriter(volume.target_path, deps_.clock, std::move(options)).Write(content.bundle);
  if (!written.ok()) {
    return Outcome::Failure(
        NoRoom(written.error(), content.bundle, options_.volume_size)
            .Prepend("failed to mount secrets store objects for pod {}, err", volume.Text()),
        "FileWriteError");
  }
  outcome.changed = written->changed;
  for (const auto& [verb, paths] :
       {std::pair("added", &written->added), std::pair("updated", &written->updated),
        std::pair("removed", &written->removed)}) {
    for (const std::string& path : *paths) {
      outcome.changes += fmt::format("{}{} {}", outcome.changes.empty() ? "" : ", ", verb, path);
    }
  }
  return outcome;
}

std::string VolumeRoad::Mirror(const Context& context, const Volume& volume,
                               const SecretProviderClass& spc, const VolumeContent& content,
                               const std::string& before) {
  const Status mirrored = deps_.mirror.Converge(context, volume, spc, content);
  if (mirrored.ok()) return "";
  const std::string& message = mirrored.error().message();
  // Unpublished meanwhile, or the agent's end: no fault of the Secret.
  if (message == before || context.stop().stop_requested()) return message;
  deps_.events.Record(volume, VolumeEvents::Kind::kWarning, "FailedToCreateSecret", message);
  deps_.log.Warn("mirroring failed",
                 {{"pod", volume.Text()}, {"class", spc.Text()}, {"error", message}});
  return message;
}

void VolumeRoad::Succeeded(const Volume& volume, const Outcome& outcome) {
  const WallTime now = deps_.clock.Wall();
  SteadyTime due = NextRefresh(volume, outcome.report.refresh_after);
  int mirror_failures = 0;
  if (!outcome.mirror_error.empty()) {
    const std::optional<VolumeRecord> known = deps_.registry.Find(volume.target_path);
    mirror_failures = 1 + (known ? known->state.mirror_failures : 0);
    due = std::min(due, deps_.clock.Now() + MirrorPause(mirror_failures));
  }
  deps_.registry.Update(volume.target_path, due, [&](VolumeState& state) {
    state.mirror_error = outcome.mirror_error;
    state.mirror_failures = mirror_failures;
    state.provider = outcome.provider;
    state.versions = outcome.versions;
    state.stale = outcome.report.stale > 0;
    if (state.stale) {
      if (state.error.empty()) state.failing_since = now;
      state.current_at = now - outcome.report.stale_age;
      state.error = outcome.report.stale_reason;
    } else {
      state.current_at = now;
      state.error.clear();
    }
  });
}

// Volumes of one class are refreshed together, so that they share one question to the API server
// and each to the backend; classes, and the nodes of a cluster, each have their own beat. It is a
// little slower than the age at which the cache asks again: at each beat everything is due.
SteadyTime VolumeRoad::NextRefresh(const Volume& volume, Duration interval) const {
  const Duration base = interval > Duration::zero() ? interval : options_.refresh_after;
  const Duration beat = std::max(base + base / 20, kShortestBeat);
  const auto phase = Duration(
      (std::hash<std::string>()(volume.namespace_name + "/" + volume.class_name) + beat_offset_) %
      static_cast<std::size_t>(beat.count()));
  const auto now = std::chrono::duration_cast<Duration>(deps_.clock.Now().time_since_epoch());
  const auto beats = (now + beat / 2 - phase) / beat + 1;
  return SteadyTime(phase + beats * beat);
}

Status VolumeRoad::Unpublish(const Context& context, const std::string& target_path) {
  // Nothing refreshes it from now on.
  deps_.registry.Remove(target_path);
  auto guard = locks_.CancelAndLock(context, target_path);
  Status cleared = guard.ok() ? deps_.mounter.Clear(target_path) : Status(guard.error());
  if (cleared.ok()) {
    // A publish that was under way may have come through before it was told to give up.
    deps_.registry.Remove(target_path);
    deps_.mirror.Forget(target_path);
    deps_.metrics.CountUnpublish();
    return {};
  }
  deps_.metrics.CountUnpublishError();
  deps_.log.Error("failed to clean and unmount target path",
                  {{"target", target_path}, {"error", cleared.error().message()}});
  return cleared;
}

void VolumeRoad::Refresh(const Context& context, const std::string& target_path) {
  const SteadyTime begun = deps_.clock.Now();
  auto guard = locks_.Lock(context, target_path);
  if (!guard.ok()) {
    return deps_.registry.Update(target_path, deps_.clock.Now() + kShortestBeat,
                                 [](VolumeState&) {});
  }
  const std::optional<VolumeRecord> record = deps_.registry.Find(target_path);
  if (!record) return;
  if (HasEnded((*guard)->context(), *record->volume)) {
    return deps_.registry.Update(target_path, NextRefresh(*record->volume, Duration::zero()),
                                 [](VolumeState&) {});
  }
  const Outcome outcome = Renew((*guard)->context(), *record);
  if ((*guard)->context().stop().stop_requested()) return;  // unpublished, or the agent's end
  deps_.metrics.ObserveRotation(deps_.clock.Now() - begun);
  if (!outcome.status.ok()) return RefreshFailed(*record, outcome);
  Succeeded(*record->volume, outcome);
  deps_.metrics.CountRotation(outcome.provider, outcome.changed);
  if (!outcome.changed) return;
  deps_.log.Info("volume rotated", {{"pod", record->volume->Text()},
                                    {"class", record->volume->class_name},
                                    {"changes", outcome.changes}});
  deps_.events.Record(
      *record->volume, VolumeEvents::Kind::kNormal, "MountRotationComplete",
      fmt::format("successfully rotated mounted contents for spc {}/{}: {}",
                  record->volume->namespace_name, record->volume->class_name, outcome.changes));
  // Who shares the class finds the new content in memory; nobody waits for his own turn.
  deps_.registry.MakeDue(
      [&](const Volume& other) {
        return other.class_name == record->volume->class_name &&
               other.namespace_name == record->volume->namespace_name &&
               other.target_path != target_path;
      },
      deps_.clock.Now());
}

// A pod that is deleted or has finished keeps what it has. When the API server does not know, the
// volume is kept fresh.
bool VolumeRoad::HasEnded(const Context& context, const Volume& volume) {
  auto pods = deps_.pods.OnNode(context.WithDeadline(deps_.clock.Now() + kPatienceForPods));
  if (!pods.ok()) return false;
  const auto found = (*pods)->find(volume.pod_uid);
  return found != (*pods)->end() && found->second.ending;
}

VolumeRoad::Outcome VolumeRoad::Renew(const Context& context, const VolumeRecord& record) {
  const Volume& volume = *record.volume;
  Result<MountState> state = deps_.mounter.StateOf(volume.target_path);
  if (!state.ok()) return Outcome::Failure(state.error(), "FailedToEnsureMountPoint");
  if (*state != MountState::kMounted) {
    return Outcome::Failure(
        Error::Format(ErrorCode::kPrecondition,
                      "{} is no longer mounted; kubelet's next request mounts it",
                      volume.target_path),
        "UnexpectedTargetPath", record.state.provider);
  }
  Result<ClassPtr> spc = deps_.classes.Get(context, volume.namespace_name, volume.class_name);
  if (!spc.ok()) {
    return Outcome::Failure(spc.error(),
                            spc.error().code() == ErrorCode::kNotFound
                                ? "SecretProviderClassNotFound"
                                : "FailedToRotate",
                            record.state.provider);
  }
  Fetched fetched = deps_.source.Fetch(context, **spc, volume, record.state.versions);
  if (!fetched.content.ok()) {
    return Outcome::Failure(fetched.content.error(), fetched.failure_type, (*spc)->provider);
  }
  Outcome outcome = Write(volume, *fetched.content);
  outcome.provider = (*spc)->provider;
  // After the files, which must not wait for an API server that is away.
  if (outcome.status.ok()) {
    outcome.mirror_error =
        Mirror(context, volume, **spc, *fetched.content, record.state.mirror_error);
  }
  return outcome;
}

void VolumeRoad::RefreshFailed(const VolumeRecord& record, const Outcome& outcome) {
  const Volume& volume = *record.volume;
  const std::string& message = outcome.status.error().message();
  const WallTime now = deps_.clock.Wall();
  deps_.metrics.CountRotationError(outcome.provider, outcome.failure_type);
  deps_.registry.Update(volume.target_path, NextRefresh(volume, Duration::zero()),
                        [&](VolumeState& state) {
                              if (state.error.empty()) state.failing_since = now;
                              state.error = message;
                            });
  deps_.log.Warn("rotation failed",
                 {{"pod", volume.Text()}, {"class", volume.class_name}, {"error", message}});
  // One event per reason, not one per try; and what waits for kubelet's next request to bring
  // tokens is no failure.
  if (record.state.error == message || volume.recovered) return;
  deps_.events.Record(
      volume, VolumeEvents::Kind::kWarning, "MountRotationFailed",
      fmt::format("the volume keeps its content; provider {}: {}", outcome.provider, message));
}

}  // namespace nodekeep
