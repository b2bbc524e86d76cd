#pragma once

// Seals secrets for their time in memory: AES-256-GCM under a random key of this process.
//
// The key lives in memory from memfd_secret(2), which the kernel maps for this process alone, or,
// where the kernel has none, in locked pages that are left out of core dumps and wiped in children.
// `associated` binds a sealed blob to what it is (scope, ref, version): a blob moved to another key
// does not open. Rotate replaces the key; a blob sealed before it opens with no key but its own, so
// the caller re-seals within the rotation (Cache::RotateKey).
//
// Thread-safe.

#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// nonce (12) | ciphertext | tag (16)
struct SealedBytes {
  std::string bytes;
  std::uint64_t key_number = 0;
};

class Sealer {
 public:
  // Where keys are kept: "memfd_secret" or "locked memory"; "plain memory" when neither is allowed,
  // which `status` shows and the log warns about.
  static std::unique_ptr<Sealer> Create();
  virtual ~Sealer() = default;

  virtual std::string_view key_memory() const = 0;
  // Of the key that Seal uses now; grows with every rotation.
  virtual std::uint64_t key_number() const = 0;
  // An empty blob, which does not open, should the cipher fail.
  virtual SealedBytes Seal(std::string_view associated, const SecretBytes& plain) = 0;
  // Errors: kInternal when the blob was altered, moved, or sealed under a key that is gone.
  virtual Result<SecretBytes> Unseal(std::string_view associated, const SealedBytes& sealed) = 0;

  // Makes a new current key and keeps the one before it until ForgetPrevious.
  virtual void Rotate() = 0;
  virtual void ForgetPrevious() = 0;
};

}  // namespace nodekeep
