#pragma once

// Private keys: those that prove an identity, and those that are made on the node and never leave
// it. All of OpenSSL in this folder is here.

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep::akeyless {

// SHA-256 of `bytes` signed with the PEM private key: RSA PKCS#1 v1.5, or ECDSA in DER.
Result<SecretBytes> SignChallenge(const SecretBytes& key_pem, std::string_view bytes);

// A new key pair with what an issuer is sent of it. `type`: rsa2048, rsa4096, ec256, ec384,
// ed25519;
// "" = rsa2048 for a certificate (every issuer takes it), ed25519 for SSH.
struct CertificateKey {
  SecretBytes private_pem;  // PKCS#8
  std::string request_pem;  // PKCS#10, signed
};
// The subject has `common_name`, when there is one; `dns_names` and `uris` go into the request's
// subjectAltName.
Result<CertificateKey> MakeCertificateKey(const std::string& type, const std::string& common_name,
                                          const std::vector<std::string>& dns_names,
                                          const std::vector<std::string>& uris);
struct SshKey {
  SecretBytes private_text;  // as ssh-keygen writes it
  std::string public_text;   // "ssh-ed25519 AAAA..."
};
Result<SshKey> MakeSshKey(const std::string& type);

// When a certificate ends: the first one of a PEM text, or an OpenSSH one ("...-cert-v01@...
// AAAA").
Result<WallTime> PemCertificateEnd(std::string_view pem);
Result<WallTime> SshCertificateEnd(std::string_view text);

}  // namespace nodekeep::akeyless
