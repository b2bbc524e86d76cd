#include "providers/akeyless/credential_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace nodekeep::akeyless {
namespace {

constexpr std::size_t kMaxBytes = 64u << 10;

}  // namespace

Result<SecretBytes> ReadCredentialFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return Error::Format(ErrorCode::kInvalid, "cannot open {}: {}", path, std::strerror(errno));
  }
  SecretBytes content = SecretBytes::OfSize(kMaxBytes + 1);
  std::size_t size = 0;
  ssize_t got = 0;
  while (size < content.size() &&
         (got = ::read(file, content.MutableData() + size, content.size() - size)) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    size += static_cast<std::size_t>(got);
  }
  const int failure = got < 0 ? errno : 0;
  ::close(file);
  if (failure != 0) {
    return Error::Format(ErrorCode::kInvalid, "cannot read {}: {}", path, std::strerror(failure));
  }
  if (size > kMaxBytes) {
    return Error::Format(ErrorCode::kInvalid, "{} is too large for a credential", path);
  }
  content.Truncate(size);
  std::string_view text = content.Reveal();
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return Error::Format(ErrorCode::kInvalid, "{} is empty", path);
  }
  return SecretBytes(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

}  // namespace nodekeep::akeyless
