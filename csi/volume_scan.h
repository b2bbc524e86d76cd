#pragma once

// Finds the volumes that this driver has mounted by scanning the node: after a restart nothing else
// is known (docs/protocol/kubernetes.md, "Inline volumes").

#include <functional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "csi/mounter.h"
#include "csi/pod_source.h"
#include "csi/volume.h"

namespace nodekeep {

struct FoundVolume {
  std::string id;
  std::string target_path;
  std::string pod_uid;
  std::string name;  // in the pod
};

// Whether the volume mounted at `target_path` has been written completely: by us, by the upstream
// driver, or by a provider itself. A writer that was killed leaves only its own entries, whose
// names begin with "..", and dangling symbolic links.
bool HasContent(const std::string& target_path);

// Returns the volumes below `kubelet_root` whose vol_data.json names `driver` and that are mounted
// and complete. An incomplete volume of `driver` is skipped: its pod has not started, and kubelet
// retries the publish. `on_unreadable` is called for each vol_data.json that cannot be read or
// parsed, so that its driver is unknown; the scan continues.
std::vector<FoundVolume> ScanVolumes(
    const std::string& kubelet_root, const std::string& driver, Mounter& mounter,
    const std::function<void(const std::string& path, const Error&)>& on_unreadable);

// Rebuilds kubelet's request for the volume, without tokens and secrets. Null if `pod` has no such
// volume.
VolumePtr RecoverVolume(const FoundVolume& found, const PodFacts& pod, const std::string& driver);

}  // namespace nodekeep
