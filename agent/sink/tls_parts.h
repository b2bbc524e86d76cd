#pragma once

// The parts of a kubernetes.io/tls Secret, extracted from the content of one file.
//
// The file is PEM, or PKCS#12 with an empty password, as in the upstream driver (see pkcs12.h for
// old algorithms).
//
// Thread-safe. Errors are kInvalid and never contain content. A result is never empty: a Secret
// with an empty PEM would make a server fail at its next restart.

#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// tls.crt: all certificates, re-encoded: the one of `private_key` (the PEM of tls.key) first, as
// servers require, then those that issued it, each followed by its issuer, then the rest in the
// order of the file. An error if no certificate belongs to the key. Without a key ("") the order is
// that of the file.
Result<SecretBytes> TlsCertificates(std::string_view content, std::string_view private_key);

// tls.key: the last private key of the file, which must not be encrypted. RSA is written as PKCS#1,
// EC as SEC1, any other kind (Ed25519...) as PKCS#8.
Result<SecretBytes> TlsPrivateKey(std::string_view content);

// ca.crt: the CA certificates of the file, and self-signed ones.
Result<SecretBytes> TlsAuthorities(std::string_view content);

}  // namespace nodekeep
