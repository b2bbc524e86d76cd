#pragma once

// PKCS#12 files as upstream reads and writes them: with the rules of the Go package go-pkcs12,
// which do not go by which certificate belongs to the key.
//
// Thread-safe. Clears this thread's OpenSSL error queue.

#include <span>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/template/call.h"

namespace nodekeep::go {

struct Pkcs12File {
  std::vector<SecretBytes> certificates;  // DER, in the order of the file; at least one
  SecretBytes key;                        // PKCS#8, DER
};

// Files of older tools (RC2, 3DES) need OpenSSL's legacy provider. Errors: kInvalid with the texts
// of go-pkcs12; kTooLarge: the key derivation takes too many iterations.
Result<Pkcs12File> DecodePkcs12(Call& call, std::string_view content, std::string_view password);

// The profile "Modern": AES-256-CBC, PBKDF2 and MAC with SHA-256, 2048 iterations.
// `certificates`: DER; the first is the key's. `key`: PKCS#8. Errors: kInvalid, kTooLarge.
Result<SecretBytes> EncodePkcs12(Call& call, std::span<const SecretBytes> certificates,
                                 std::string_view key, std::string_view password);

// A trust store of Java: each certificate is trusted for every use, its name is its subject.
Result<SecretBytes> EncodeTrustStore(Call& call, std::span<const SecretBytes> certificates,
                                     std::string_view password);

}  // namespace nodekeep::go
