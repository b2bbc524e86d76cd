#pragma once

// A JWT signed with a key of ours: proof of an application (Entra) or a service account (Google).

#include <string_view>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// RS256 over `claims`; `header` gets alg and typ. `pem` is an unencrypted RSA private key, other
// blocks beside it are skipped. Errors are kInvalid and say what is wrong with the key.
Result<SecretBytes> SignJwtRs256(Json header, const Json& claims, const SecretBytes& pem);

// SHA-256 of the DER of the first certificate in `pem`, as the JWT header x5t#S256 wants it.
// kInvalid if there is none.
Result<std::string> CertificateThumbprint(const SecretBytes& pem);

}  // namespace nodekeep
