#pragma once

// The volumes of this node that the driver has mounted, by target path: what kubelet asked for
// last, how they stand, and when each is to be refreshed.
//
// In memory only: after a restart it is filled again from the node (volume_scan.h) and by kubelet's
// next requests. Thread-safe; answers are copies.

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "csi/volume.h"

namespace nodekeep {

class VolumeRegistry {
 public:
  explicit VolumeRegistry(const Clock& clock) : clock_(clock) {}

  // The newest request for a volume. One not known before is due at `due`; one that is known keeps
  // its state and its time. Returns false when it was not known.
  bool Put(VolumePtr volume, SteadyTime due);
  // The same for a volume that was found on the node; one that is known already stays as it is.
  void Recover(VolumePtr volume, SteadyTime due);
  void Remove(const std::string& target_path);

  std::optional<VolumeRecord> Find(const std::string& target_path) const;
  std::vector<VolumeRecord> List() const;

  // Changes the state of a volume, if it is still there, and makes it due at `due` or, where
  // MakeDue has said so meanwhile, before. `change` must not call back.
  void Update(const std::string& target_path, SteadyTime due,
              const std::function<void(VolumeState&)>& change);
  // Brings a refresh forward; never puts it off.
  void MakeDue(const std::function<bool(const Volume&)>& matches, SteadyTime due);

  // Waits until volumes are due and takes them: they are not due again until Update says so. Empty
  // when the context is over.
  std::vector<std::string> AwaitDue(const Context& context);

 private:
  struct Slot {
    VolumeRecord record;
    SteadyTime due;
  };

  const Clock& clock_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  std::map<std::string, Slot> slots_;
  std::uint64_t changes_ = 0;
};

}  // namespace nodekeep
