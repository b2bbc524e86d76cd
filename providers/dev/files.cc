// Opens, checks and reads files and directories beneath the store's own directory.

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "agent/base/read_file.h"
#include "agent/base/volume_path.h"
#include "agent/base/yaml.h"
#include "providers/dev/content.h"

namespace nodekeep::dev {
namespace {

// Owns a file descriptor.
class File {
 public:
  explicit File(int fd = -1) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&&) = delete;

  int fd() const { return fd_; }

 private:
  int fd_;
};

Error SystemError(std::string_view step, int error) {
  const ErrorCode code = error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound
                         : error == EACCES || error == EPERM ? ErrorCode::kDenied
                                                             : ErrorCode::kTransient;
  return Error::Format(code, "{}: {}", step, std::strerror(error));
}

// For kernels or seccomp profiles without openat2: follows no symbolic links at all, so that none
// can lead out of the directory.
int OpenWithoutSymlinks(int directory, const std::string& path, int flags) {
  std::vector<File> parents;
  std::string_view rest = path;
  while (true) {
    const std::size_t slash = rest.find('/');
    const bool last = slash == std::string_view::npos;
    const std::string element(rest.substr(0, slash));
    const int at = parents.empty() ? directory : parents.back().fd();
    const int fd = ::openat(at, element.c_str(),
                            (last ? flags : O_RDONLY | O_DIRECTORY | O_CLOEXEC) | O_NOFOLLOW);
    if (last || fd < 0) return fd;
    parents.emplace_back(fd);
    rest.remove_prefix(slash + 1);
  }
}

// Opens `path` so that neither ".." nor a symlink leads out of `directory`. Never blocks on a FIFO.
Result<File> OpenBeneath(int directory, const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  int fd = static_cast<int>(::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how));
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
    fd = OpenWithoutSymlinks(directory, path, kFlags);
  }
  if (fd >= 0) return File(fd);
  if (errno == EXDEV || errno == ELOOP) {
    return Error(
        ErrorCode::kDenied,
        "a symbolic link leads out of the store's directory, or in a circle: put the file itself "
        "there");
  }
  return SystemError("cannot open", errno);
}

Result<File> OpenDirectory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError("cannot open the directory", errno);
  return File(fd);
}

Status CheckDirectory(const struct stat& facts) {
  if ((facts.st_mode & S_IWOTH) != 0 && (facts.st_mode & S_ISVTX) == 0) {
    return Error(ErrorCode::kDenied,
                 "the directory is world-writable, so any user could put secrets there: run "
                 "chmod o-w on it");
  }
  return {};
}

Status CheckFile(const struct stat& facts, std::size_t max_bytes) {
  if (!S_ISREG(facts.st_mode)) {
    return Error(ErrorCode::kInvalid,
                 "is not a regular file: devices, pipes and sockets are not read");
  }
  if ((facts.st_mode & S_IWOTH) != 0) {
    return Error(ErrorCode::kDenied,
                 "the file is world-writable: run chmod o-w on it to have it read");
  }
  if (static_cast<std::size_t>(facts.st_size) > max_bytes) {
    return Error::Format(ErrorCode::kTooLarge, "is larger than {} bytes", max_bytes);
  }
  return {};
}

Result<SecretBytes> ReadAll(const File& file, std::size_t max_bytes) {
  struct stat facts {};
  if (::fstat(file.fd(), &facts) != 0) return SystemError("cannot look at the file", errno);
  if (Status check = CheckFile(facts, max_bytes); !check.ok()) return check.error();
  Result<SecretBytes> bytes = ReadDescriptor(file.fd(), static_cast<std::size_t>(facts.st_size));
  if (bytes.ok()) return bytes;
  if (bytes.error().code() == ErrorCode::kTooLarge) {
    return Error(ErrorCode::kTransient, "the file grew while it was read: replace it by a rename");
  }
  return Error(ErrorCode::kTransient, "cannot read the file: " + bytes.error().message());
}

