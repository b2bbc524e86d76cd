#pragma once

// SHA-256, HMAC-SHA-256 and random bytes, from OpenSSL.
//
// These fail only when OpenSSL itself is broken (no provider loaded, no entropy from the kernel,
// out of memory), never because of the input. Continuing would mean guessable keys or colliding
// cache keys, so such a failure prints a line to standard error and aborts the process.

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "agent/base/secret_bytes.h"

namespace nodekeep {

std::array<std::uint8_t, 32> Sha256(std::string_view bytes);
// Lower-case hex.
std::string Sha256Hex(std::string_view bytes);

// 32 bytes. The parts are concatenated: where their boundaries matter, the caller must insert
// lengths or separators.
SecretBytes HmacSha256(const SecretBytes& key, std::initializer_list<std::string_view> parts);

// From OpenSSL's generator, which is seeded by the kernel; suitable for keys.
SecretBytes RandomBytes(std::size_t count);

}  // namespace nodekeep
