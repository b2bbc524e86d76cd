#pragma once

// The latest mount of each volume and its outcome, for `nodekeep status`.
//
// One record per pod, provider and volume. Bounded in bytes, shared by namespaces: the oldest
// record of the namespace that has most is dropped first. Contains names and times, never values.
// Thread-safe.

#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/fair_table.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/mount/mount_plan.h"
#include "agent/secrets/read_report.h"

namespace nodekeep {

struct MountRecord {
  std::string provider;
  std::string namespace_name;
  std::string pod;
  std::string pod_uid;
  std::string service_account;
  std::string target_path;
  std::vector<std::string> objects;
  std::vector<SecretRef> refs;
  std::string outcome;  // "ok", "stale", or the ErrorCode's name
  std::string error;    // error text, "" if served
  WallTime at;
  Duration took = Duration::zero();
  ReadReport report;
  bool served = false;     // one of the mounts so far succeeded
  std::size_t content = 0;  // a digest of what was delivered
  std::size_t mounts = 0;  // so far, this one included
  std::uint64_t number = 0;  // sequence number on this node: orders mounts independently of clocks
};

class MountLedger {
 public:
  // A record of more than an eighth of `max_bytes` lists only the first objects and refs.
  explicit MountLedger(const Clock& clock, std::size_t max_bytes = 8 << 20)
      : clock_(clock), max_record_(max_bytes / 8), records_(max_bytes) {}

  // `content`: a digest of what was delivered. Returns whether the mount before it, of the same
  // volume, is recorded and delivered the same; false after a failure of either.
  bool Record(const MountPlan& plan, const Result<ReadReport>& outcome, Duration took,
              std::size_t content = 0);
  // Most recent first.
  std::vector<MountRecord> List() const;
  // Whether a mount of this volume has succeeded, as far as it is recorded.
  bool HasServed(const MountRequest& request) const;
  // The refs of the latest mounts of a pod ("namespace/name").
  std::vector<SecretRef> RefsOfPod(const std::string& pod) const;

 private:
  const Clock& clock_;
  const std::size_t max_record_;

  mutable Mutex mutex_;
  // By pod, provider and volume.
  FairTable<std::string, MountRecord> records_ NODEKEEP_GUARDED_BY(mutex_);
  std::uint64_t next_number_ NODEKEEP_GUARDED_BY(mutex_) = 1;
};

}  // namespace nodekeep
