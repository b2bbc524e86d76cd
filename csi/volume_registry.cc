#include "csi/volume_registry.h"

#include <algorithm>

namespace nodekeep {

bool VolumeRegistry::Put(VolumePtr volume, SteadyTime due) {
  std::lock_guard lock(mutex_);
  auto [place, inserted] = slots_.try_emplace(volume->target_path, Slot{{}, due});
  place->second.record.volume = std::move(volume);
  if (inserted) {
    ++changes_;
    changed_.notify_all();
  }
  return !inserted;
}

void VolumeRegistry::Recover(VolumePtr volume, SteadyTime due) {
  std::lock_guard lock(mutex_);
  const std::string path = volume->target_path;
  const bool inserted = slots_.try_emplace(path, Slot{{std::move(volume), {}}, due}).second;
  if (!inserted) return;
  ++changes_;
  changed_.notify_all();
}

void VolumeRegistry::Remove(const std::string& target_path) {
  std::lock_guard lock(mutex_);
  slots_.erase(target_path);
}

std::optional<VolumeRecord> VolumeRegistry::Find(const std::string& target_path) const {
  std::lock_guard lock(mutex_);
  auto found = slots_.find(target_path);
  if (found == slots_.end()) return std::nullopt;
  return found->second.record;
}

std::vector<VolumeRecord> VolumeRegistry::List() const {
  std::lock_guard lock(mutex_);
  std::vector<VolumeRecord> records;
  for (const auto& [path, slot] : slots_) records.push_back(slot.record);
  return records;
}

void VolumeRegistry::Update(const std::string& target_path, SteadyTime due,
                            const std::function<void(VolumeState&)>& change) {
  std::lock_guard lock(mutex_);
  auto found = slots_.find(target_path);
  if (found == slots_.end()) return;
  change(found->second.record.state);
  // What was brought forward while this refresh ran stays due: the refresh may have read before it.
  found->second.due = std::min(found->second.due, due);
  ++changes_;
  changed_.notify_all();
}

void VolumeRegistry::MakeDue(const std::function<bool(const Volume&)>& matches, SteadyTime due) {
  std::lock_guard lock(mutex_);
  for (auto& [path, slot] : slots_) {
    if (matches(*slot.record.volume)) slot.due = std::min(slot.due, due);
  }
  ++changes_;
  changed_.notify_all();
}

std::vector<std::string> VolumeRegistry::AwaitDue(const Context& context) {
  std::unique_lock lock(mutex_);
  while (!context.stop().stop_requested()) {
    const SteadyTime now = clock_.Now();
    SteadyTime next = context.deadline();
    std::vector<std::string> due;
    for (auto& [path, slot] : slots_) {
      if (slot.due > now) {
        next = std::min(next, slot.due);
        continue;
      }
      due.push_back(path);
      slot.due = SteadyTime::max();
    }
    if (!due.empty() || now >= context.deadline()) return due;
    clock_.WaitUntil(lock, changed_, context.stop(), next,
                     [&, seen = changes_] { return changes_ != seen; });
  }
  return {};
}

}  // namespace nodekeep
