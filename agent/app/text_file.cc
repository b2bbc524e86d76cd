#include "agent/app/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace nodekeep {
namespace {

Error SystemError(const std::string& path, int code) {
  const ErrorCode kind = code == ENOENT                    ? ErrorCode::kNotFound
                         : code == EACCES || code == EPERM ? ErrorCode::kDenied
                                                           : ErrorCode::kInvalid;
  return Error::Format(kind, "read {}: {}", path, std::strerror(code));
}

}  // namespace

Result<SecretBytes> ReadFile(const std::string& path, std::size_t max_bytes) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return SystemError(path, errno);
  SecretBytes contents;
  char buffer[8192];
  ssize_t count = 0;
  while ((count = read(file, buffer, sizeof(buffer))) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 || contents.size() + static_cast<std::size_t>(count) > max_bytes) break;
    contents.Append({buffer, static_cast<std::size_t>(count)});
  }
  const int code = errno;
  close(file);
  explicit_bzero(buffer, sizeof(buffer));
  if (count < 0) return SystemError(path, code);
  if (count > 0) {
    return Error::Format(ErrorCode::kTooLarge, "read {}: larger than {} bytes", path, max_bytes);
  }
  return contents;
}

}  // namespace nodekeep
