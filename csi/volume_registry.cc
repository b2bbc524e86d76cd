#include "csi/volume_registry.h"

#include "agent/base/mutex.h"

namespace nodekeep {

bool VolumeRegistry::Put(VolumePtr volume) {
  MutexLock lock(mutex_);
  by_class_[ClassOf(*volume)].insert(volume->target_path);
  const auto [at, is_new] = records_.try_emplace(volume->target_path);
  const VolumePtr before = std::exchange(at->second.volume, std::move(volume));
  if (before != nullptr && ClassOf(*before) != ClassOf(*at->second.volume)) {
    RemoveFromClass(*before);
  }
  return !is_new;
}

bool VolumeRegistry::Recover(VolumePtr volume) {
  MutexLock lock(mutex_);
  if (records_.contains(volume->target_path)) return true;
  by_class_[ClassOf(*volume)].insert(volume->target_path);
  const std::string path = volume->target_path;
  records_.try_emplace(path, VolumeRecord{std::move(volume), {}});
  return false;
}

void VolumeRegistry::Remove(const std::string& target_path) {
  MutexLock lock(mutex_);
  auto found = records_.find(target_path);
  if (found == records_.end()) return;
  RemoveFromClass(*found->second.volume);
  records_.erase(found);
}

std::optional<VolumeRecord> VolumeRegistry::Find(const std::string& target_path) const {
  MutexLock lock(mutex_);
  auto found = records_.find(target_path);
  if (found == records_.end()) return std::nullopt;
  return found->second;
}

std::string VolumeRegistry::NamespaceOf(const std::string& target_path) const {
  MutexLock lock(mutex_);
  const auto found = records_.find(target_path);
  return found == records_.end() ? "" : found->second.volume->namespace_name;
}

std::vector<VolumeRecord> VolumeRegistry::List() const {
  MutexLock lock(mutex_);
  std::vector<VolumeRecord> records;
  for (const auto& [path, record] : records_) records.push_back(record);
  return records;
}

std::vector<std::string> VolumeRegistry::PathsOfClass(const std::string& namespace_name,
                                                      const std::string& class_name) const {
  MutexLock lock(mutex_);
  auto found = by_class_.find(ClassKey(namespace_name, class_name));
  if (found == by_class_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

void VolumeRegistry::Update(const std::string& target_path,
                            const std::function<void(VolumeState&)>& change) {
  MutexLock lock(mutex_);
  auto found = records_.find(target_path);
  if (found != records_.end()) change(found->second.state);
}

VolumeRegistry::ClassKey VolumeRegistry::ClassOf(const Volume& volume) {
  return {volume.namespace_name, volume.class_name};
}

void VolumeRegistry::RemoveFromClass(const Volume& volume) {
  auto found = by_class_.find(ClassOf(volume));
  if (found == by_class_.end()) return;
  found->second.erase(volume.target_path);
  if (found->second.empty()) by_class_.erase(found);
}

}  // namespace nodekeep
