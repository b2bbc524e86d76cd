#pragma once

// The only type that holds secret material: tokens, HTTP bodies, secret values, file contents.
//
// Owns a heap buffer that is wiped before it is released (std::string keeps short strings inside
// the object, where a wiping allocator cannot reach). Move-only; Clone makes a copy. Reveal is the
// only read access to the bytes, so a search for "Reveal(" lists every use of plaintext. No
// begin/end, no conversion, no formatter: logging one does not compile.
//
// Not thread-safe; distinct objects are independent.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace nodekeep {

class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::string_view bytes) { Append(bytes); }
  ~SecretBytes() { Wipe(); }

  SecretBytes(SecretBytes&& other) noexcept { Swap(other); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      Wipe();
      Swap(other);
    }
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  // Copies a string returned by a library, then wipes the string.
  static SecretBytes MoveFrom(std::string&& text);
  // `size` zero bytes to be filled through MutableData.
  static SecretBytes OfSize(std::size_t size);

  // Grows geometrically; an outgrown buffer is wiped before it is released.
  void Append(std::string_view bytes);
  void Reserve(std::size_t capacity);
  // Shortens to `size` bytes (at most the current size); the rest is wiped.
  void Truncate(std::size_t size);
  // Wipes and empties.
  void Wipe();

  SecretBytes Clone() const { return SecretBytes(Reveal()); }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The plaintext; valid until this object changes.
  std::string_view Reveal() const { return {buffer_.get(), size_}; }
  // size() writable bytes, for functions such as EVP_DecryptUpdate and read(2).
  char* MutableData() { return buffer_.get(); }

 private:
  void Swap(SecretBytes& other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  std::unique_ptr<char[]> buffer_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// Overwrites a string's bytes, including those stored inside the object, and empties it.
void WipeString(std::string& text);

// Compares the contents in time that depends on the sizes only.
bool ConstantTimeEqual(const SecretBytes& a, const SecretBytes& b);

}  // namespace nodekeep
