#pragma once

// An open directory, and the file operations of AtomicWriter in it.
//
// Every path is resolved from the open directory without following symbolic links, so that nothing
// outside it is read, written or removed, whatever a container has put into it. Paths are relative,
// and checked by CheckVolumePath or made by the writer itself.
//
// Errors name the step and the path: `write "a/b": no space left on device`. The methods are const
// because they change the file system, not the object. Thread-safe as far as the file system is.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

struct FileAttributes {
  std::uint32_t mode = 0644;  // low nine bits; 0 means 0000
  std::optional<uid_t> uid;   // nullopt: that of this process
  std::optional<gid_t> gid;
};

// What a tmpfs takes for a file, link or directory besides its pages: an inode and its name.
inline constexpr std::size_t kTmpfsInodeBytes = 1024;

class Directory {
 public:
  enum class Kind { kDirectory, kLink, kOther };
  struct Entry {
    std::string name;
    Kind kind;
  };

  // Follows symbolic links in `path` itself, which comes from the caller, not from the volume.
  static Result<Directory> Open(const std::string& path);
  // Opens the root of a tmpfs that is mounted on `path`. Errors: kPrecondition for any other
  // directory. The file system stays as long as the directory is open, so writes end in it even if
  // it is unmounted meanwhile.
  static Result<Directory> OpenTmpfs(const std::string& path);
  ~Directory();
  Directory(Directory&& other) noexcept;
  Directory& operator=(Directory&& other) noexcept;

  Result<Directory> OpenBeneath(std::string_view path) const;
  // Unsorted, without "." and "..".
  Result<std::vector<Entry>> List() const;
  // Everything except directories, at any depth, as sorted relative paths.
  Result<std::vector<std::string>> ListFiles() const;

  // Bytes of memory that the files of this tmpfs take. Precondition: opened by OpenTmpfs.
  Result<std::size_t> TmpfsBytes() const;

  // Creates a directory with mode 0755 regardless of the umask. False: the name exists.
  Result<bool> Make(const std::string& name) const;
  // Creates a file and its missing parents (mode 0755); other users can read it only once it is
  // complete.
  Status Write(const std::string& path, const SecretBytes& contents,
               const FileAttributes& attributes) const;
  // True if `path` is a regular file with exactly these contents and attributes; false also if it
  // cannot be read.
  bool Holds(const std::string& path, const SecretBytes& contents,
             const FileAttributes& attributes) const;

  // The target of a symbolic link; nullopt if `name` is absent or not a link.
  std::optional<std::string> ReadLink(const std::string& name) const;
  Status Link(const std::string& name, const std::string& target) const;
  // Atomically renames the link `from` to `to`, whatever `to` was. If `to` was a directory, it is
  // named `from` afterwards; anything else is removed.
  Status ReplaceWithLink(const std::string& from, const std::string& to) const;
  // Removes a file, a link, or a directory with its content; absent is not an error. Uses a
  // constant amount of stack and file descriptors, however deep the directory is.
  Status Remove(const std::string& name) const;

 private:
  explicit Directory(int fd) : fd_(fd) {}

  Result<Directory> OpenParent(std::string_view path, bool create) const;
  Status RemoveDirectory(const std::string& name) const;
  // Removes everything except directories, and moves the content of each subdirectory up into this
  // directory. `moved` counts the moved entries, for unique names.
  Status Flatten(std::size_t& moved) const;

  int fd_ = -1;
};

}  // namespace nodekeep
