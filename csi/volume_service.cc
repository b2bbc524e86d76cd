#include "csi/volume_service.h"

#include "agent/base/on_exit.h"
#include "csi/volume_scan.h"

namespace nodekeep {
namespace {

// How long a refresh waits for the first list of the node's pods.
constexpr Duration kFirstPodList = std::chrono::seconds(2);
// A refresh that took longer gets its next turn only among the failing ones.
constexpr Duration kSlowRefresh = std::chrono::seconds(5);
// Until a rotation that found no memory is tried again.
constexpr Duration kNoMemory = std::chrono::seconds(2);
constexpr Duration kShortestPeriod = std::chrono::milliseconds(500);

// A failed mirror is tried again well before the next refresh, since an outage of the API server
// ends and a class is corrected. The pause doubles, so that a lasting fault costs little.
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

// The system's error, "no space left on device", does not point users to driver.volumeSize.
Error NoSpace(const Error& error, const Bundle& bundle, std::uint64_t volume_size) {
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

// How a publish or refresh ended, with what the registry and the metrics record of it.
struct VolumeService::Outcome {
  Status status;
  std::string failure_type;  // the metrics' label error_type, with upstream's values
  std::string provider;
  std::vector<ObjectVersion> versions;
  ReadReport report;
  std::string mirror_error;
  bool changed = false;
  bool waits_for_memory = false;  // a rotation that is only put off
  std::string changes;            // of files, as reported to users: updated "db.yaml"

  static Outcome Failure(Error error, std::string type, std::string provider = "") {
    Outcome outcome;
    outcome.status = std::move(error);
    outcome.failure_type = std::move(type);
    outcome.provider = std::move(provider);
    return outcome;
  }
};

VolumeService::VolumeService(Options options, Dependencies dependencies)
    : options_(options),
      deps_(dependencies),
      phase_offset_(static_cast<std::size_t>(dependencies.rng.Uniform() * 1e9)),
      locks_(dependencies.clock) {}

Status VolumeService::Publish(const Context& context, VolumePtr volume) {
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

bool VolumeService::PublishAgain(const VolumePtr& volume) {
  const std::optional<VolumeRecord> known = deps_.registry.Find(volume->target_path);
  if (!known) return false;
  const Result<MountState> state = deps_.mounter.StateOf(volume->target_path);
  if (!state.ok() || *state != MountState::kMounted) return false;
  // The tokens and secrets of `volume` replace those of the previous request.
  const bool is_new = !deps_.registry.Put(volume);  // removed since Find
  const bool waits = !known->state.error.empty() || known->volume->recovered;
  if (is_new || (waits && !ConstantTimeEqual(known->volume->tokens, volume->tokens))) {
    deps_.refreshes.Add(volume->target_path);
  }
  deps_.metrics.CountPublish(known->state.provider);
  return true;
}

VolumeService::Outcome VolumeService::PublishLocked(const Context& context,
                                                    const VolumePtr& volume) {
  const std::string& path = volume->target_path;
  Result<MountState> state = deps_.mounter.StateOf(path);
  if (!state.ok()) return Outcome::Failure(state.error(), "FailedToEnsureMountPoint");
  if (*state == MountState::kStale) {
    if (Status cleared = Clear(path); !cleared.ok()) {
      return Outcome::Failure(cleared.error(), "FailedToEnsureMountPoint");
    }
    state = MountState::kAbsent;
  }
  if (*state == MountState::kMounted && HasContent(path)) {
    // Complete since before this process: published by an earlier agent, or by the driver that
    // Nodekeep replaces.
    Outcome outcome;
    if (const auto known = deps_.registry.Find(path)) outcome.provider = known->state.provider;
    if (!deps_.registry.Put(volume)) deps_.refreshes.Add(path);
    deps_.budget.Recover(*volume);
    deps_.log.Info("volume taken over", {{"pod", volume->Text()}, {"target", path}});
    return outcome;
  }
  const auto fill = [&] {
    const OnThrow clear([&] { (void)Clear(path); });
    return Fill(context, *volume, *state);
  };
  Outcome outcome = fill();
  if (!outcome.status.ok()) {
    // Kubelet does not unpublish a volume whose publish never succeeded, so nothing may remain, not
    // even the mount of an earlier agent that was killed.
    if (Status cleared = Clear(path); !cleared.ok()) {
      deps_.log.Error("cannot clean up after a failed publish",
                      {{"target", path}, {"error", cleared.error().message()}});
    }
    return outcome;
  }
  deps_.registry.Put(volume);
  deps_.refreshes.AddAt(path, Succeeded(*volume, outcome));
  return outcome;
}

// Writes the first content of a volume. After an error, the caller cleans up the target.
VolumeService::Outcome VolumeService::Fill(const Context& context, const Volume& volume,
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
  // A pod that never starts needs no Secret; one whose volume was lost, for example by a reboot,
  // keeps it.
  if (!deps_.registry.Find(volume.target_path)) deps_.mirror.Forget(volume.target_path);
  return outcome;
}

VolumeService::Outcome VolumeService::FetchAndWrite(const Context& context, const Volume& volume,
                                                    const SecretProviderClass& spc,
                                                    MountState state) {
  TmpfsOptions tmpfs{.size = options_.volume_size, .group = volume.group};
  const auto mount = [&](bool executable) -> Status {
    if (state == MountState::kMounted) return {};
    tmpfs.executable = executable;
    state = MountState::kMounted;
    return deps_.mounter.Mount(volume.target_path, tmpfs);
  };
  if (state == MountState::kMounted) {
    // Left by an agent that was killed during the first write.
    deps_.budget.Recover(volume);
  } else {
    deps_.budget.Release(volume.target_path);
  }
  if (deps_.source.MayWriteItself(spc)) {
    if (Status mounted = mount(true); !mounted.ok()) {
      return Outcome::Failure(mounted.error(), "FailedToEnsureMountPoint");
    }
  }
  Fetched fetched = Fetch(context, spc, volume, nullptr);
  if (!fetched.content.ok()) {
    return Outcome::Failure(
        fetched.content.error().Prepend("failed to mount secrets store objects for pod {}, err",
                                        volume.Text()),
        fetched.failure_type);
  }
  // Before anything is written, also to the API server.
  const Status room = FirstRoom(volume, *fetched.content);
  if (!room.ok()) {
    return Outcome::Failure(
        room.error().Prepend("failed to mount secrets store objects for pod {}, err",
                             volume.Text()),
        "FileWriteError");
  }
  // Before kubelet is answered: containers may take environment variables from the Secret when
  // they start.
  std::string mirror_error = Mirror(context, volume, spc, *fetched.content, "");
  if (Status over = context.Check(deps_.clock); !over.ok()) {
    return Outcome::Failure(over.error(), "FailedToMount");
  }
  if (Status mounted = mount(NeedsExecution(fetched.content->bundle)); !mounted.ok()) {
    return Outcome::Failure(mounted.error(), "FailedToEnsureMountPoint");
  }
  Outcome outcome = Write(volume, *fetched.content, false);
  outcome.mirror_error = std::move(mirror_error);
  return outcome;
}

Fetched VolumeService::Fetch(const Context& context, const SecretProviderClass& spc,
                             const Volume& volume, const std::vector<ObjectVersion>* known) {
  Fetched fetched = deps_.source.Fetch(context, spc, volume, known);
  if (!fetched.warnings.empty() && warned_.IsNew(spc)) {
    const std::string message =
        fmt::format("SecretProviderClass {}: {}", spc.Text(), fetched.warnings.Text());
    deps_.events.Record(volume, VolumeEvents::Kind::kWarning, "SecretProviderClassWarning",
                        message);
    deps_.log.Warn("class has warnings", {{"class", spc.Text()}, {"warnings", message}});
  }
  return fetched;
}

// What could be written once but not rotated is refused at once, not when a secret has to change.
Status VolumeService::FirstRoom(const Volume& volume, const VolumeContent& content) {
  if (content.untouched) return deps_.budget.Settle(volume);
  const std::size_t bytes = TmpfsSizeOf(content.bundle.files);
  if (2 * bytes > options_.volume_size) {
    return NoSpace(Error(ErrorCode::kTooLarge, "too much for a volume"), content.bundle,
                   options_.volume_size);
  }
  return deps_.budget.Reserve(volume, bytes);
}

VolumeService::Outcome VolumeService::Write(const Volume& volume, VolumeContent& content,
                                            bool rotates) {
  Outcome outcome;
  outcome.versions = content.bundle.versions;
  outcome.report = content.bundle.report;
  Result<WriteOutcome> written = WriteOutcome();
  if (!content.untouched) written = WriteFiles(volume, content.bundle.files, rotates);
  // Also after a failure: the old set alone is left.
  const Status room = deps_.budget.Settle(volume);
  if (written.ok() && !room.ok()) written = room.error();
  if (!written.ok()) {
    const bool waits = rotates && written.error().code() == ErrorCode::kThrottled;
    Outcome failed = Outcome::Failure(
        NoSpace(written.error(), content.bundle, options_.volume_size)
            .Prepend("failed to mount secrets store objects for pod {}, err", volume.Text()),
        "FileWriteError");
    failed.waits_for_memory = waits;
    return failed;
  }
  outcome.changed = written->changed;
  for (const auto& [verb, paths] :
       {std::pair("added", &written->added), std::pair("updated", &written->updated),
        std::pair("removed", &written->removed)}) {
    for (const std::string& path : *paths) {
      outcome.changes +=
          fmt::format("{}{} \"{}\"", outcome.changes.empty() ? "" : ", ", verb, path);
    }
  }
  return outcome;
}

Result<WriteOutcome> VolumeService::WriteFiles(const Volume& volume, std::vector<BundleFile>& files,
                                               bool rotates) {
  // The mount may have gone away during the fetch: the files must never end on the disk below.
  Result<Directory> root = deps_.mounter.Open(volume.target_path);
  if (!root.ok()) return root.error();
  AtomicWriter::Options options;
  if (volume.group) {
    options.gid = volume.group;
    // The permissions that kubelet's fsGroup handling adds to files of a read-only volume.
    for (BundleFile& file : files) file.mode |= 0440;
  }
  options.reserve = [&](std::size_t bytes) {
    return rotates ? deps_.budget.ReserveRotation(volume, bytes)
                   : deps_.budget.Reserve(volume, bytes);
  };
  return AtomicWriter(*std::move(root), deps_.clock, std::move(options)).Write(files);
}

Status VolumeService::Clear(const std::string& target_path) {
  Status cleared = deps_.mounter.Clear(target_path);
  if (cleared.ok()) deps_.budget.Release(target_path);
  return cleared;
}

std::string VolumeService::Mirror(const Context& context, const Volume& volume,
                                  const SecretProviderClass& spc, const VolumeContent& content,
                                  const std::string& before) {
  const Status mirrored = deps_.mirror.Converge(context, volume, spc, content);
  if (mirrored.ok()) return "";
  const std::string& message = mirrored.error().message();
  // Not reported when the volume was unpublished meanwhile or the agent is stopping.
  if (message == before || context.stop().stop_requested()) return message;
  deps_.events.Record(volume, VolumeEvents::Kind::kWarning, "FailedToCreateSecret", message);
  deps_.log.Warn("mirroring failed",
                 {{"pod", volume.Text()}, {"class", spc.Text()}, {"error", message}});
  return message;
}

SteadyTime VolumeService::Succeeded(const Volume& volume, const Outcome& outcome) {
  const WallTime now = deps_.clock.Wall();
  SteadyTime due = NextRefresh(volume, outcome.report.refresh_after);
  int mirror_failures = 0;
  if (!outcome.mirror_error.empty()) {
    const std::optional<VolumeRecord> known = deps_.registry.Find(volume.target_path);
    mirror_failures = 1 + (known ? known->state.mirror_failures : 0);
    due = std::min(due, deps_.clock.Now() + MirrorPause(mirror_failures));
  }
  deps_.registry.Update(volume.target_path, [&](VolumeState& state) {
    state.mirror_error = outcome.mirror_error;
    state.mirror_failures = mirror_failures;
    state.provider = outcome.provider;
    state.versions = outcome.versions;
    state.refresh_after = outcome.report.refresh_after;
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
  return due;
}

// Volumes of one class are refreshed at the same time, so that they share one read of the class
// and one read of each secret; different classes, and the nodes of a cluster, have different times.
// The interval is a little longer than the age at which the cache reads an entry again, so that
// each refresh reads all of them.
SteadyTime VolumeService::NextRefresh(const Volume& volume, Duration interval) const {
  const Duration base = interval > Duration::zero() ? interval : options_.refresh_after;
  const Duration period = std::max(base + base / 20, kShortestPeriod);
  const auto phase = Duration(
      (std::hash<std::string>()(volume.namespace_name + "/" + volume.class_name) + phase_offset_) %
      static_cast<std::size_t>(period.count()));
  const auto now = std::chrono::duration_cast<Duration>(deps_.clock.Now().time_since_epoch());
  const auto periods = (now + period / 2 - phase) / period + 1;
  return SteadyTime(phase + periods * period);
}

void VolumeService::Forget(const std::string& target_path) {
  // In this order: a concurrent publish leaves an extra path in the queue, not a missing one.
  deps_.refreshes.Remove(target_path);
  deps_.registry.Remove(target_path);
}

Status VolumeService::Unpublish(const Context& context, const std::string& target_path) {
  // No refresh starts from now on.
  Forget(target_path);
  auto guard = locks_.CancelAndLock(context, target_path);
  Status cleared = guard.ok() ? Clear(target_path) : Status(guard.error());
  if (cleared.ok()) {
    // A publish that was under way may have succeeded before it was cancelled.
    Forget(target_path);
    deps_.mirror.Forget(target_path);
    deps_.metrics.CountUnpublish();
    return {};
  }
  deps_.metrics.CountUnpublishError();
  deps_.log.Error("failed to clean and unmount target path",
                  {{"target", target_path}, {"error", cleared.error().message()}});
  return cleared;
}

std::optional<SteadyTime> VolumeService::Refresh(const Context& context,
                                                 const std::string& target_path) {
  const SteadyTime begun = deps_.clock.Now();
  auto guard = locks_.Lock(context, target_path);
  if (!guard.ok()) return deps_.clock.Now() + kShortestPeriod;
  const std::optional<VolumeRecord> record = deps_.registry.Find(target_path);
  if (!record) return std::nullopt;
  if (HasEnded((*guard)->context(), *record->volume)) {
    return NextRefresh(*record->volume, record->state.refresh_after);
  }
  const SteadyTime renewed = deps_.clock.Now();
  const Outcome outcome = Renew((*guard)->context(), *record);
  // Unpublished meanwhile, or the agent is stopping.
  if ((*guard)->context().stop().stop_requested()) return std::nullopt;
  if (outcome.waits_for_memory) return deps_.clock.Now() + kNoMemory;
  const SteadyTime now = deps_.clock.Now();
  deps_.metrics.ObserveRotation(now - begun);
  deps_.registry.Update(target_path,
                        [&](VolumeState& state) { state.slow = now - renewed > kSlowRefresh; });
  if (!outcome.status.ok()) return RefreshFailed(*record, outcome);
  const SteadyTime due = Succeeded(*record->volume, outcome);
  deps_.metrics.CountRotation(outcome.provider, outcome.changed);
  if (!outcome.changed) return due;
  deps_.log.Info("volume rotated", {{"pod", record->volume->Text()},
                                    {"class", record->volume->class_name},
                                    {"changes", outcome.changes}});
  deps_.events.Record(
      *record->volume, VolumeEvents::Kind::kNormal, "MountRotationComplete",
      fmt::format("successfully rotated mounted contents for spc {}/{}: {}",
                  record->volume->namespace_name, record->volume->class_name, outcome.changes));
  // Refresh the other volumes of the class now; their data is already cached.
  for (const std::string& path :
       deps_.registry.PathsOfClass(record->volume->namespace_name, record->volume->class_name)) {
    if (path != target_path) deps_.refreshes.Add(path);
  }
  return due;
}

// Volumes of a pod that is being deleted or has finished are not refreshed. While the state of the
// pod is not known, they are.
bool VolumeService::HasEnded(const Context& context, const Volume& volume) {
  auto pods = deps_.pods.OnNode(context.WithDeadline(deps_.clock.Now() + kFirstPodList));
  if (!pods.ok()) return false;
  const auto found = (*pods)->find(volume.pod_uid);
  return found != (*pods)->end() && found->second.ending;
}

VolumeService::Outcome VolumeService::Renew(const Context& context, const VolumeRecord& record) {
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
  Fetched fetched = Fetch(context, **spc, volume, &record.state.versions);
  if (!fetched.content.ok()) {
    return Outcome::Failure(fetched.content.error(), fetched.failure_type, (*spc)->provider);
  }
  Outcome outcome = Write(volume, *fetched.content, true);
  outcome.provider = (*spc)->provider;
  // After the files, which must not wait for an API server that does not answer.
  if (outcome.status.ok()) {
    outcome.mirror_error =
        Mirror(context, volume, **spc, *fetched.content, record.state.mirror_error);
  }
  return outcome;
}

SteadyTime VolumeService::RefreshFailed(const VolumeRecord& record, const Outcome& outcome) {
  const Volume& volume = *record.volume;
  const std::string& message = outcome.status.error().message();
  const WallTime now = deps_.clock.Wall();
  deps_.metrics.CountRotationError(outcome.provider, outcome.failure_type);
  deps_.registry.Update(volume.target_path, [&](VolumeState& state) {
    if (state.error.empty()) state.failing_since = now;
    state.error = message;
  });
  deps_.log.Warn("rotation failed",
                 {{"pod", volume.Text()}, {"class", volume.class_name}, {"error", message}});
  // A class with a long interval must not wait for it after a failure.
  const Duration kept = record.state.refresh_after;
  const SteadyTime due = NextRefresh(volume, std::min(kept, options_.refresh_after));
  // One event per reason, not one per try. A recovered volume has no tokens until kubelet's next
  // request, which is not a failure.
  if (record.state.error == message || volume.recovered) return due;
  deps_.events.Record(
      volume, VolumeEvents::Kind::kWarning, "MountRotationFailed",
      fmt::format("the volume keeps its content; provider \"{}\": {}", outcome.provider, message));
  return due;
}

}  // namespace nodekeep
