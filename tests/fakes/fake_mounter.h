#pragma once

// An in-memory mount table over real directories: a plain directory takes the place of the tmpfs
// and is deleted with its content on unmount. Injects faults. Thread-safe.
//
// Deletes below TempDirs only, whatever path it is given: the tests often run as root, and the code
// under test may be wrong.

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "agent/base/mutex.h"
#include "csi/mounter.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {

class FakeMounter final : public Mounter {
 public:
  Result<MountState> StateOf(const std::string& path) override {
    MutexLock lock(mutex_);
    auto found = mounts_.find(path);
    if (found != mounts_.end())
      return found->second.stale ? MountState::kStale : MountState::kMounted;
    return std::filesystem::exists(path) ? MountState::kPlain : MountState::kAbsent;
  }
  Status Mount(const std::string& path, const TmpfsOptions& options) override {
    if (on_mount) on_mount();
    MutexLock lock(mutex_);
    ++mount_calls_;
    if (!IsInTempDir(path)) return OutsideOfTempDir(path);
    if (!mount_faults_.empty()) {
      Error error = mount_faults_.front();
      mount_faults_.pop_front();
      return error;
    }
    std::filesystem::create_directories(path);
    // A mount hides the directory's previous content.
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      std::filesystem::remove_all(entry.path());
    }
    if (!lose_next_mount_) mounts_[path] = {options, false};
    lose_next_mount_ = false;
    return {};
  }
  Result<Directory> Open(const std::string& path) override {
    MutexLock lock(mutex_);
    if (mounts_.contains(path)) return Directory::Open(path);
    return Error::Format(ErrorCode::kPrecondition, "open \"{}\": no tmpfs is mounted on it", path);
  }
  // As a tmpfs with pages of 4 KiB counts.
  Result<std::size_t> MemoryOf(const std::string& path) override {
    if (Result<Directory> open = Open(path); !open.ok()) return open.error();
    std::size_t bytes = kTmpfsInodeBytes;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      bytes += kTmpfsInodeBytes;
      if (entry.is_symlink() || !entry.is_regular_file()) continue;
      bytes += (entry.file_size() + 4095) / 4096 * 4096;
    }
    return bytes;
  }
  Status Clear(const std::string& path) override {
    MutexLock lock(mutex_);
    ++clear_calls_;
    if (!IsInTempDir(path)) return OutsideOfTempDir(path);
    if (!clear_faults_.empty()) {
      Error error = clear_faults_.front();
      clear_faults_.pop_front();
      return error;
    }
    mounts_.erase(path);
    std::filesystem::remove_all(path);
    return {};
  }

  // Simulates a reboot: the mounts are gone, their directories stay, empty.
  void Reboot() {
    MutexLock lock(mutex_);
    for (const auto& [path, mount] : mounts_) {
      for (const auto& entry : std::filesystem::directory_iterator(path)) {
        std::filesystem::remove_all(entry.path());
      }
    }
    mounts_.clear();
  }
  // The next mount ends at once: its directory stays, with nothing mounted on it.
  void LoseNextMount() {
    MutexLock lock(mutex_);
    lose_next_mount_ = true;
  }
  void MakeStale(const std::string& path) {
    MutexLock lock(mutex_);
    mounts_[path].stale = true;
  }
  // The next calls fail with these errors, in order.
  void FailMounts(std::deque<Error> errors) {
    MutexLock lock(mutex_);
    mount_faults_ = std::move(errors);
  }
  void FailClears(std::deque<Error> errors) {
    MutexLock lock(mutex_);
    clear_faults_ = std::move(errors);
  }

  std::size_t mounted() const {
    MutexLock lock(mutex_);
    return mounts_.size();
  }
  std::size_t mount_calls() const {
    MutexLock lock(mutex_);
    return mount_calls_;
  }
  std::size_t clear_calls() const {
    MutexLock lock(mutex_);
    return clear_calls_;
  }
  // The options of the mount at `path`; nullopt if there is none.
  std::optional<TmpfsOptions> OptionsOf(const std::string& path) const {
    MutexLock lock(mutex_);
    auto found = mounts_.find(path);
    return found == mounts_.end() ? std::nullopt : std::optional(found->second.options);
  }

  // Called at the beginning of each mount, without the lock.
  std::function<void()> on_mount;

 private:
  static Error OutsideOfTempDir(const std::string& path) {
    return Error::Format(ErrorCode::kInternal, "\"{}\" is not below a temporary directory", path);
  }

  struct Mounted {
    TmpfsOptions options;
    bool stale = false;
  };

  mutable Mutex mutex_;
  std::map<std::string, Mounted> mounts_ NODEKEEP_GUARDED_BY(mutex_);
  std::deque<Error> mount_faults_ NODEKEEP_GUARDED_BY(mutex_);
  std::deque<Error> clear_faults_ NODEKEEP_GUARDED_BY(mutex_);
  bool lose_next_mount_ NODEKEEP_GUARDED_BY(mutex_) = false;
  std::size_t mount_calls_ NODEKEEP_GUARDED_BY(mutex_) = 0;
  std::size_t clear_calls_ NODEKEEP_GUARDED_BY(mutex_) = 0;
};

}  // namespace nodekeep
