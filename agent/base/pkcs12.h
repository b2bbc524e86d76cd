#pragma once

// PKCS#12 (PFX) files, as cloud stores and Windows tools hand out certificates with their keys.

#include <optional>
#include <string_view>
#include <vector>

#include "agent/base/secret_bytes.h"

namespace nodekeep {

// What such a file holds. DER, because OpenSSL's own objects must not outlive the library context
// in which the file was opened.
struct Pkcs12Contents {
  std::vector<SecretBytes> certificates;  // that of the key first, as a server needs it
  std::optional<SecretBytes> key;         // not encrypted; as i2d_PrivateKey writes it
};

// Reads a file whose password is empty or absent; nullopt when `content` is not PKCS#12 or has
// another password. Files of older tools (RC2, 3DES) need OpenSSL's legacy provider, which Debian
// installs with OpenSSL.
//
// Thread-safe. Leaves nothing in OpenSSL's error queue of this thread.
std::optional<Pkcs12Contents> ReadPkcs12(std::string_view content);

}  // namespace nodekeep
