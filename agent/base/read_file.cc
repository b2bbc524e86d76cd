#include "agent/base/read_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>

#include "agent/base/trimmed.h"

namespace nodekeep {

Result<SecretBytes> ReadSmallFile(const std::string& path) {
  constexpr std::size_t kMaxBytes = 1u << 20;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  int failure = file < 0 ? errno : 0;
  SecretBytes content;
  SecretBytes chunk = SecretBytes::OfSize(16u << 10);
  while (failure == 0 && content.size() <= kMaxBytes) {
    const ssize_t got = read(file, chunk.MutableData(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) failure = errno;
    if (got <= 0) break;
    content.Append(chunk.Reveal().substr(0, static_cast<std::size_t>(got)));
  }
  if (file >= 0) close(file);
  if (failure != 0) {
    return Error::Format(ErrorCode::kInvalid, "read \"{}\": {}", path,
                         std::generic_category().message(failure));
  }
  if (content.size() > kMaxBytes) {
    return Error::Format(ErrorCode::kInvalid, "read \"{}\": larger than 1 MiB", path);
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