// Internal names of a volume's atomic writer: "..data" and the time-stamped directories.
bool IsInternal(std::string_view name) { return name.starts_with(".."); }

Result<std::vector<std::string>> NamesIn(const File& directory) {
  const int copy = ::openat(directory.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return SystemError("cannot list the directory", errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), ::closedir);
  if (stream == nullptr) {
    ::close(copy);
    return SystemError("cannot list the directory", errno);
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name != "." && !IsInternal(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Visits every file beneath `root`, sorted, including symlinks that stay beneath it.
class Walk {
 public:
  struct Visitor {
    virtual ~Visitor() = default;
    virtual void OnDirectory(const std::string& path, const struct stat& facts) {}
    virtual Status OnFile(const std::string& path, const File& file, const struct stat& facts) {
      return {};
    }
    // The entry cannot be opened, or is a directory that must not be used.
    virtual void OnRefused(const std::string& path, const Error& why) {}
  };

  Walk(const File& root, Visitor& visitor) : root_(root), visitor_(visitor) {}

  Status Run() { return Enter("", root_, 0); }

 private:
  Status Enter(const std::string& path, const File& directory, int depth) {
    struct stat facts {};
    if (::fstat(directory.fd(), &facts) != 0) return SystemError("cannot look at it", errno);
    visitor_.OnDirectory(path, facts);
    if (Status check = CheckDirectory(facts); !check.ok()) {
      if (depth == 0) return check;
      visitor_.OnRefused(path, check.error());
      return {};
    }
    if (depth > kMaxDirectoryDepth) {
      visitor_.OnRefused(path, Error::Format(ErrorCode::kTooLarge, "nested deeper than {} levels",
                                             kMaxDirectoryDepth));
      return {};
    }
    Result<std::vector<std::string>> names = NamesIn(directory);
    if (!names.ok()) return names.error();
    for (const std::string& name : *names) {
      if (Status visited = Visit(path.empty() ? name : path + "/" + name, depth); !visited.ok()) {
        return visited;
      }
    }
    return {};
  }

  Status Visit(const std::string& path, int depth) {
    if (++entries_ > kMaxSecrets) {
      return Error::Format(ErrorCode::kTooLarge, "more than {} files in one store", kMaxSecrets);
    }
    Result<File> file = OpenBeneath(root_.fd(), path);
    if (!file.ok()) {
      // An entry removed between listing and opening is not an error.
      if (file.error().code() != ErrorCode::kNotFound) visitor_.OnRefused(path, file.error());
      return {};
    }
    struct stat facts {};
    if (::fstat(file->fd(), &facts) != 0) return SystemError("cannot look at " + path, errno);
    if (S_ISDIR(facts.st_mode)) return Enter(path, *file, depth + 1);
    return visitor_.OnFile(path, *file, facts);
  }

  const File& root_;
  Visitor& visitor_;
  std::size_t entries_ = 0;
};

struct ContentReader final : Walk::Visitor {
  Content content;
  std::size_t bytes = 0;

  Status OnFile(const std::string& path, const File& file, const struct stat& facts) override {
    if (!CheckVolumePath(path).ok()) return {};  // no class can name it
    WrittenSecret secret;
    Result<SecretBytes> value = ReadAll(file, kMaxFileBytes);
    if (value.ok()) {
      bytes += value->size();
      secret.versions.push_back({"", *std::move(value)});
    } else {
      secret.refused = value.error();
    }
    content.emplace(path, std::move(secret));
    if (bytes <= kMaxStoreBytes) return {};
    return Error::Format(ErrorCode::kTooLarge, "the files are larger than {} bytes together",
                         kMaxStoreBytes);
  }

  void OnRefused(const std::string& path, const Error& why) override {
    content[path].refused = why;
  }
};

struct Stamper final : Walk::Visitor {
  std::string text;

  void Add(const std::string& path, const struct stat& facts) {
    text += fmt::format("{} {}:{} {:o} {} {}.{} {}.{}\n", path, facts.st_dev, facts.st_ino,
                        facts.st_mode, facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec,
                        facts.st_ctim.tv_sec, facts.st_ctim.tv_nsec);
  }
  void OnDirectory(const std::string& path, const struct stat& facts) override { Add(path, facts); }
  Status OnFile(const std::string& path, const File&, const struct stat& facts) override {
    Add(path, facts);
    return {};
  }
  void OnRefused(const std::string& path, const Error& why) override {
    text += path + " " + why.message() + "\n";
  }
};

struct DirectoryLister final : Walk::Visitor {
  std::string root;
  std::vector<std::string> directories;

  void OnDirectory(const std::string& path, const struct stat&) override {
    directories.push_back(path.empty() ? root : root + "/" + path);
  }
};

// A store's parent directory and name, and whether it is a directory itself.
struct Place {
  std::string directory;
  std::string name;
  bool is_directory = false;
};

Place PlaceOf(const std::string& path) {
  const std::filesystem::path whole(path);
  std::error_code ignored;
  return {whole.parent_path().string(), whole.filename().string(),
          std::filesystem::is_directory(whole, ignored)};
}

Result<Content> ReadTree(const std::string& path) {
  Result<File> root = OpenDirectory(path);
  if (!root.ok()) return root.error();
  ContentReader reader;
  if (Status walked = Walk(*root, reader).Run(); !walked.ok()) return walked.error();
  return std::move(reader.content);
}

Result<Content> ReadStoreFile(const Place& place) {
  Result<File> directory = OpenDirectory(place.directory);
  if (!directory.ok()) return directory.error();
  struct stat facts {};
  if (::fstat(directory->fd(), &facts) != 0) return SystemError("cannot look at it", errno);
  if (Status check = CheckDirectory(facts); !check.ok()) return check.error();
  Result<File> file = OpenBeneath(directory->fd(), place.name);
  if (!file.ok()) return file.error();
  Result<SecretBytes> text = ReadAll(*file, kMaxYamlBytes);
  if (!text.ok()) return text.error();
  return ParseContent(text->Reveal());
}

}  // namespace

Result<Content> ReadContent(const std::string& path) {
  const Place place = PlaceOf(path);
  return place.is_directory ? ReadTree(path) : ReadStoreFile(place);
}

std::string ContentStamp(const std::string& path) {
  Stamper stamper;
  const Place place = PlaceOf(path);
  if (place.is_directory) {
    Result<File> root = OpenDirectory(path);
    if (!root.ok()) return root.error().message();
    if (Status walked = Walk(*root, stamper).Run(); !walked.ok()) {
      stamper.text += walked.error().message();
    }
    return stamper.text;
  }
  struct stat facts {};
  for (const std::string& each : {place.directory, path}) {
    if (::stat(each.c_str(), &facts) != 0) return stamper.text + std::strerror(errno);
    // Only the mode of the directory: its time changes with every other file in it.
    if (each == path) {
      stamper.Add(each, facts);
    } else {
      stamper.text += fmt::format("{:o}\n", facts.st_mode);
    }
  }
  return stamper.text;
}

std::vector<std::string> DirectoriesToWatch(const std::string& path) {
  std::vector<std::string> directories;
  const Place place = PlaceOf(path);
  // The nearest directory that exists: a missing path appears there first.
  std::filesystem::path above(place.directory);
  std::error_code ignored;
  while (!std::filesystem::is_directory(above, ignored) && above != above.parent_path()) {
    above = above.parent_path();
  }
  directories.push_back(above.string());
  if (place.is_directory) {
    Result<File> root = OpenDirectory(path);
    DirectoryLister lister;
    lister.root = path;
    if (root.ok()) (void)Walk(*root, lister).Run();
    directories.insert(directories.end(), lister.directories.begin(), lister.directories.end());
  }
  return directories;
}

}  // namespace nodekeep::dev
