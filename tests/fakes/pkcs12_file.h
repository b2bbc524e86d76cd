#pragma once

#include <string>

#include "tests/fakes/certificates.h"

namespace nodekeep {

// A PKCS#12 file of `pair` and its issuer's certificate `chain_pem`, with current algorithms or,
// if `legacy`, with those of Windows and OpenSSL 1. `password` may be null. Returns "" if OpenSSL's
// legacy provider is missing: install openssl-provider-legacy.
std::string MakePkcs12File(const CertificatePair& pair, const std::string& chain_pem,
                           const char* password, bool legacy);

}  // namespace nodekeep
