#pragma once

// The road of a volume: publish, refresh, unpublish, each complete or without effect.
//
// Publish fetches first and mounts after, so that a failure leaves nothing behind (csi.md 2.14 D1).
// What is mounted and complete is answered at once, without a call to anybody; its refreshing is
// the rotation's. A refresh that fails changes nothing in the volume: it is seen in events,
// metrics, the volume's condition and `nodekeep status`.
//
// Thread-safe; one worker per target path. Blocks the caller under its context.

#include <string>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/metrics.h"
#include "csi/class_source.h"
#include "csi/mounter.h"
#include "csi/pod_source.h"
#include "csi/target_locks.h"
#include "csi/volume.h"
#include "csi/volume_events.h"
#include "csi/volume_mirror.h"
#include "csi/volume_registry.h"
#include "csi/volume_source.h"

namespace nodekeep {

class VolumeRoad {
 public:
  struct Options {
    Duration refresh_after = std::chrono::minutes(2);  // where nobody says otherwise
    std::uint64_t volume_size = 64u << 20;             // bytes of each tmpfs
  };
  // What the road leads past. All outlive it.
  struct Dependencies {
    Mounter& mounter;
    ClassSource& classes;
    PodSource& pods;
    VolumeSource& source;
    VolumeMirror& mirror;
    VolumeEvents& events;
    VolumeRegistry& registry;
    const Clock& clock;
    Rng& rng;
    Logger& log;
    Metrics& metrics;
  };

  VolumeRoad(Options options, Dependencies dependencies);

  // Idempotent. Errors keep upstream's words (csi.md 2.5) and leave no mount behind; a volume that
  // was complete before is never failed, unmounted or blanked.
  Status Publish(const Context& context, VolumePtr volume);
  // The whole of Publish for a volume that is known and mounted, which is what kubelet asks about
  // every minute; else false, and nothing has been done. Never waits.
  bool PublishAgain(const VolumePtr& volume);
  // Idempotent; tolerates leftovers and stale mounts (csi.md 2.7). Ends what is under way there.
  Status Unpublish(const Context& context, const std::string& target_path);
  // Brings a known volume up to date. What fails is recorded, not returned.
  void Refresh(const Context& context, const std::string& target_path);

 private:
  struct Outcome;

  Outcome PublishLocked(const Context& context, const VolumePtr& volume);
  Outcome Fill(const Context& context, const Volume& volume, MountState state);
  Outcome FetchAndWrite(const Context& context, const Volume& volume,
                        const SecretProviderClass& spc, MountState state);
  bool HasEnded(const Context& context, const Volume& volume);
  Outcome Renew(const Context& context, const VolumeRecord& record);
  Outcome Write(const Volume& volume, VolumeContent& content);
  // `before`: why the latest try failed; the same reason is told once.
  std::string Mirror(const Context& context, const Volume& volume, const SecretProviderClass& spc,
                     const VolumeContent& content, const std::string& before);
  void Succeeded(const Volume& volume, const Outcome& outcome);
  void RefreshFailed(const VolumeRecord& record, const Outcome& outcome);
  SteadyTime NextRefresh(const Volume& volume, Duration interval) const;

  const Options options_;
  const Dependencies deps_;
  const std::size_t beat_offset_;  // of this process, in milliseconds
  TargetLocks locks_;
};

}  // namespace nodekeep
