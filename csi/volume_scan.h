#pragma once

// Finds the volumes that this driver has mounted, from the node itself: after a restart they are
// all there is to know (csi.md 3.3).

#include <string>
#include <vector>

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

// Those below `kubelet_root` whose vol_data.json names `driver` and that are mounted. What cannot
// be read is no volume of ours; kubelet asks for it again.
std::vector<FoundVolume> ScanVolumes(const std::string& kubelet_root, const std::string& driver,
                                     Mounter& mounter);

// The volume as kubelet would ask for it, without tokens. Null when `pod` has no such volume, or
// when it needs a nodePublishSecretRef, which only kubelet's next request brings.
VolumePtr RecoverVolume(const FoundVolume& found, const PodFacts& pod, const std::string& driver);

}  // namespace nodekeep
