#include "agent/mount/pod_directory.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace nodekeep {

bool DirectoryIsThere(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0) return S_ISDIR(info.st_mode);
  return errno != ENOENT && errno != ENOTDIR;
}

LeaseHolder HolderOf(const Identity& identity, const std::string& target_path,
                     const DirectoryExists& exists) {
  const std::string uid = identity.PodUid();
  LeaseHolder holder{uid + " " + target_path, nullptr};
  std::string directory = target_path;
  std::string pods_directory;
  const std::size_t at = uid.empty() ? std::string::npos : target_path.find("/" + uid + "/");
  if (at != std::string::npos) {
    directory = target_path.substr(0, at + 1 + uid.size());
    pods_directory = target_path.substr(0, std::max<std::size_t>(at, 1));
  }
  if (directory.empty() || !exists(directory)) return holder;
  holder.gone = [directory, pods_directory, exists] {
    return !exists(directory) && (pods_directory.empty() || exists(pods_directory));
  };
  return holder;
}

}  // namespace nodekeep
