#pragma once

// Publishes, refreshes and unpublishes volumes; each operation is complete or without effect.
//
// Publish fetches first and mounts after, so that a failure leaves neither a mount nor an empty
// directory, which kubelet's retry could mistake for a published volume. A volume that is mounted
// and complete is answered at once, without a call to a backend or the API server; the rotation
// (rotation.h) refreshes it. A failed refresh changes nothing in the volume: the failure is
// reported by events, metrics, the volume's condition and `nodekeep status`.
//
// Thread-safe; operations on the same target path run one after the other. Calls block, at most
// until their context ends.

#include <optional>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/workqueue.h"
#include "agent/sink/atomic_writer.h"
#include "csi/class_source.h"
#include "csi/class_warnings.h"
#include "csi/driver_metrics.h"
#include "csi/mounter.h"
#include "csi/pod_source.h"
#include "csi/target_locks.h"
#include "csi/volume.h"
#include "csi/volume_budget.h"
#include "csi/volume_events.h"
#include "csi/volume_mirror.h"
#include "csi/volume_registry.h"
#include "csi/volume_source.h"

namespace nodekeep {

class VolumeService {
 public:
  struct Options {
    Duration refresh_after = std::chrono::minutes(2);  // unless the class sets it
    std::uint64_t volume_size = 8u << 20;              // bytes of each tmpfs
  };
  // All must outlive this object.
  struct Dependencies {
    Mounter& mounter;
    ClassSource& classes;
    PodSource& pods;
    VolumeSource& source;
    VolumeMirror& mirror;
    VolumeEvents& events;
    VolumeRegistry& registry;
    VolumeBudget& budget;
    // Target paths. Publish adds a volume, Unpublish removes it, and a request for an earlier
    // refresh adds it again.
    Workqueue<std::string>& refreshes;
    const Clock& clock;
    Rng& rng;
    Logger& log;
    DriverMetrics& metrics;
  };

  VolumeService(Options options, Dependencies dependencies);

  // Idempotent. Errors keep the texts of the upstream driver and leave no mount behind; a volume
  // that was complete before is never failed, unmounted or emptied.
  Status Publish(const Context& context, VolumePtr volume);
  // Completes a publish of a volume that is known and mounted, which kubelet repeats about every
  // minute. Returns false, without effect, for any other volume. Never blocks.
  bool PublishAgain(const VolumePtr& volume);
  // Idempotent; tolerates leftovers and stale mounts. Cancels a publish or refresh that is in
  // progress at the path.
  Status Unpublish(const Context& context, const std::string& target_path);
  // Brings a known volume up to date and returns when it is due next; empty if it is not to be
  // refreshed any more: unpublished, or the agent is stopping. Failures are recorded, not returned.
  std::optional<SteadyTime> Refresh(const Context& context, const std::string& target_path);

 private:
  struct Outcome;

  Outcome PublishLocked(const Context& context, const VolumePtr& volume);
  Outcome Fill(const Context& context, const Volume& volume, MountState state);
  Outcome FetchAndWrite(const Context& context, const Volume& volume,
                        const SecretProviderClass& spc, MountState state);
  bool HasEnded(const Context& context, const Volume& volume);
  Outcome Renew(const Context& context, const VolumeRecord& record);
  Status FirstRoom(const Volume& volume, const VolumeContent& content);
  // `rotates`: the volume holds an older set.
  Outcome Write(const Volume& volume, VolumeContent& content, bool rotates);
  Result<WriteOutcome> WriteFiles(const Volume& volume, std::vector<BundleFile>& files,
                                  bool rotates);
  // Clears the target path and what the volume counts with.
  Status Clear(const std::string& target_path);
  // Returns the reason of a failure, "" on success. `before`: the result of the previous try; an
  // unchanged reason is not reported again.
  std::string Mirror(const Context& context, const Volume& volume, const SecretProviderClass& spc,
                     const VolumeContent& content, const std::string& before);
  // Fetches, and reports what is doubtful in the class, once per version of it.
  Fetched Fetch(const Context& context, const SecretProviderClass& spc, const Volume& volume,
                const std::vector<ObjectVersion>* known);
  // These record the outcome and return when the volume is due next.
  SteadyTime Succeeded(const Volume& volume, const Outcome& outcome);
  SteadyTime RefreshFailed(const VolumeRecord& record, const Outcome& outcome);
  // Removes the volume from the registry and from the queue.
  void Forget(const std::string& target_path);
  SteadyTime NextRefresh(const Volume& volume, Duration interval) const;

  const Options options_;
  const Dependencies deps_;
  const std::size_t phase_offset_;  // milliseconds, random: nodes refresh at different times
  TargetLocks locks_;
  ClassWarnings warned_;
};

}  // namespace nodekeep
