#pragma once

// New keys and certificates as sprig makes them.
//
// Thread-safe. Clears this thread's OpenSSL error queue.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/pem.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/template/call.h"

namespace nodekeep::go {

// `type`: "" or rsa (4096 bits), dsa, ecdsa (P-256), ed25519.
Result<SecretBytes> MakeKeyPem(std::string_view type);
Result<KeyPtr> MakeRsaKey(int bits);

// A private key: RSA as PKCS#1, EC as SEC 1, others as PKCS#8.
SecretBytes KeyPemOf(const EVP_PKEY* key);
// Errors: kInvalid with sprig's text.
Result<KeyPtr> ParseKeyPem(std::string_view pem);

// The 4 or 16 bytes of an address; nullopt if it is none.
std::optional<std::string> ParseIp(const std::string& text);

struct CertificateRequest {
  std::string name;
  std::vector<std::string> addresses;  // 4 or 16 bytes each
  std::vector<std::string> dns_names;
  std::int64_t not_before = 0;  // seconds since 1970
  std::int64_t not_after = 0;
  SecretBytes serial;
  bool is_ca = false;
};
// For the name, from now on, with a random serial number.
CertificateRequest RequestFor(const Call& call, std::string_view name, std::int64_t days);

struct Issuer {
  const X509* certificate = nullptr;  // null: the certificate is self-signed
  EVP_PKEY* key = nullptr;
};
// DER. Errors: kInvalid.
Result<SecretBytes> IssueCertificate(const CertificateRequest& request, EVP_PKEY* key,
                                     const Issuer& issuer);

}  // namespace nodekeep::go
