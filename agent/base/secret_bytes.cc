#include "agent/base/secret_bytes.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>

namespace nodekeep {

SecretBytes SecretBytes::MoveFrom(std::string&& text) {
  SecretBytes bytes(text);
  WipeString(text);
  return bytes;
}

SecretBytes SecretBytes::OfSize(std::size_t size) {
  SecretBytes bytes;
  bytes.Reserve(size);
  if (size > 0) std::memset(bytes.buffer_.get(), 0, size);
  bytes.size_ = size;
  return bytes;
}

void SecretBytes::Append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (size_ + bytes.size() > capacity_) {
    // `bytes` may point into this buffer, so it is copied before the buffer is released.
    SecretBytes bigger;
    bigger.Reserve(std::max(size_ + bytes.size(), capacity_ * 2));
    bigger.Append(Reveal());
    bigger.Append(bytes);
    Swap(bigger);
    return;
  }
  std::memcpy(buffer_.get() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

void SecretBytes::Reserve(std::size_t capacity) {
  if (capacity <= capacity_) return;
  std::unique_ptr<char[]> bigger(new char[capacity]);
  if (size_ > 0) std::memcpy(bigger.get(), buffer_.get(), size_);
  if (buffer_) OPENSSL_cleanse(buffer_.get(), capacity_);
  buffer_ = std::move(bigger);
  capacity_ = capacity;
}

void SecretBytes::Truncate(std::size_t size) {
  if (size >= size_) return;
  OPENSSL_cleanse(buffer_.get() + size, size_ - size);
  size_ = size;
}

void SecretBytes::Wipe() {
  if (buffer_) OPENSSL_cleanse(buffer_.get(), capacity_);
  buffer_.reset();
  size_ = 0;
  capacity_ = 0;
}

void WipeString(std::string& text) {
  // capacity(), not size(): a string that was shortened still contains its old tail.
  text.resize(text.capacity());
  if (!text.empty()) OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

bool ConstantTimeEqual(const SecretBytes& a, const SecretBytes& b) {
  return a.size() == b.size() &&
         (a.empty() || CRYPTO_memcmp(a.Reveal().data(), b.Reveal().data(), a.size()) == 0);
}

}  // namespace nodekeep
