#include "agent/sink/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include "agent/base/read_file.h"
#include "agent/base/write_all.h"

namespace nodekeep {
namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

ErrorCode CodeOf(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kTooLarge;
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kPrecondition;
    default:
      return ErrorCode::kInternal;
  }
}

// The error for errno. Must be called right after the system call.
Error Failure(std::string_view step, std::string_view path) {
  const int error = errno;
  std::string reason = std::generic_category().message(error);
  if (reason.size() > 1 && reason[0] >= 'A' && reason[0] <= 'Z' && reason[1] >= 'a') {
    reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
  }
  return Error::Format(CodeOf(error), "{} \"{}\": {}", step, path, reason);
}

class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int fd() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  const int fd_;
};

bool HasAttributes(const struct stat& status, const FileAttributes& attributes) {
  return (status.st_mode & 07777) == (attributes.mode & 0777) &&
         (!attributes.uid || status.st_uid == *attributes.uid) &&
         (!attributes.gid || status.st_gid == *attributes.gid);
}

// Lets the kernel resolve a path, which may be deep, without following links. Returns -1 with errno
// on failure; EAGAIN, ENOSYS and EPERM mean that openat2 is unavailable, or not permitted by a
// sandbox.
int OpenWithoutLinks(int directory, const std::string& path) {
  open_how how{};
  how.flags = kOpenDirectory;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return static_cast<int>(syscall(SYS_openat2, directory, path.c_str(), &how, sizeof(how)));
}

std::string FileName(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

Directory::Kind KindOf(int directory, const dirent& entry) {
  if (entry.d_type == DT_DIR) return Directory::Kind::kDirectory;
  if (entry.d_type == DT_LNK) return Directory::Kind::kLink;
  struct stat status;
  if (entry.d_type != DT_UNKNOWN ||
      fstatat(directory, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return Directory::Kind::kOther;
  }
  if (S_ISDIR(status.st_mode)) return Directory::Kind::kDirectory;
  return S_ISLNK(status.st_mode) ? Directory::Kind::kLink : Directory::Kind::kOther;
}

}  // namespace

Result<Directory> Directory::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failure("open", path);
  return Directory(fd);
}

Result<Directory> Directory::OpenTmpfs(const std::string& path) {
  Result<Directory> root = Open(path);
  if (!root.ok()) return root;
  // The parent is looked up from the descriptor, so both facts are of the same mount.
  struct stat own;
  struct stat parent;
  struct statfs system;
  if (fstat(root->fd_, &own) != 0 || fstatat(root->fd_, "..", &parent, 0) != 0 ||
      fstatfs(root->fd_, &system) != 0) {
    return Failure("look at", path);
  }
  if (own.st_dev == parent.st_dev || system.f_type != TMPFS_MAGIC) {
    return Error::Format(ErrorCode::kPrecondition,
                         "open \"{}\": no tmpfs is mounted on it, so nothing is written", path);
  }
  return root;
}

Result<std::size_t> Directory::TmpfsBytes() const {
  struct statfs system;
  if (fstatfs(fd_, &system) != 0) return Failure("look at", ".");
  return (system.f_blocks - system.f_bfree) * static_cast<std::size_t>(system.f_bsize) +
         (system.f_files - system.f_ffree) * kTmpfsInodeBytes;
}

Directory::~Directory() {
  if (fd_ >= 0) close(fd_);
}

Directory::Directory(Directory&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Directory& Directory::operator=(Directory&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Result<Directory> Directory::OpenBeneath(std::string_view path) const {
  // With a trailing slash, all of `path` is the parent.
  return OpenParent(std::string(path) + "/", false);
}

Result<Directory> Directory::OpenParent(std::string_view path, bool create) const {
  if (const std::size_t end = path.rfind('/'); !create && end != std::string_view::npos) {
    const std::string parent(path.substr(0, end));
    const int fd = OpenWithoutLinks(fd_, parent);
    if (fd >= 0) return Directory(fd);
    if (errno != EAGAIN && errno != ENOSYS && errno != EPERM) return Failure("open", parent);
  }
  Directory at(openat(fd_, ".", kOpenDirectory));
  if (at.fd_ < 0) return Failure("open", path);
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/')) {
    const std::string element(path.substr(0, slash));
    path.remove_prefix(slash + 1);
    if (create) {
      Result<bool> made = at.Make(element);
      if (!made.ok()) return made.error();
    }
    const int next = openat(at.fd_, element.c_str(), kOpenDirectory);
    if (next < 0) return Failure("open", element);
    at = Directory(next);
  }
  return at;
}

Result<std::vector<Directory::Entry>> Directory::List() const {
  // A new descriptor: the stream closes it, and a duplicate would share its position.
  const int fd = openat(fd_, ".", kOpenDirectory);
  if (fd < 0) return Failure("list", ".");
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(fd), &closedir);
  if (!stream) {
    Error error = Failure("list", ".");
    close(fd);
    return error;
  }
  std::vector<Entry> entries;
  errno = 0;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") entries.push_back({entry->d_name, KindOf(fd_, *entry)});
    errno = 0;
  }
  if (errno != 0) return Failure("list", ".");
  return entries;
}

