#pragma once

// A JWT signed with our private key: proves an application (Entra) or a service account (Google).

#include <string_view>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// Signs `claims` with RS256; adds alg and typ to `header`. `pem` contains an unencrypted RSA
// private key; other PEM blocks are skipped. Errors are kInvalid and say what is wrong with the
// key.
Result<SecretBytes> SignJwtRs256(Json header, const Json& claims, const SecretBytes& pem);

// SHA-256 of the DER of the first certificate in `pem`, in the format of the JWT header x5t#S256.
// kInvalid if there is none.
Result<std::string> CertificateThumbprint(const SecretBytes& pem);

}  // namespace nodekeep
