#pragma once

// A directory held open, and what the writer does inside it.
//
// Every name is resolved from the open directory, one element at a time, and a symbolic link is
// never followed: whatever somebody put into the directory, nothing outside it is read, written or
// removed. Paths are relative, checked by CheckVolumePath or made by the writer itself.
//
// Errors name the step and the path: `write "a/b": no space left on device`.

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
  std::uint32_t mode = 0644;  // low nine bits; 0 is honoured as 0000
  std::optional<uid_t> uid;   // absent: whoever writes
  std::optional<gid_t> gid;
};

class Directory {
 public:
  enum class Kind { kDirectory, kLink, kOther };
  struct Entry {
    std::string name;
    Kind kind;
  };

  // Links in `path` itself are followed: it is the caller's, not the volume's.
  static Result<Directory> Open(const std::string& path);
  ~Directory();
  Directory(Directory&& other) noexcept;
  Directory& operator=(Directory&& other) noexcept;

  Result<Directory> OpenBeneath(std::string_view path) const;
  // In the order of the file system, without "." and "..".
  Result<std::vector<Entry>> List() const;
  // Everything that is no directory, at any depth, as sorted relative paths.
  Result<std::vector<std::string>> ListFiles() const;

  // Mode 0755 whatever the umask. False: the name is taken.
  Result<bool> Make(const std::string& name) const;
  // A new file, its missing parents (0755) included; readable by others only once it is complete.
  Status Write(const std::string& path, const SecretBytes& contents,
               const FileAttributes& attributes) const;
  // True when `path` is a file with exactly these contents and attributes. What cannot be read is
  // not the same.
  bool Holds(const std::string& path, const SecretBytes& contents,
             const FileAttributes& attributes) const;

  // Nothing when `name` is absent or no link.
  std::optional<std::string> ReadLink(const std::string& name) const;
  Status Link(const std::string& name, const std::string& target) const;
  // Puts the link `from` in the place of `to` in one step, whatever `to` was. A directory that
  // stood there is called `from` afterwards; anything else is gone.
  Status ReplaceWithLink(const std::string& from, const std::string& to) const;
  // Removes a file, a link, or a directory with all that is in it; absent is fine. Needs neither
  // stack nor descriptors in proportion to the depth.
  Status Remove(const std::string& name) const;

 private:
  explicit Directory(int fd) : fd_(fd) {}

  Result<Directory> OpenParent(std::string_view path, bool create) const;
  Status RemoveDirectory(const std::string& name) const;
  // Removes what is no directory, and moves the content of each directory up into this one.
  Status Flatten(std::size_t& moved) const;

  int fd_ = -1;
};

}  // namespace nodekeep
