#pragma once

#include <string>

#include "tests/fakes/certificates.h"

namespace nodekeep {

// A PKCS#12 file of `pair` and the certificate `chain_pem` of its issuer, with current algorithms
// or, `legacy`, with those of Windows and of OpenSSL 1. `password` may be null. "" when OpenSSL's
// legacy provider is missing: install openssl-provider-legacy.
std::string MakePkcs12File(const CertificatePair& pair, const std::string& chain_pem,
                           const char* password, bool legacy);

}  // namespace nodekeep
