#include "providers/akeyless/uid_token_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "agent/base/aes_gcm.h"
#include "agent/base/digest.h"
#include "agent/base/read_file.h"
#include "agent/base/write_all.h"

namespace nodekeep::akeyless {
namespace {

constexpr std::string_view kWhat = "universal identity, newest token";
// A token has 16 KiB at most (uid_tokens.cc).
constexpr std::size_t kMaxSealed = 64u << 10;

SecretBytes Derived(std::string_view first, std::string_view purpose) {
  return HmacSha256(SecretBytes(first), {purpose});
}

Error CannotKeep(std::string_view step, const std::string& path, int code) {
  return Error::Format(
      ErrorCode::kTransient,
      "{}: cannot be kept: {} \"{}\": {}; make it writable for the agent, or unset "
      "uidTokenDirectory",
      kWhat, step, path, std::strerror(code));
}

// Returns 0 or errno. The file is synced to disk on return.
int WriteSafely(const std::string& path, std::string_view bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return errno;
  int failed = WriteAll(fd, bytes) && fsync(fd) == 0 ? 0 : errno;
  if (close(fd) != 0 && failed == 0) failed = errno;
  return failed;
}

}  // namespace

UidTokenFile::UidTokenFile(std::string directory, std::string_view first)
    : directory_(std::move(directory)) {
  if (directory_.empty()) return;
  path_ = directory_ + "/" + Sha256Hex(Derived(first, "nodekeep uid file name").Reveal());
  key_ = Derived(first, "nodekeep uid file key");
}

Result<std::optional<SecretBytes>> UidTokenFile::Read() const {
  if (directory_.empty()) return std::optional<SecretBytes>();
  const Result<SecretBytes> sealed = ReadFile(path_, kMaxSealed);
  if (!sealed.ok()) {
    if (sealed.error().code() == ErrorCode::kNotFound) return std::optional<SecretBytes>();
    return Error::Format(ErrorCode::kPrecondition, "{}: {}", kWhat, sealed.error().message());
  }
  const auto* key = reinterpret_cast<const unsigned char*>(key_.Reveal().data());
  std::optional<SecretBytes> token =
      AesGcmOpen(key, path_.substr(directory_.size()), sealed->Reveal());
  if (!token) {
    return Error::Format(
        ErrorCode::kPrecondition,
        "{}: \"{}\" was altered or cut; the identity begins again at its first token, "
        "which must still be valid: else put a new one in its place",
        kWhat, path_);
  }
  return token;
}

Status UidTokenFile::Write(const SecretBytes& token) const {
  if (directory_.empty()) return {};
  std::error_code failed;
  std::filesystem::create_directories(directory_, failed);
  if (failed) return CannotKeep("make", directory_, failed.value());
  const auto* key = reinterpret_cast<const unsigned char*>(key_.Reveal().data());
  const SecretBytes nonce = RandomBytes(kGcmNonceSize);
  const std::string sealed =
      AesGcmSeal(key, nonce.Reveal(), path_.substr(directory_.size()), token);
  const std::string temporary = path_ + ".new";
  if (const int code = WriteSafely(temporary, sealed); code != 0) {
    (void)unlink(temporary.c_str());
    return CannotKeep("write", temporary, code);
  }
  if (rename(temporary.c_str(), path_.c_str()) != 0) return CannotKeep("rename", path_, errno);
  const int directory = open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return CannotKeep("open", directory_, errno);
  const int code = fsync(directory) == 0 ? 0 : errno;
  close(directory);
  if (code != 0) return CannotKeep("sync", directory_, code);
  return {};
}

void UidTokenFile::Remove() const {
  if (!path_.empty()) (void)unlink(path_.c_str());
}

}  // namespace nodekeep::akeyless
