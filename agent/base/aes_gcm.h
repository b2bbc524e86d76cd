#pragma once

// AES-256-GCM, from OpenSSL. Thread-safe.
//
// Sealed bytes are nonce (12) | ciphertext | tag (16). `key` points to kAesKeySize bytes in memory
// chosen by the caller. `associated` is authenticated but not encrypted; opening needs the same
// bytes.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/secret_bytes.h"

namespace nodekeep {

inline constexpr std::size_t kAesKeySize = 32;
inline constexpr std::size_t kGcmNonceSize = 12;

// A nonce must not be used twice under one key. If the cipher fails, returns "", which does not
// open.
std::string AesGcmSeal(const unsigned char* key, std::string_view nonce,
                       std::string_view associated, const SecretBytes& plain);
// nullopt when the bytes were altered or truncated, or sealed with another key or other associated
// bytes.
std::optional<SecretBytes> AesGcmOpen(const unsigned char* key, std::string_view associated,
                                      std::string_view sealed);

}  // namespace nodekeep
