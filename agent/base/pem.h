#pragma once

// OpenSSL's objects with owners, PEM read without asking a terminal for a pass phrase, and the one
// signature that logins need.
//
// Thread-safe. Leaves nothing in OpenSSL's error queue of this thread, whose texts could contain
// parts of a key.

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

// Reads `text`, which must outlive it.
BioPtr BioOver(std::string_view text);
// What has been written into a memory BIO.
SecretBytes WrittenTo(BIO* memory);

// One block of a PEM file.
struct PemBlock {
  std::string label;   // "CERTIFICATE", "EC PRIVATE KEY"
  std::string header;  // lines between BEGIN and the base64, as encrypted traditional keys have
  SecretBytes der;
};

// All blocks of `text` in its order; what stands between them is skipped, and none is not an error.
// kInvalid: a block is damaged.
Result<std::vector<PemBlock>> ReadPemBlocks(std::string_view text);

// The first private key of `pem`; null when there is none that needs no pass phrase.
KeyPtr ReadPemKey(std::string_view pem);
// The first certificate of `pem`, or null.
CertificatePtr ReadPemCertificate(std::string_view pem);

// Over SHA-256: PKCS#1 v1.5 by an RSA key, ASN.1 DER by an EC key. kInvalid: the key cannot.
Result<SecretBytes> SignSha256(EVP_PKEY* key, std::string_view bytes);

}  // namespace nodekeep
