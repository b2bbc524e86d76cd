#include "agent/base/aes_gcm.h"

#include <openssl/evp.h>

#include <array>
#include <cstring>
#include <memory>

namespace nodekeep {
namespace {

constexpr std::size_t kTagSize = 16;
constexpr std::size_t kMaxPlain = 1u << 30;  // the cipher takes an int

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

// Fetched once, because a fetch takes a lock and searches the providers. Never freed, because
// threads may seal until the process exits.
const EVP_CIPHER* Aes256Gcm() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return cipher;
}

unsigned char* Bytes(char* text) { return reinterpret_cast<unsigned char*>(text); }
const unsigned char* Bytes(const char* text) {
  return reinterpret_cast<const unsigned char*>(text);
}

}  // namespace

std::string AesGcmSeal(const unsigned char* key, std::string_view nonce,
                       std::string_view associated, const SecretBytes& plain) {
  if (nonce.size() != kGcmNonceSize || plain.size() > kMaxPlain) return "";
  std::string sealed(nonce);
  sealed.resize(kGcmNonceSize + plain.size() + kTagSize);
  char* out = sealed.data() + kGcmNonceSize;
  char* tag = out + plain.size();
  Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool done =
      cipher &&
      EVP_EncryptInit_ex(cipher.get(), Aes256Gcm(), nullptr, key, Bytes(nonce.data())) == 1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &length, Bytes(associated.data()),
                        static_cast<int>(associated.size())) == 1 &&
      (plain.empty() ||
       EVP_EncryptUpdate(cipher.get(), Bytes(out), &length, Bytes(plain.Reveal().data()),
                         static_cast<int>(plain.size())) == 1) &&
      EVP_EncryptFinal_ex(cipher.get(), Bytes(tag), &length) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, tag) == 1;
  return done ? sealed : "";
}

std::optional<SecretBytes> AesGcmOpen(const unsigned char* key, std::string_view associated,
                                      std::string_view sealed) {
  if (sealed.size() < kGcmNonceSize + kTagSize) return std::nullopt;
  const std::size_t size = sealed.size() - kGcmNonceSize - kTagSize;
  const char* nonce = sealed.data();
  const char* text = nonce + kGcmNonceSize;
  SecretBytes plain = SecretBytes::OfSize(size);
  std::array<char, kTagSize> tag;
  std::memcpy(tag.data(), text + size, kTagSize);
  unsigned char rest[kTagSize];
  Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  // An empty plaintext has no buffer, and a null output buffer would mean associated data.
  const bool opened =
      cipher && EVP_DecryptInit_ex(cipher.get(), Aes256Gcm(), nullptr, key, Bytes(nonce)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &length, Bytes(associated.data()),
                        static_cast<int>(associated.size())) == 1 &&
      (size == 0 || EVP_DecryptUpdate(cipher.get(), Bytes(plain.MutableData()), &length,
                                      Bytes(text), static_cast<int>(size)) == 1) &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), rest, &length) == 1;
  if (!opened) return std::nullopt;
  return plain;
}

}  // namespace nodekeep
