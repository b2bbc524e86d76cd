#pragma once

// Private keys: signing with the key of a login, and key pairs generated on the node, whose private
// half never leaves it. All uses of OpenSSL in this folder are here.

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep::akeyless {

// SHA-256 of `bytes` signed with the PEM private key: RSA PKCS#1 v1.5, or ECDSA in DER.
Result<SecretBytes> SignChallenge(const SecretBytes& key_pem, std::string_view bytes);

// A new key pair and what is sent to the issuer. `type`: rsa2048, rsa4096, ec256, ec384, ed25519;
// "" = rsa2048 for a certificate (every issuer accepts it), ed25519 for SSH.
struct CertificateKey {
  SecretBytes private_pem;  // PKCS#8
  std::string request_pem;  // PKCS#10, signed
};
// The subject holds `common_name` unless it is empty; `dns_names` and `uris` go into the request's
// subjectAltName.
Result<CertificateKey> MakeCertificateKey(const std::string& type, const std::string& common_name,
                                          const std::vector<std::string>& dns_names,
                                          const std::vector<std::string>& uris);
struct SshKey {
  SecretBytes private_text;  // as ssh-keygen writes it
  std::string public_text;   // "ssh-ed25519 AAAA..."
};
Result<SshKey> MakeSshKey(const std::string& type);

// End of validity of the first certificate of a PEM text, or of an OpenSSH certificate
// ("...-cert-v01@... AAAA").
Result<WallTime> PemCertificateEnd(std::string_view pem);
Result<WallTime> SshCertificateEnd(std::string_view text);

}  // namespace nodekeep::akeyless
