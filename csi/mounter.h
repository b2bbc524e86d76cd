#pragma once

// Interface to mount(2): the directory of one volume and the tmpfs on it.
//
// Paths are those that kubelet sends. Errors name the step and the path. Thread-safe, but calls for
// the same path must not overlap.

#include <cstdint>
#include <optional>
#include <string>

#include "agent/base/result.h"
#include "agent/sink/directory.h"

namespace nodekeep {

enum class MountState {
  kAbsent,   // no such path
  kPlain,    // a directory with nothing mounted on it: new, or left by a reboot
  kMounted,  // a mount that can be read
  kStale,    // a mount that cannot be read (docs/protocol/csi-driver.md, "Unpublish")
};

struct TmpfsOptions {
  std::uint64_t size = 8u << 20;   // bytes, an upper limit: memory is taken as files are written
  std::optional<gid_t> group;      // of the root directory; absent: root
  bool executable = false;         // the volume has an executable file
};

class Mounter {
 public:
  virtual ~Mounter() = default;

  virtual Result<MountState> StateOf(const std::string& path) = 0;
  // Creates the directory if it is missing (0750, as upstream) and mounts a tmpfs on it: mode
  // 0755, nosuid, nodev, noexec unless `executable`, and noswap if the kernel supports it
  // (Linux 6.4). The number of files is bounded too, in proportion to the size. After an error
  // nothing is mounted.
  virtual Status Mount(const std::string& path, const TmpfsOptions& options) = 0;
  // Opens the root of the volume's file system. Errors: kPrecondition when nothing is mounted on
  // the path, or no tmpfs: what is written there would end on the node's disk.
  virtual Result<Directory> Open(const std::string& path) = 0;
  // Bytes of memory that the files of the volume take. Errors as of Open.
  virtual Result<std::size_t> MemoryOf(const std::string& path) = 0;
  // Removes every mount on the path, the remaining content of the directory, and the directory. A
  // mount that is still in use is detached and ends with its last user. Ok if the path is absent.
  virtual Status Clear(const std::string& path) = 0;
};

}  // namespace nodekeep
