#pragma once

// Owning pointers for OpenSSL objects, PEM parsing that never prompts for a pass phrase on the
// terminal, and the signature that logins need.
//
// Thread-safe. Clears this thread's OpenSSL error queue, because its texts could contain parts of a
// key.

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

template <auto kFree>
struct OpenSslFree {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
template <typename T, auto kFree>
using OpenSslPtr = std::unique_ptr<T, OpenSslFree<kFree>>;

using BioPtr = OpenSslPtr<BIO, &BIO_free_all>;
using KeyPtr = OpenSslPtr<EVP_PKEY, &EVP_PKEY_free>;
using CertificatePtr = OpenSslPtr<X509, &X509_free>;

// A read-only BIO over `text`, which must outlive it.
BioPtr BioOver(std::string_view text);
// The bytes written to a memory BIO.
SecretBytes WrittenTo(BIO* memory);

// One block of a PEM file.
struct PemBlock {
  std::string label;   // "CERTIFICATE", "EC PRIVATE KEY"
  std::string header;  // lines between BEGIN and the base64, as encrypted traditional keys have
  SecretBytes der;
};

// All blocks of `text` in order; text between them is skipped. No block is not an error.
// kInvalid: a block is damaged.
Result<std::vector<PemBlock>> ReadPemBlocks(std::string_view text);

// The first private key of `pem`; null when there is none without a pass phrase.
KeyPtr ReadPemKey(std::string_view pem);
// The first certificate of `pem`, or null.
CertificatePtr ReadPemCertificate(std::string_view pem);

// Signs with SHA-256: PKCS#1 v1.5 for an RSA key, ASN.1 DER for an EC key. kInvalid: the key cannot
// sign.
Result<SecretBytes> SignSha256(EVP_PKEY* key, std::string_view bytes);

}  // namespace nodekeep
