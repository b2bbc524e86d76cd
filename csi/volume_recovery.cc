#include "csi/volume_recovery.h"

#include <utility>

#include "csi/volume_scan.h"

namespace nodekeep {
namespace {

constexpr Duration kFirstList = std::chrono::seconds(10);

// Nothing is mirrored for a class that does not exist or is invalid.
bool MirrorsNothing(const Error& error) {
  return error.code() == ErrorCode::kNotFound || error.code() == ErrorCode::kInvalid;
}

}  // namespace

bool VolumeRecovery::Run(const Context& context) {
  const std::vector<FoundVolume> found =
      ScanVolumes(options_.kubelet_root, options_.driver_name, deps_.mounter,
                  [this](const std::string& path, const Error& error) { LogOnce(path, error); });
  const auto pods = deps_.pods.OnNode(context.WithDeadline(deps_.clock.Now() + kFirstList));
  if (!pods.ok()) {
    deps_.log.Warn(
        "the API server does not respond; recovery of the volumes on this node waits "
        "for it or for kubelet",
        {{"volumes", found.size()}, {"error", pods.error().message()}});
    return false;
  }
  std::vector<VolumePtr> volumes;
  for (const FoundVolume& each : found) {
    const auto pod = (*pods)->find(each.pod_uid);
    if (pod == (*pods)->end()) continue;
    VolumePtr volume = RecoverVolume(each, pod->second, options_.driver_name);
    if (volume != nullptr) volumes.push_back(std::move(volume));
  }
  // All claims before the first refresh, which writes a Secret with the owners known by then.
  const bool complete = Claim(context, volumes);
  for (const VolumePtr& volume : volumes) Register(volume);
  return complete;
}

void VolumeRecovery::LogOnce(const std::string& path, const Error& error) {
  if (!unreadable_.insert(path).second) return;
  deps_.log.Warn("cannot read vol_data.json of a volume; the volume is not recovered",
                 {{"path", path}, {"error", error.message()}});
}

bool VolumeRecovery::Claim(const Context& context, const std::vector<VolumePtr>& volumes) {
  std::set<std::pair<std::string, std::string>> unread;  // each is read once per scan
  for (const VolumePtr& volume : volumes) {
    const std::pair key(volume->namespace_name, volume->class_name);
    if (claimed_.contains(volume->target_path) || unread.contains(key)) continue;
    const Result<ClassPtr> spc =
        deps_.classes.Get(context, volume->namespace_name, volume->class_name);
    if (spc.ok()) {
      deps_.mirror.Recover(*volume, **spc);
    } else if (!MirrorsNothing(spc.error())) {
      unread.insert(key);
      deps_.log.Warn("cannot read the class of a recovered volume; Secret cleanup is paused",
                     {{"pod", volume->Text()}, {"error", spc.error().message()}});
      continue;
    }
    claimed_.insert(volume->target_path);
  }
  return unread.empty();
}

void VolumeRecovery::Register(const VolumePtr& volume) {
  const std::string& target = volume->target_path;
  deps_.budget.Recover(*volume);
  // A volume without its secrets cannot be refreshed; kubelet's next request contains them.
  const bool is_new = !volume->lacks_secrets && !deps_.registry.Recover(volume);
  if (is_new) deps_.refreshes.Add(target);
  // It may have been unpublished since it was found. A later unpublish finds the entries made here.
  const Result<MountState> state = deps_.mounter.StateOf(target);
  if (state.ok() && *state != MountState::kMounted) {
    // In this order: a concurrent publish leaves an extra path in the queue, not a missing one.
    deps_.refreshes.Remove(target);
    deps_.registry.Remove(target);
    deps_.budget.Release(target);
    deps_.mirror.Forget(target);
  } else if (is_new) {
    deps_.log.Info("volume recovered", {{"pod", volume->Text()}, {"target", target}});
  }
}

}  // namespace nodekeep
