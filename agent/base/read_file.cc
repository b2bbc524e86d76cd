#include "agent/base/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "agent/base/trimmed.h"

namespace nodekeep {
namespace {

constexpr std::size_t kMaxSmallFile = 1u << 20;
// Files in /proc have size 0.
constexpr std::size_t kMinChunk = 4u << 10;
constexpr std::size_t kMaxChunk = 64u << 10;

Error SystemError(int code) {
  const ErrorCode kind = code == ENOENT                    ? ErrorCode::kNotFound
                         : code == EACCES || code == EPERM ? ErrorCode::kDenied
                                                           : ErrorCode::kInvalid;
  return Error(kind, std::generic_category().message(code));
}

Error TooLarge(std::size_t max_bytes) {
  constexpr std::size_t kMiB = 1u << 20;
  if (max_bytes == 0 || max_bytes % kMiB != 0) {
    return Error::Format(ErrorCode::kTooLarge, "larger than {} bytes", max_bytes);
  }
  return Error::Format(ErrorCode::kTooLarge, "larger than {} MiB", max_bytes / kMiB);
}

int OpenForReading(const std::string& path, FileKind kind) {
  // O_NONBLOCK: otherwise opening a pipe blocks until it has a writer.
  const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (kind == FileKind::kRegular ? O_NONBLOCK : 0);
  int file = -1;
  do {
    file = open(path.c_str(), flags);
  } while (file < 0 && errno == EINTR);
  return file;
}

// The error text is the reason only.
Result<SecretBytes> ReadPath(const std::string& path, std::size_t max_bytes, FileKind kind) {
  const int file = OpenForReading(path, kind);
  if (file < 0) return SystemError(errno);
  Result<SecretBytes> content = ReadDescriptor(file, max_bytes, kind);
  close(file);
  return content;
}

}  // namespace

Result<SecretBytes> ReadDescriptor(int file, std::size_t max_bytes, FileKind kind) {
  struct stat facts;
  if (fstat(file, &facts) != 0) return SystemError(errno);
  if (S_ISDIR(facts.st_mode)) return SystemError(EISDIR);
  const bool is_regular = S_ISREG(facts.st_mode);
  if (!is_regular && kind == FileKind::kRegular) {
    return Error(ErrorCode::kInvalid, "not a regular file");
  }
  const std::size_t claimed = is_regular ? static_cast<std::size_t>(facts.st_size) : 0;
  if (claimed > max_bytes) return TooLarge(max_bytes);
  SecretBytes content;
  content.Reserve(claimed);
  SecretBytes chunk = SecretBytes::OfSize(std::clamp(claimed, kMinChunk, kMaxChunk));
  while (true) {
    const ssize_t got = read(file, chunk.MutableData(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(errno);
    if (got == 0) return content;
    const auto size = static_cast<std::size_t>(got);
    if (size > max_bytes - content.size()) return TooLarge(max_bytes);
    content.Append(chunk.Reveal().substr(0, size));
  }
}

Result<SecretBytes> ReadFile(const std::string& path, std::size_t max_bytes, FileKind kind) {
  Result<SecretBytes> content = ReadPath(path, max_bytes, kind);
  if (!content.ok()) return content.error().Prepend("read {}", path);
  return content;
}

Result<SecretBytes> ReadSmallFile(const std::string& path) {
  Result<SecretBytes> content = ReadPath(path, kMaxSmallFile, FileKind::kRegular);
  if (!content.ok()) {
    return Error::Format(ErrorCode::kInvalid, "read \"{}\": {}", path, content.error().message());
  }
  return content;
}

Result<SecretBytes> ReadTokenFile(const std::string& path) {
  Result<SecretBytes> content = ReadSmallFile(path);
  if (!content.ok()) return content;
  const std::string_view text = Trimmed(content->Reveal());
  if (text.empty()) return Error::Format(ErrorCode::kInvalid, "read \"{}\": it is empty", path);
  return SecretBytes(text);
}

}  // namespace nodekeep
