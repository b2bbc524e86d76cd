#pragma once

// Mounter that calls mount(2). Needs CAP_SYS_ADMIN and, if the agent runs in a container, kubelet's
// pods directory mounted with propagation.

#include <atomic>

#include "csi/mounter.h"

namespace nodekeep {

class LinuxMounter final : public Mounter {
 public:
  Result<MountState> StateOf(const std::string& path) override;
  Status Mount(const std::string& path, const TmpfsOptions& options) override;
  Result<Directory> Open(const std::string& path) override;
  Result<std::size_t> MemoryOf(const std::string& path) override;
  Status Clear(const std::string& path) override;

 private:
  // The kernel has refused the option noswap, so it is older than 6.4.
  std::atomic<bool> no_noswap_ = false;
};

}  // namespace nodekeep
