#pragma once

// After a restart: makes the volumes that are on the node known again, and claims the Secrets that
// mirror them, before anybody may take one of those for unused.
//
// Publishes and unpublishes go on meanwhile. One caller at a time.

#include <set>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/log.h"
#include "csi/class_source.h"
#include "csi/mounter.h"
#include "csi/pod_source.h"
#include "csi/volume_mirror.h"
#include "csi/volume_registry.h"

namespace nodekeep {

class VolumeRecovery {
 public:
  struct Options {
    std::string kubelet_root;
    std::string driver_name;
  };
  // All of them outlive the recovery.
  struct Dependencies {
    Mounter& mounter;
    PodSource& pods;
    ClassSource& classes;
    VolumeMirror& mirror;
    VolumeRegistry& registry;
    const Clock& clock;
    Logger& log;
  };

  VolumeRecovery(Options options, Dependencies dependencies)
      : options_(std::move(options)), deps_(dependencies) {}

  // One look at the node. False: the API server could not tell whose some volume is, or what its
  // class mirrors; what could be done has been done, and the rest is for the next call.
  bool Run(const Context& context);

 private:
  // A volume that cannot be recovered is told of once, however often the node is looked at.
  void WarnOf(const std::string& path, const Error& error);
  bool Claim(const Context& context, const std::vector<VolumePtr>& volumes);
  void MakeKnown(const VolumePtr& volume);

  const Options options_;
  const Dependencies deps_;
  std::set<std::string> claimed_;     // target paths that are done
  std::set<std::string> unreadable_;  // vol_data.json of volumes that were warned of
};

}  // namespace nodekeep
