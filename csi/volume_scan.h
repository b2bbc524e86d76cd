#pragma once

// Finds the volumes that this driver has mounted, from the node itself: after a restart they are
// all there is to know (docs/protocol/kubernetes.md, "Inline volumes").

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

// Whether what is mounted at `target_path` has been written to completely: by us, by the upstream
// driver, or by a provider itself. A writer that died half-way leaves names that begin with "..",
// which are its own, and links that lead nowhere yet.
bool HasContent(const std::string& target_path);

// Those below `kubelet_root` whose vol_data.json names `driver` and that are mounted and complete.
// Any other is no volume yet, or none of ours: its pod has not started, and kubelet asks again.
// `on_unreadable` is told of each vol_data.json that cannot be read or understood: whose volume it
// is cannot be known, and the others are found all the same.
std::vector<FoundVolume> ScanVolumes(
    const std::string& kubelet_root, const std::string& driver, Mounter& mounter,
    const std::function<void(const std::string& path, const Error&)>& on_unreadable);

// The volume as kubelet would ask for it, without tokens and secrets. Null when `pod` has no such
// volume.
VolumePtr RecoverVolume(const FoundVolume& found, const PodFacts& pod, const std::string& driver);

}  // namespace nodekeep
