#pragma once

// PKCS#12 (PFX) files, the format in which cloud stores and Windows tools export certificates with
// their keys.

#include <optional>
#include <string_view>
#include <vector>

#include "agent/base/secret_bytes.h"

namespace nodekeep {

// The contents as DER, because OpenSSL objects must not outlive the library context in which the
// file was opened.
struct Pkcs12Contents {
  std::vector<SecretBytes> certificates;  // the key's certificate first, as a server needs it
  std::optional<SecretBytes> key;         // not encrypted; as i2d_PrivateKey writes it
};

// Parses a file whose password is empty or absent; nullopt when `content` is not PKCS#12 or has
// another password. Files of older tools (RC2, 3DES) need OpenSSL's legacy provider, which Debian
// installs with OpenSSL.
//
// Thread-safe. Clears this thread's OpenSSL error queue.
std::optional<Pkcs12Contents> ReadPkcs12(std::string_view content);

}  // namespace nodekeep
