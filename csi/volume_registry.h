#pragma once

// The volumes of this node that the driver has mounted, by target path: kubelet's latest request
// and the state of each. The rotation's queue holds the times of their refreshes (rotation.h).
//
// In memory only: after a restart it is filled again from the node (volume_scan.h) and by kubelet's
// next requests. Thread-safe; results are copies.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "csi/volume.h"

namespace nodekeep {

class VolumeRegistry {
 public:
  // Stores the newest request for a volume; a known volume keeps its state. Returns false if it was
  // not known; the caller then schedules its first refresh.
  bool Put(VolumePtr volume);
  // The same for a volume that was found on the node; a known volume is left unchanged.
  bool Recover(VolumePtr volume);
  void Remove(const std::string& target_path);

  std::optional<VolumeRecord> Find(const std::string& target_path) const;
  std::vector<VolumeRecord> List() const;
  // "" if the volume is not known.
  std::string NamespaceOf(const std::string& target_path) const;
  // The target paths of the volumes that use a SecretProviderClass, in no particular order.
  std::vector<std::string> PathsOfClass(const std::string& namespace_name,
                                        const std::string& class_name) const;

  // Changes the state of a volume if it is still registered. `change` runs under the lock and must
  // not call this registry.
  void Update(const std::string& target_path, const std::function<void(VolumeState&)>& change);

 private:
  using ClassKey = std::pair<std::string, std::string>;  // namespace, name

  static ClassKey ClassOf(const Volume& volume);
  void RemoveFromClass(const Volume& volume) NODEKEEP_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::map<std::string, VolumeRecord> records_ NODEKEEP_GUARDED_BY(mutex_);
  // Target paths; no set is empty.
  std::map<ClassKey, std::set<std::string>> by_class_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep
