#include "agent/secrets/sealer.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>

#include "agent/base/aes_gcm.h"
#include "agent/base/digest.h"

namespace nodekeep {
namespace {

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447  // the same on x86-64 and arm64
#endif

// One page for one key.
class KeyPage {
 public:
  KeyPage() : size_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    if (!MapSecret()) MapLocked();
  }
  ~KeyPage() {
    OPENSSL_cleanse(memory_, size_);
    munmap(memory_, size_);
  }
  KeyPage(const KeyPage&) = delete;
  KeyPage& operator=(const KeyPage&) = delete;

  unsigned char* data() { return static_cast<unsigned char*>(memory_); }
  std::string_view kind() const { return kind_; }

 private:
  bool MapSecret() {
    const int fd = static_cast<int>(syscall(SYS_memfd_secret, O_CLOEXEC));
    if (fd < 0) return false;
    void* mapped = MAP_FAILED;
    if (ftruncate(fd, static_cast<off_t>(size_)) == 0) {
      mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    close(fd);
    if (mapped == MAP_FAILED) return false;
    memory_ = mapped;
    kind_ = "memfd_secret";
    return true;
  }

  void MapLocked() {
    memory_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();  // as for any other allocation
    madvise(memory_, size_, MADV_DONTDUMP);
    madvise(memory_, size_, MADV_WIPEONFORK);
    kind_ = mlock(memory_, size_) == 0 ? "locked memory" : "plain memory";
  }

  const std::size_t size_;
  void* memory_ = nullptr;
  std::string_view kind_;
};

// A key and its nonce counter, which never repeats a nonce under one key.
struct Key {
  explicit Key(std::uint64_t n) : number(n) {
    const SecretBytes random = RandomBytes(kAesKeySize);
    std::memcpy(page.data(), random.Reveal().data(), kAesKeySize);
  }

  const std::uint64_t number;
  KeyPage page;
  std::atomic<std::uint64_t> next_nonce = 1;
};

class AesGcmSealer final : public Sealer {
 public:
  AesGcmSealer() : current_(std::make_shared<Key>(1)) {}

  std::string_view key_memory() const override {
    std::shared_lock lock(mutex_);
    return current_->page.kind();
  }

  std::uint64_t key_number() const override {
    std::shared_lock lock(mutex_);
    return current_->number;
  }

  SealedBytes Seal(std::string_view associated, const SecretBytes& plain) override {
    const std::shared_ptr<Key> key = KeyNumbered(0);
    SealedBytes sealed;
    sealed.key_number = key->number;
    std::string nonce(kGcmNonceSize, '\0');
    const std::uint64_t count = key->next_nonce.fetch_add(1);
    std::memcpy(nonce.data() + 4, &count, sizeof(count));
    sealed.bytes = AesGcmSeal(key->page.data(), nonce, associated, plain);
    return sealed.bytes.empty() ? SealedBytes() : sealed;
  }

  Result<SecretBytes> Unseal(std::string_view associated, const SealedBytes& sealed) override {
    const std::shared_ptr<Key> key = KeyNumbered(sealed.key_number);
    if (key == nullptr || sealed.key_number == 0) {
      return Error(ErrorCode::kInternal, "a cached entry was sealed under a key that is gone");
    }
    std::optional<SecretBytes> plain = AesGcmOpen(key->page.data(), associated, sealed.bytes);
    if (!plain) return Error(ErrorCode::kInternal, "a cached entry failed its integrity check");
    return *std::move(plain);
  }

  void Rotate() override {
    std::unique_lock lock(mutex_);
    previous_ = current_;
    current_ = std::make_shared<Key>(current_->number + 1);
  }

  void ForgetPrevious() override {
    std::unique_lock lock(mutex_);
    previous_.reset();
  }

 private:
  // 0 = the current key.
  std::shared_ptr<Key> KeyNumbered(std::uint64_t number) const {
    std::shared_lock lock(mutex_);
    if (number == 0 || number == current_->number) return current_;
    if (previous_ && number == previous_->number) return previous_;
    return nullptr;
  }

  mutable std::shared_mutex mutex_;
  // Guarded by mutex_.
  std::shared_ptr<Key> current_;
  std::shared_ptr<Key> previous_;
};

}  // namespace

std::unique_ptr<Sealer> Sealer::Create() { return std::make_unique<AesGcmSealer>(); }

}  // namespace nodekeep
