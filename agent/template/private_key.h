#pragma once

// Private and public keys as Go's crypto/x509 reads and writes them: RSA, EC on the NIST curves,
// Ed25519 and X25519.
//
// Thread-safe. Clears this thread's OpenSSL error queue.

#include <string_view>

#include "agent/base/pem.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep::go {

// Whether Go's standard library has the algorithm and curve of `key`.
bool IsKnownToGo(const EVP_PKEY* key);

// PKCS#1, PKCS#8 (not encrypted) or SEC 1; null if it is none of them.
KeyPtr ParsePrivateKey(std::string_view der);

// PKCS#8 and SubjectPublicKeyInfo, DER. Empty if OpenSSL cannot encode the key.
SecretBytes Pkcs8Of(const EVP_PKEY* key);
SecretBytes PublicKeyInfoOf(const EVP_PKEY* key);

// What an i2d_ function of OpenSSL writes.
template <typename T>
SecretBytes DerOf(T* object, int (*encode)(T*, unsigned char**)) {
  unsigned char* bytes = nullptr;
  const int size = encode(object, &bytes);
  if (size <= 0) return {};
  SecretBytes der(std::string_view(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size)));
  OPENSSL_clear_free(bytes, static_cast<std::size_t>(size));
  return der;
}

}  // namespace nodekeep::go