Result<std::vector<std::string>> Directory::ListFiles() const {
  std::vector<std::string> files;
  std::vector<std::string> pending = {""};  // directories, as prefixes
  while (!pending.empty()) {
    const std::string prefix = std::move(pending.back());
    pending.pop_back();
    Result<Directory> directory = OpenParent(prefix, false);
    if (!directory.ok()) return directory.error();
    Result<std::vector<Entry>> entries = directory->List();
    if (!entries.ok()) return entries.error();
    for (const Entry& entry : *entries) {
      if (entry.kind == Kind::kDirectory) {
        pending.push_back(prefix + entry.name + "/");
      } else {
        files.push_back(prefix + entry.name);
      }
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<bool> Directory::Make(const std::string& name) const {
  if (mkdirat(fd_, name.c_str(), 0755) != 0) {
    if (errno == EEXIST) return false;
    return Failure("make directory", name);
  }
  const OpenFile made(openat(fd_, name.c_str(), kOpenDirectory));
  if (!made.ok() || fchmod(made.fd(), 0755) != 0) return Failure("make directory", name);
  return true;
}

Status Directory::Write(const std::string& path, const SecretBytes& contents,
                        const FileAttributes& attributes) const {
  Result<Directory> parent = OpenParent(path, true);
  if (!parent.ok()) return parent.error().Prepend("write \"{}\"", path);
  const OpenFile file(openat(parent->fd_, FileName(path).c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.ok() || !WriteAll(file.fd(), contents.Reveal())) return Failure("write", path);
  if (attributes.uid || attributes.gid) {
    constexpr auto kKeep = static_cast<uid_t>(-1);
    if (fchown(file.fd(), attributes.uid.value_or(kKeep), attributes.gid.value_or(kKeep)) != 0) {
      return Failure("set the owner of", path);
    }
  }
  if (fchmod(file.fd(), attributes.mode & 0777) != 0) return Failure("set the mode of", path);
  return {};
}

bool Directory::Holds(const std::string& path, const SecretBytes& contents,
                      const FileAttributes& attributes) const {
  Result<Directory> parent = OpenParent(path, false);
  if (!parent.ok()) return false;
  // O_NONBLOCK: opening a named pipe must not block the writer.
  const OpenFile file(
      openat(parent->fd_, FileName(path).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status;
  if (!file.ok() || fstat(file.fd(), &status) != 0 || !S_ISREG(status.st_mode) ||
      static_cast<std::size_t>(status.st_size) != contents.size() ||
      !HasAttributes(status, attributes)) {
    return false;
  }
  const Result<SecretBytes> held = ReadDescriptor(file.fd(), contents.size());
  return held.ok() && held->Reveal() == contents.Reveal();
}

std::optional<std::string> Directory::ReadLink(const std::string& name) const {
  char target[PATH_MAX];
  const ssize_t size = readlinkat(fd_, name.c_str(), target, sizeof(target));
  if (size < 0) return std::nullopt;
  return std::string(target, static_cast<std::size_t>(size));
}

Status Directory::Link(const std::string& name, const std::string& target) const {
  if (symlinkat(target.c_str(), fd_, name.c_str()) != 0) return Failure("link", name);
  return {};
}

Status Directory::ReplaceWithLink(const std::string& from, const std::string& to) const {
  if (renameat(fd_, from.c_str(), fd_, to.c_str()) == 0) return {};
  if (errno != EISDIR) return Failure("replace", to);
  if (renameat2(fd_, from.c_str(), fd_, to.c_str(), RENAME_EXCHANGE) == 0) return {};
  if (errno != EINVAL) return Failure("replace", to);
  // The file system does not support RENAME_EXCHANGE: the name is missing for a moment.
  if (Status removed = Remove(to); !removed.ok()) return removed;
  if (renameat(fd_, from.c_str(), fd_, to.c_str()) != 0) return Failure("replace", to);
  return {};
}

Status Directory::Remove(const std::string& name) const {
  if (unlinkat(fd_, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return Failure("remove", name);
  return RemoveDirectory(name);
}

Status Directory::RemoveDirectory(const std::string& name) const {
  const int fd = openat(fd_, name.c_str(), kOpenDirectory);
  if (fd < 0) return Failure("remove", name);
  const Directory doomed(fd);
  std::size_t moved = 0;
  while (unlinkat(fd_, name.c_str(), AT_REMOVEDIR) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST) return Failure("remove", name);
    if (Status flat = doomed.Flatten(moved); !flat.ok()) {
      return flat.error().Prepend("remove \"{}\"", name);
    }
  }
  return {};
}

Status Directory::Flatten(std::size_t& moved) const {
  Result<std::vector<Entry>> entries = List();
  if (!entries.ok()) return entries.error();
  for (const Entry& entry : *entries) {
    if (entry.kind != Kind::kDirectory) {
      if (unlinkat(fd_, entry.name.c_str(), 0) != 0) return Failure("remove", entry.name);
      continue;
    }
    if (unlinkat(fd_, entry.name.c_str(), AT_REMOVEDIR) == 0) continue;
    const int fd = openat(fd_, entry.name.c_str(), kOpenDirectory);
    if (fd < 0) return Failure("remove", entry.name);
    const Directory inner(fd);
    Result<std::vector<Entry>> children = inner.List();
    if (!children.ok()) return children.error();
    for (const Entry& child : *children) {
      // An existing name is replaced: everything here will be removed anyway.
      int failed = 0;
      do {
        const std::string place = fmt::format("..{}", moved++);
        failed = renameat(inner.fd_, child.name.c_str(), fd_, place.c_str());
      } while (failed != 0 &&
               (errno == ENOTEMPTY || errno == EEXIST || errno == EISDIR || errno == ENOTDIR));
      if (failed != 0) return Failure("remove", child.name);
    }
  }
  return {};
}

}  // namespace nodekeep
