#include "tests/fakes/pkcs12_file.h"

#include <openssl/pkcs12.h>
#include <openssl/provider.h>

#include "agent/base/pem.h"

namespace nodekeep {
namespace {

using LibraryPtr = OpenSslPtr<OSSL_LIB_CTX, &OSSL_LIB_CTX_free>;
using ProviderPtr = OpenSslPtr<OSSL_PROVIDER, &OSSL_PROVIDER_unload>;
using Pkcs12Ptr = OpenSslPtr<PKCS12, &PKCS12_free>;

}  // namespace

std::string MakePkcs12File(const CertificatePair& pair, const std::string& chain_pem,
                           const char* password, bool legacy) {
  const LibraryPtr library(OSSL_LIB_CTX_new());
  const ProviderPtr current(OSSL_PROVIDER_load(library.get(), "default"));
  const ProviderPtr old(OSSL_PROVIDER_load(library.get(), "legacy"));
  if (!old) return "";
  const KeyPtr key = ReadPemKey(pair.key_pem);
  const CertificatePtr leaf = ReadPemCertificate(pair.certificate_pem);
  const CertificatePtr authority = ReadPemCertificate(chain_pem);
  STACK_OF(X509)* others = sk_X509_new_null();
  sk_X509_push(others, authority.get());
  const Pkcs12Ptr file(PKCS12_create_ex(
      password, "web", key.get(), leaf.get(), others,
      legacy ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc,
      legacy ? NID_pbe_WithSHA1And40BitRC2_CBC : NID_aes_256_cbc, 0, 0, 0, library.get(), nullptr));
  sk_X509_free(others);
  const BioPtr sink(BIO_new(BIO_s_mem()));
  i2d_PKCS12_bio(sink.get(), file.get());
  return std::string(WrittenTo(sink.get()).Reveal());
}

}  // namespace nodekeep
