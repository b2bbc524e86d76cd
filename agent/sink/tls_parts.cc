#include "agent/sink/tls_parts.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/pem.h"

namespace nodekeep {
namespace {

using CertificateStack =
    std::unique_ptr<STACK_OF(X509),
                    decltype([](STACK_OF(X509) * stack) { sk_X509_pop_free(stack, &X509_free); })>;
using Pkcs12 = OpenSslPtr<PKCS12, &PKCS12_free>;
using Library = OpenSslPtr<OSSL_LIB_CTX, &OSSL_LIB_CTX_free>;
using Algorithms = OpenSslPtr<OSSL_PROVIDER, &OSSL_PROVIDER_unload>;

constexpr std::string_view kRemedy =
    "the file must be PEM, or PKCS#12 (PFX) with an empty password";

// What a file holds, as DER.
struct Parts {
  std::vector<SecretBytes> certificates;
  std::optional<SecretBytes> key;
  bool is_key_encrypted = false;
};

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

template <typename T>
SecretBytes DerOf(T* object, int (*encode)(const T*, unsigned char**)) {
  unsigned char* bytes = nullptr;
  const int size = encode(object, &bytes);
  if (size <= 0) return SecretBytes();
  SecretBytes der(std::string_view(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size)));
  OPENSSL_clear_free(bytes, static_cast<std::size_t>(size));
  return der;
}

void AddBlock(std::string_view name, std::string_view header, SecretBytes der, Parts& parts) {
  if (name == "CERTIFICATE") {
    parts.certificates.push_back(std::move(der));
  } else if (name.ends_with("PRIVATE KEY")) {
    parts.is_key_encrypted =
        name.starts_with("ENCRYPTED") || header.find("ENCRYPTED") != std::string_view::npos;
    parts.key = std::move(der);
  }
}

// The PEM blocks of `content`; none is no error.
Result<Parts> ReadPem(std::string_view content) {
  Parts parts;
  const BioPtr source = BioOver(content);
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (PEM_read_bio(source.get(), &name, &header, &data, &size) == 1) {
    AddBlock(name, header,
             SecretBytes(
                 std::string_view(reinterpret_cast<char*>(data), static_cast<std::size_t>(size))),
             parts);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, static_cast<std::size_t>(size));
  }
  const bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!is_at_end) {
    return Error(ErrorCode::kInvalid, "a PEM block is damaged (its base64 or its END line)");
  }
  return parts;
}

// PKCS#12 with an empty password; nullopt when it is none, or has another password.
std::optional<Parts> ReadPkcs12(std::string_view content) {
  const Library library(OSSL_LIB_CTX_new());
  const Algorithms current(OSSL_PROVIDER_load(library.get(), "default"));
  // Where it is not installed, the files of today's tools still open.
  const Algorithms legacy(OSSL_PROVIDER_load(library.get(), "legacy"));
  PKCS12* read = PKCS12_init_ex(NID_pkcs7_data, library.get(), nullptr);
  const unsigned char* at = Bytes(content);
  d2i_PKCS12(&read, &at, static_cast<long>(content.size()));
  const Pkcs12 file(read);
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* chain = nullptr;
  const bool is_open = file && PKCS12_parse(file.get(), "", &key, &leaf, &chain) == 1;
  const KeyPtr key_holder(key);
  const CertificatePtr leaf_holder(leaf);
  const CertificateStack chain_holder(chain);
  Parts parts;
  if (is_open) {
    // The certificate of the key first, as a server needs it.
    if (leaf != nullptr) parts.certificates.push_back(DerOf<X509>(leaf, &i2d_X509));
    for (int i = 0; i < sk_X509_num(chain); ++i) {
      parts.certificates.push_back(DerOf<X509>(sk_X509_value(chain, i), &i2d_X509));
    }
    if (key != nullptr) parts.key = DerOf<EVP_PKEY>(key, &i2d_PrivateKey);
  }
  ERR_clear_error();
  if (!is_open) return std::nullopt;
  return parts;
}

Result<Parts> ReadParts(std::string_view content) {
  Result<Parts> pem = ReadPem(content);
  if (!pem.ok()) return pem.error();
  if (!pem->certificates.empty() || pem->key) return pem;
  std::optional<Parts> pkcs12 = ReadPkcs12(content);
  if (pkcs12) return *std::move(pkcs12);
  return pem;
}

SecretBytes PemOf(const std::vector<const SecretBytes*>& certificates) {
  const BioPtr sink(BIO_new(BIO_s_mem()));
  for (const SecretBytes* der : certificates) {
    PEM_write_bio(sink.get(), "CERTIFICATE", "", Bytes(der->Reveal()),
                  static_cast<long>(der->size()));
  }
  return WrittenTo(sink.get());
}

bool IsAuthority(const SecretBytes& der) {
  const unsigned char* at = Bytes(der.Reveal());
  const CertificatePtr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  const bool is_authority =
      certificate && (X509_check_ca(certificate.get()) > 0 ||
                      (X509_get_extension_flags(certificate.get()) & EXFLAG_SS) != 0);
  ERR_clear_error();
  return is_authority;
}

}  // namespace

Result<SecretBytes> TlsCertificates(std::string_view content) {
  Result<Parts> parts = ReadParts(content);
  if (!parts.ok()) return parts.error();
  if (parts->certificates.empty()) {
    return Error::Format(ErrorCode::kInvalid, "no certificate found: {}", kRemedy);
  }
  std::vector<const SecretBytes*> all;
  for (const SecretBytes& der : parts->certificates) all.push_back(&der);
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
