#pragma once

// When a pod is gone, as seen from its node.
//
// Kubelet keeps <root>/pods/<uid> for exactly as long as it knows the pod; the volume directories
// below it come and go with mounts. A pod is gone when that directory, seen at mount time, has
// disappeared while the pods directory itself is still there. The agent needs the pods directory
// mounted (read-only suffices).

#include <functional>
#include <string>

#include "agent/secrets/identity.h"
#include "agent/secrets/lease_holder.h"

namespace nodekeep {

// False when the directory is known not to exist.
using DirectoryExists = std::function<bool(const std::string& path)>;

// By stat(2). A directory that cannot be examined is not known to be gone.
bool DirectoryIsThere(const std::string& path);

// The volume at `target_path` as a holder of leases: for its pod's life where the pod's directory
// is visible, else it cannot be watched. Of a target path that does not contain the pod's uid, the
// directory itself counts.
LeaseHolder HolderOf(const Identity& identity, const std::string& target_path,
                     const DirectoryExists& exists = DirectoryIsThere);

}  // namespace nodekeep
