#include "csi/volume_budget.h"

#include <optional>
#include <utility>

namespace nodekeep {
namespace {

// By which the size of a set may be overestimated: temporary links, directories.
constexpr std::size_t kSlack = std::size_t{16} << 10;

}  // namespace

Status VolumeBudget::Reserve(const Volume& volume, std::size_t bytes) {
  const std::shared_ptr<Entry> entry = EntryOf(volume);
  const std::size_t wanted = entry->held + bytes;
  if (wanted <= entry->grant.amount() || entry->grant.Resize(wanted)) return {};
  return NoRoom(volume, bytes);
}

Status VolumeBudget::ReserveRotation(const Volume& volume, std::size_t bytes) {
  const std::shared_ptr<Entry> entry = EntryOf(volume);
  if (bytes > entry->held + kSlack) {
    if (Status grown = Reserve(volume, bytes - entry->held); !grown.ok()) return grown;
  }
  std::optional<SharedResource::Grant> rotation = rotations_.TryTake(volume.namespace_name, bytes);
  if (!rotation) {
    return Error::Format(ErrorCode::kThrottled,
                         "other rotations of namespace \"{}\" use its share of the memory for "
                         "rotations; it is tried again",
                         volume.namespace_name);
  }
  entry->rotation = *std::move(rotation);
  return {};
}

Status VolumeBudget::Settle(const Volume& volume) {
  const std::shared_ptr<Entry> entry = EntryOf(volume);
  entry->rotation = SharedResource::Grant();
  const Result<std::size_t> held = mounter_.MemoryOf(volume.target_path);
  // Not mounted any more: what is counted stays so until Release.
  if (!held.ok()) return {};
  entry->held = *held;
  if (entry->grant.Resize(*held)) return {};
  entry->grant = bytes_.TakeExisting(volume.namespace_name, *held);
  return NoRoom(volume, *held);
}

void VolumeBudget::Recover(const Volume& volume) {
  const Result<std::size_t> held = mounter_.MemoryOf(volume.target_path);
  if (!held.ok()) return;
  auto entry = std::make_shared<Entry>();
  entry->grant = bytes_.TakeExisting(volume.namespace_name, *held);
  entry->held = *held;
  MutexLock lock(mutex_);
  entries_.try_emplace(volume.target_path, std::move(entry));
}

void VolumeBudget::Release(const std::string& target_path) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(target_path);
  if (found == entries_.end()) return;
  const std::shared_ptr<Entry> last = std::move(found->second);
  entries_.erase(found);
  lock.unlock();
}

std::shared_ptr<VolumeBudget::Entry> VolumeBudget::EntryOf(const Volume& volume) {
  auto fresh = std::make_shared<Entry>();
  fresh->grant = bytes_.TakeExisting(volume.namespace_name, 0);  // nothing yet
  MutexLock lock(mutex_);
  return entries_.try_emplace(volume.target_path, std::move(fresh)).first->second;
}

Error VolumeBudget::NoRoom(const Volume& volume, std::size_t bytes) const {
  return Error::Format(ErrorCode::kPrecondition,
                       "no memory for {} bytes more in volumes of namespace \"{}\": all volumes of "
                       "a node take {} bytes at most (driver.volumesTotal), of which a namespace "
                       "gets as much as stays free: mount less, or raise driver.volumesTotal and "
                       "the memory of the agent",
                       bytes, volume.namespace_name, bytes_.capacity());
}

}  // namespace nodekeep
