#pragma once

// The memory that the volumes of this node take, shared by namespaces: the kernel charges the files
// of a tmpfs to the agent.
//
// A volume counts with what it holds, and during a write with what the write adds: a rotation keeps
// the old set and the new one until the swap.
//
// Thread-safe, but calls for the same target path must not overlap; only Recover may run beside
// others.

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "agent/base/mutex.h"
#include "agent/base/shared_resource.h"
#include "csi/mounter.h"
#include "csi/volume.h"

namespace nodekeep {

class VolumeBudget {
 public:
  // All must outlive this object. `bytes`: the memory for all volumes. `rotations`: the memory for
  // new sets during rotations, apart from `bytes`, so that a namespace that holds its share of
  // those can still rotate what it holds.
  VolumeBudget(SharedResource& bytes, SharedResource& rotations, Mounter& mounter)
      : bytes_(bytes), rotations_(rotations), mounter_(mounter) {}

  // Takes `bytes` in addition to what the volume held at the last Settle; does not add to an
  // earlier Reserve. Errors: kPrecondition, which names the namespace, the bytes and the setting.
  Status Reserve(const Volume& volume, std::size_t bytes);
  // For the new set of a volume that holds an old one: takes it from the memory for rotations until
  // Settle, and from that for volumes what it is larger by. Errors: those of Reserve; kThrottled
  // while other rotations of the namespace use its share.
  Status ReserveRotation(const Volume& volume, std::size_t bytes);
  // Counts what the mounted volume holds now. Errors: kPrecondition if that is more than was
  // reserved and than its namespace may take; it is counted nevertheless.
  Status Settle(const Volume& volume);
  // For a volume that was found on the node; nothing happens if it is counted already.
  void Recover(const Volume& volume);
  // The volume is unmounted.
  void Release(const std::string& target_path);

 private:
  struct Entry {
    SharedResource::Grant grant;
    SharedResource::Grant rotation;  // of the memory for rotations, until Settle
    std::size_t held = 0;            // at the last Settle; the rest of `grant` is reserved
  };

  std::shared_ptr<Entry> EntryOf(const Volume& volume);
  Error NoRoom(const Volume& volume, std::size_t bytes) const;

  SharedResource& bytes_;
  SharedResource& rotations_;
  Mounter& mounter_;

  Mutex mutex_;
  // By target path. The map is guarded, the entries belong to the operation on their path.
  std::map<std::string, std::shared_ptr<Entry>> entries_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep
