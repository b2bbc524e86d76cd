#include "agent/secrets/sealer.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <mutex>

#include "agent/base/digest.h"

namespace nodekeep {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;
constexpr std::size_t kMaxPlain = 1u << 30;  // the cipher takes an int

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447  // x86-64 and arm64 share the number
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
    if (memory_ == MAP_FAILED) throw std::bad_alloc();  // out of memory: as any allocation
    madvise(memory_, size_, MADV_DONTDUMP);
    madvise(memory_, size_, MADV_WIPEONFORK);
    kind_ = mlock(memory_, size_) == 0 ? "locked memory" : "plain memory";
  }

  const std::size_t size_;
  void* memory_ = nullptr;
  std::string_view kind_;
};

// A key and the nonces spent under it. Nonces are a counter, so none can repeat under one key.
struct Key {
  explicit Key(std::uint64_t n) : number(n) {
    const SecretBytes random = RandomBytes(kKeySize);
    std::memcpy(page.data(), random.Reveal().data(), kKeySize);
  }

  const std::uint64_t number;
  KeyPage page;
  std::atomic<std::uint64_t> next_nonce = 1;
};

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

// Fetching an algorithm takes a lock and a search through the providers; once is enough. Never
// freed: threads may seal until the process is gone.
const EVP_CIPHER* Aes256Gcm() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return cipher;
}

unsigned char* Bytes(char* text) { return reinterpret_cast<unsigned char*>(text); }
const unsigned char* Bytes(const char* text) {
  return reinterpret_cast<const unsigned char*>(text);
}

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
    sealed.bytes.resize(kNonceSize + plain.size() + kTagSize);
    char* nonce = sealed.bytes.data();
    const std::uint64_t count = key->next_nonce.fetch_add(1);
    std::memcpy(nonce + 4, &count, sizeof(count));

    Cipher cipher(EVP_CIPHER_CTX_new());
    int length = 0;
    char* out = nonce + kNonceSize;
    char* tag = out + plain.size();
    const bool done =
        cipher && plain.size() <= kMaxPlain &&
        EVP_EncryptInit_ex(cipher.get(), Aes256Gcm(), nullptr, key->page.data(), Bytes(nonce)) == 1 &&
        EVP_EncryptUpdate(cipher.get(), nullptr, &length, Bytes(associated.data()),
                          static_cast<int>(associated.size())) == 1 &&
        (plain.empty() ||
         EVP_EncryptUpdate(cipher.get(), Bytes(out), &length, Bytes(plain.Reveal().data()),
                           static_cast<int>(plain.size())) == 1) &&
        EVP_EncryptFinal_ex(cipher.get(), Bytes(tag), &length) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, tag) == 1;
    return done ? sealed : SealedBytes();
  }

  Result<SecretBytes> Unseal(std::string_view associated, const SealedBytes& sealed) override {
    const std::shared_ptr<Key> key = KeyNumbered(sealed.key_number);
    if (key == nullptr || sealed.key_number == 0 || sealed.bytes.size() < kNonceSize + kTagSize) {
      return Error(ErrorCode::kInternal, "a cached entry was sealed under a key that is gone");
    }
    const std::size_t size = sealed.bytes.size() - kNonceSize - kTagSize;
    const char* nonce = sealed.bytes.data();
    const char* text = nonce + kNonceSize;
    SecretBytes plain = SecretBytes::OfSize(size);

    Cipher cipher(EVP_CIPHER_CTX_new());
    int length = 0;
    std::array<char, kTagSize> tag;
    std::memcpy(tag.data(), text + size, kTagSize);
    unsigned char rest[kTagSize];
    // An empty text leaves no buffer to decrypt into, and a null one means associated data.
    const bool opened =
        cipher &&
        EVP_DecryptInit_ex(cipher.get(), Aes256Gcm(), nullptr, key->page.data(), Bytes(nonce)) == 1 &&
        EVP_DecryptUpdate(cipher.get(), nullptr, &length, Bytes(associated.data()),
                          static_cast<int>(associated.size())) == 1 &&
        (size == 0 || EVP_DecryptUpdate(cipher.get(), Bytes(plain.MutableData()), &length,
                                        Bytes(text), static_cast<int>(size)) == 1) &&
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()) == 1 &&
        EVP_DecryptFinal_ex(cipher.get(), rest, &length) == 1;
    if (!opened) {
      return Error(ErrorCode::kInternal, "a cached entry failed its integrity check");
    }
    return plain;
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
  // 0 = the current one.
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
