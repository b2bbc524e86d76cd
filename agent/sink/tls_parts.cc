#include "agent/sink/tls_parts.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/pem.h"
#include "agent/base/pkcs12.h"

namespace nodekeep {
namespace {

constexpr std::string_view kRemedy =
    "the file must be PEM, or PKCS#12 (PFX) with an empty password";

// The contents of a file as DER; the last one of several keys.
struct Parts {
  std::vector<SecretBytes> certificates;
  std::optional<SecretBytes> key;
  bool is_key_encrypted = false;
};

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Reads the blocks of a PEM file; a file without blocks is not an error.
Result<Parts> ReadPem(std::string_view content) {
  Result<std::vector<PemBlock>> blocks = ReadPemBlocks(content);
  if (!blocks.ok()) return blocks.error();
  Parts parts;
  for (PemBlock& block : *blocks) {
    if (block.label == "CERTIFICATE") {
      parts.certificates.push_back(std::move(block.der));
    } else if (block.label.ends_with("PRIVATE KEY")) {
      parts.is_key_encrypted = block.label.starts_with("ENCRYPTED") ||
                               block.header.find("ENCRYPTED") != std::string::npos;
      parts.key = std::move(block.der);
    }
  }
  return parts;
}

Result<Parts> ReadParts(std::string_view content) {
  Result<Parts> pem = ReadPem(content);
  if (!pem.ok()) return pem.error();
  if (!pem->certificates.empty() || pem->key) return pem;
  std::optional<Pkcs12Contents> pkcs12 = ReadPkcs12(content);
  if (!pkcs12) return pem;
  return Parts{std::move(pkcs12->certificates), std::move(pkcs12->key)};
}

SecretBytes PemOf(const std::vector<const SecretBytes*>& certificates) {
  const BioPtr sink(BIO_new(BIO_s_mem()));
  for (const SecretBytes* der : certificates) {
    PEM_write_bio(sink.get(), "CERTIFICATE", "", Bytes(der->Reveal()),
                  static_cast<long>(der->size()));
  }
  return WrittenTo(sink.get());
}

CertificatePtr Parsed(const SecretBytes& der) {
  const unsigned char* at = Bytes(der.Reveal());
  return CertificatePtr(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

// The certificate of `key`, its issuers, and the rest; empty if no certificate is that of `key`.
std::vector<const SecretBytes*> LeafFirst(const std::vector<SecretBytes>& certificates,
                                          const EVP_PKEY* key) {
  std::vector<CertificatePtr> parsed;
  for (const SecretBytes& der : certificates) parsed.push_back(Parsed(der));
  std::vector<bool> is_used(parsed.size());
  std::vector<const SecretBytes*> ordered;
  // The first unused certificate that `is_next` accepts, or null.
  const auto take = [&](const auto& is_next) -> X509* {
    for (std::size_t i = 0; i < parsed.size(); ++i) {
      if (is_used[i] || !parsed[i] || !is_next(parsed[i].get())) continue;
      is_used[i] = true;
      ordered.push_back(&certificates[i]);
      return parsed[i].get();
    }
    return nullptr;
  };
  X509* last = take([key](X509* one) { return EVP_PKEY_eq(X509_get0_pubkey(one), key) == 1; });
  if (last == nullptr) return {};
  while (last != nullptr) {
    last = take([last](X509* one) { return X509_check_issued(one, last) == X509_V_OK; });
  }
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    if (!is_used[i]) ordered.push_back(&certificates[i]);
  }
  return ordered;
}

bool IsAuthority(const SecretBytes& der) {
  const CertificatePtr certificate = Parsed(der);
  const bool is_authority =
      certificate && (X509_check_ca(certificate.get()) > 0 ||
                      (X509_get_extension_flags(certificate.get()) & EXFLAG_SS) != 0);
  ERR_clear_error();
  return is_authority;
}

}  // namespace

Result<SecretBytes> TlsCertificates(std::string_view content, std::string_view private_key) {
  Result<Parts> parts = ReadParts(content);
  if (!parts.ok()) return parts.error();
  if (parts->certificates.empty()) {
    return Error::Format(ErrorCode::kInvalid, "no certificate found: {}", kRemedy);
  }
  std::vector<const SecretBytes*> all;
  if (private_key.empty()) {
    for (const SecretBytes& der : parts->certificates) all.push_back(&der);
    return PemOf(all);
  }
  const KeyPtr key = ReadPemKey(private_key);
  if (key) all = LeafFirst(parts->certificates, key.get());
  ERR_clear_error();
  if (all.empty()) {
    return Error::Format(ErrorCode::kInvalid,
                         "the private key in tls.key does not fit the certificate: none of the {} "
                         "certificates has its public key; store both from one request",
                         parts->certificates.size());
  }
  return PemOf(all);
}

Result<SecretBytes> TlsPrivateKey(std::string_view content) {
  Result<Parts> parts = ReadParts(content);
  if (!parts.ok()) return parts.error();
  if (!parts->key) {
    return Error::Format(ErrorCode::kInvalid, "no private key found: {}", kRemedy);
  }
  if (parts->is_key_encrypted) {
    return Error(ErrorCode::kInvalid,
                 "the private key is encrypted: store the key without a pass phrase");
  }
  const std::string_view der = parts->key->Reveal();
  const unsigned char* at = Bytes(der);
  const KeyPtr key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size())));
  const BioPtr sink(BIO_new(BIO_s_mem()));
  bool is_written = false;
  if (key && at == Bytes(der) + der.size()) {
    const int kind = EVP_PKEY_get_base_id(key.get());
    is_written = (kind == EVP_PKEY_RSA || kind == EVP_PKEY_EC
                      ? PEM_write_bio_PrivateKey_traditional(sink.get(), key.get(), nullptr,
                                                             nullptr, 0, nullptr, nullptr)
                      : PEM_write_bio_PKCS8PrivateKey(sink.get(), key.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr)) == 1;
  }
  ERR_clear_error();
  if (!is_written) {
    return Error(ErrorCode::kInvalid,
                 "the private key cannot be read: it must be PKCS#1, PKCS#8 or SEC1");
  }
  return WrittenTo(sink.get());
}

Result<SecretBytes> TlsAuthorities(std::string_view content) {
  Result<Parts> parts = ReadParts(content);
  if (!parts.ok()) return parts.error();
  std::vector<const SecretBytes*> authorities;
  for (const SecretBytes& der : parts->certificates) {
    if (IsAuthority(der)) authorities.push_back(&der);
  }
  if (authorities.empty()) {
    return Error::Format(ErrorCode::kInvalid,
                         "no CA certificate found among {} certificates: {}; point the key at a "
                         "file that holds the CA",
                         parts->certificates.size(), kRemedy);
  }
  return PemOf(authorities);
}

}  // namespace nodekeep
