#pragma once

// Encrypts (seals) secrets in memory: AES-256-GCM with a random key of this process.
//
// The key is held in memory from memfd_secret(2), which the kernel maps for this process only, or
// without it in locked pages, which are excluded from core dumps and wiped in child processes.
// `associated` binds a sealed blob to its scope, ref and version: a blob moved to another entry
// does not open. Rotate replaces the key; a blob opens only with the key that sealed it, so the
// caller must re-seal during the rotation (Cache::RotateKey).
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
  // Where keys are held: "memfd_secret" or "locked memory"; "plain memory" if neither is allowed,
  // which `status` shows and the log warns about.
  static std::unique_ptr<Sealer> Create();
  virtual ~Sealer() = default;

  virtual std::string_view key_memory() const = 0;
  // Number of the key that Seal uses; increases with every rotation.
  virtual std::uint64_t key_number() const = 0;
  // Returns an empty blob, which does not open, if the cipher fails.
  virtual SealedBytes Seal(std::string_view associated, const SecretBytes& plain) = 0;
  // Errors: kInternal if the blob was altered or moved, or its key no longer exists.
  virtual Result<SecretBytes> Unseal(std::string_view associated, const SealedBytes& sealed) = 0;

  // Creates a new current key and keeps the previous one until ForgetPrevious.
  virtual void Rotate() = 0;
  virtual void ForgetPrevious() = 0;
};

}  // namespace nodekeep
