#pragma once

// The seam to mount(2): the directory of one volume and the tmpfs on it.
//
// Paths are those that kubelet sends. Errors name the step and the path. Thread-safe; the caller
// sees to it that one path has one user at a time.

#include <cstdint>
#include <optional>
#include <string>

#include "agent/base/result.h"

namespace nodekeep {

enum class MountState {
  kAbsent,   // no such path
  kPlain,    // a directory, nothing mounted on it: fresh, or what a reboot has left
  kMounted,  // a mount that can be read
  kStale,    // a mount that cannot be read (docs/protocol/csi-driver.md, "Unpublish")
};

struct TmpfsOptions {
  std::uint64_t size = 64u << 20;  // bytes, an upper limit: memory is taken as files are written
  std::optional<gid_t> group;      // of the root directory; absent: root
  bool executable = false;         // a file of the volume is a program
};

class Mounter {
 public:
  virtual ~Mounter() = default;

  virtual Result<MountState> StateOf(const std::string& path) = 0;
  // Makes the directory where it is missing (0750, as upstream) and mounts a tmpfs on it: mode
  // 0755, nosuid, nodev, noexec unless `executable`, and noswap where the kernel has it (6.4).
  // On an error nothing is mounted.
  virtual Status Mount(const std::string& path, const TmpfsOptions& options) = 0;
  // Removes every mount on the path, what is left in the directory, and the directory itself. What
  // is still in use is detached and goes with its last user. Fine when there is nothing.
  virtual Status Clear(const std::string& path) = 0;
};

}  // namespace nodekeep
