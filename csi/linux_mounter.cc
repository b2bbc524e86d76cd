#include "csi/linux_mounter.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace nodekeep {
namespace {

// More mounts than are stacked on one volume in practice; bounds the loop in Clear.
constexpr int kMaxStacked = 16;

Error SystemError(std::string_view step, const std::string& path, int code) {
  const bool forbidden = code == EPERM || code == EACCES;
  return Error::Format(forbidden ? ErrorCode::kDenied : ErrorCode::kInternal, "{} {}: {}{}", step,
                       path, std::strerror(code),
                       forbidden ? "; the driver needs to run as root with CAP_SYS_ADMIN" : "");
}

// Files of which a volume may have more than pages: empty ones, links, directories.
constexpr std::uint64_t kFewInodes = 64;

// The errors of stat and opendir for a mount whose file system is gone.
bool MeansStale(int code) {
  return code == ENOTCONN || code == ESTALE || code == EIO || code == EACCES || code == EHOSTDOWN ||
         code == ENODEV;
}

// Returns 0, or the errno if the directory cannot be listed.
int ListingError(const std::string& path) {
  DIR* listing = opendir(path.c_str());
  if (listing == nullptr) return errno;
  errno = 0;
  const int fault = readdir(listing) != nullptr ? 0 : errno;
  closedir(listing);
  return fault;
}

}  // namespace

Result<MountState> LinuxMounter::StateOf(const std::string& path) {
  struct stat own;
  if (lstat(path.c_str(), &own) != 0) {
    if (errno == ENOENT) return MountState::kAbsent;
    if (MeansStale(errno)) return MountState::kStale;
    return SystemError("look at", path, errno);
  }
  if (!S_ISDIR(own.st_mode)) {
    return Error::Format(ErrorCode::kPrecondition, "look at {}: it is not a directory; remove it",
                         path);
  }
  struct stat parent;
  if (stat((path + "/..").c_str(), &parent) != 0)
    return SystemError("look at the parent of", path, errno);
  if (own.st_dev == parent.st_dev) return MountState::kPlain;
  const int fault = ListingError(path);
  if (fault == 0) return MountState::kMounted;
  if (MeansStale(fault)) return MountState::kStale;
  // Not stale: the process may be out of file descriptors, for example.
  return SystemError("list", path, fault);
}

Status LinuxMounter::Mount(const std::string& path, const TmpfsOptions& options) {
  std::error_code failed;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failed);
  if (failed) return SystemError("create the directory above", path, failed.value());
  const bool made = mkdir(path.c_str(), 0750) == 0;
  if (!made && errno != EEXIST) return SystemError("create directory", path, errno);

  unsigned long flags = MS_NOSUID | MS_NODEV;
  if (!options.executable) flags |= MS_NOEXEC;
  const std::string plain =
      fmt::format("mode=0755,size={},nr_inodes={}{}", options.size,
                  options.size / kTmpfsInodeBytes + kFewInodes,
                  options.group ? fmt::format(",gid={}", *options.group) : "");
  const auto mounts = [&](const std::string& data) {
    return mount("tmpfs", path.c_str(), "tmpfs", flags, data.c_str()) == 0;
  };
  if (!no_noswap_) {
    if (mounts(plain + ",noswap")) return {};
    if (errno == EINVAL) no_noswap_ = true;
  }
  if (mounts(plain)) return {};
  const int code = errno;
  if (made) rmdir(path.c_str());
  return SystemError("mount a tmpfs on", path, code);
}

Result<Directory> LinuxMounter::Open(const std::string& path) { return Directory::OpenTmpfs(path); }

Result<std::size_t> LinuxMounter::MemoryOf(const std::string& path) {
  Result<Directory> volume = Open(path);
  if (!volume.ok()) return volume.error();
  return volume->TmpfsBytes();
}

Status LinuxMounter::Clear(const std::string& path) {
  for (int i = 0; i < kMaxStacked; ++i) {
    Result<MountState> state = StateOf(path);
    if (!state.ok()) return state.error();
    if (*state == MountState::kAbsent) return {};
    if (*state == MountState::kPlain) break;
    if (umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0) continue;
    if (umount2(path.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) == 0) continue;
    // EINVAL: not a mount but a plain directory, whose EACCES looked like a stale mount.
    if (errno != EINVAL) return SystemError("unmount", path, errno);
    break;
  }
  std::error_code failed;
  std::filesystem::remove_all(path, failed);
  if (failed) return SystemError("remove", path, failed.value());
  return {};
}

}  // namespace nodekeep
