#pragma once

// The volumes of this node that the driver has mounted, by target path: what kubelet asked for
// last, and how they stand. When each is to be refreshed is up to the queue of the rotation
// (rotation.h).
//
// In memory only: after a restart it is filled again from the node (volume_scan.h) and by kubelet's
// next requests. Thread-safe; answers are copies.

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "csi/volume.h"

namespace nodekeep {

class VolumeRegistry {
 public:
  // The newest request for a volume. One that is known keeps its state. Returns false when it was
  // not known; the caller then decides when it is refreshed first.
  bool Put(VolumePtr volume);
  // The same for a volume that was found on the node; one that is known already stays as it is.
  bool Recover(VolumePtr volume);
  void Remove(const std::string& target_path);

  std::optional<VolumeRecord> Find(const std::string& target_path) const;
  std::vector<VolumeRecord> List() const;
  // The target paths of the volumes that use a SecretProviderClass, in no particular order.
  std::vector<std::string> PathsOfClass(const std::string& namespace_name,
                                        const std::string& class_name) const;

  // Changes the state of a volume, if it is still there. `change` must not call back.
  void Update(const std::string& target_path, const std::function<void(VolumeState&)>& change);

 private:
  using ClassKey = std::pair<std::string, std::string>;  // namespace, name

  static ClassKey ClassOf(const Volume& volume);
  // Under mutex_.
  void RemoveFromClass(const Volume& volume);

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, VolumeRecord> records_;
  std::map<ClassKey, std::set<std::string>> by_class_;  // target paths; no set is empty
};

}  // namespace nodekeep
