#pragma once

// After a restart: registers the volumes that are on the node, and claims the Secrets that mirror
// them, before any of those may be deleted as unused.
//
// May run concurrently with publishes and unpublishes. One caller at a time.

#include <set>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/log.h"
#include "agent/base/workqueue.h"
#include "csi/class_source.h"
#include "csi/mounter.h"
#include "csi/pod_source.h"
#include "csi/volume_budget.h"
#include "csi/volume_mirror.h"
#include "csi/volume_registry.h"

namespace nodekeep {

class VolumeRecovery {
 public:
  struct Options {
    std::string kubelet_root;
    std::string driver_name;
  };
  // All must outlive this object.
  struct Dependencies {
    Mounter& mounter;
    PodSource& pods;
    ClassSource& classes;
    VolumeMirror& mirror;
    VolumeRegistry& registry;
    VolumeBudget& budget;
    Workqueue<std::string>& refreshes;  // target paths
    const Clock& clock;
    Logger& log;
  };

  VolumeRecovery(Options options, Dependencies dependencies)
      : options_(std::move(options)), deps_(dependencies) {}

  // Scans the node once. Returns false if the API server did not respond for some pod or class; the
  // other volumes have been recovered, and the next call retries the rest.
  bool Run(const Context& context);

 private:
  // Logs once per file, however often the node is scanned.
  void LogOnce(const std::string& path, const Error& error);
  bool Claim(const Context& context, const std::vector<VolumePtr>& volumes);
  void Register(const VolumePtr& volume);

  const Options options_;
  const Dependencies deps_;
  std::set<std::string> claimed_;     // target paths that are done
  std::set<std::string> unreadable_;  // paths of the vol_data.json files that were logged
};

}  // namespace nodekeep
