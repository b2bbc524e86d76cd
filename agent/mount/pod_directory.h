#pragma once

// Detects on the node when a pod is gone.
//
// kubelet keeps <root>/pods/<uid> for exactly as long as the pod exists on the node; the volume
// directories below it are created and removed with mounts. A pod is gone when that directory
// existed at mount time and no longer exists, while the pods directory itself still does. The agent
// needs the pods directory mounted (read-only is sufficient).

#include <functional>
#include <string>

#include "agent/secrets/identity.h"
#include "agent/secrets/lease_holder.h"

namespace nodekeep {

// False if the directory is known not to exist.
using DirectoryExists = std::function<bool(const std::string& path)>;

// Uses stat(2). True if the directory cannot be examined, because it may exist.
bool DirectoryIsThere(const std::string& path);

// The lease holder for the volume at `target_path`. It is gone when its pod's directory is removed,
// or the target directory itself if the path does not contain the pod's uid. If that directory is
// not visible now, `gone` is null.
LeaseHolder HolderOf(const Identity& identity, const std::string& target_path,
                     const DirectoryExists& exists = DirectoryIsThere);

}  // namespace nodekeep
