#include "agent/base/pkcs12.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>

#include <memory>
#include <utility>

#include "agent/base/pem.h"

namespace nodekeep {
namespace {

using CertificateStack =
    std::unique_ptr<STACK_OF(X509),
                    decltype([](STACK_OF(X509) * stack) { sk_X509_pop_free(stack, &X509_free); })>;
using Pkcs12Ptr = OpenSslPtr<PKCS12, &PKCS12_free>;
using LibraryPtr = OpenSslPtr<OSSL_LIB_CTX, &OSSL_LIB_CTX_free>;
using ProviderPtr = OpenSslPtr<OSSL_PROVIDER, &OSSL_PROVIDER_unload>;

template <typename T>
SecretBytes DerOf(T* object, int (*encode)(const T*, unsigned char**)) {
  unsigned char* bytes = nullptr;
  const int size = encode(object, &bytes);
  if (size <= 0) return SecretBytes();
  SecretBytes der(std::string_view(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size)));
  OPENSSL_clear_free(bytes, static_cast<std::size_t>(size));
  return der;
}

}  // namespace

std::optional<Pkcs12Contents> ReadPkcs12(std::string_view content) {
  // A separate library context, so that legacy algorithms are not enabled for the whole process.
  const LibraryPtr library(OSSL_LIB_CTX_new());
  const ProviderPtr current(OSSL_PROVIDER_load(library.get(), "default"));
  // Null if not installed; files of current tools can still be read.
  const ProviderPtr legacy(OSSL_PROVIDER_load(library.get(), "legacy"));
  PKCS12* read = PKCS12_init_ex(NID_pkcs7_data, library.get(), nullptr);
  const auto* at = reinterpret_cast<const unsigned char*>(content.data());
  d2i_PKCS12(&read, &at, static_cast<long>(content.size()));
  const Pkcs12Ptr file(read);
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* chain = nullptr;
  const bool is_open = file && PKCS12_parse(file.get(), "", &key, &leaf, &chain) == 1;
  const KeyPtr key_holder(key);
  const CertificatePtr leaf_holder(leaf);
  const CertificateStack chain_holder(chain);
  Pkcs12Contents contents;
  if (is_open) {
    if (leaf != nullptr) contents.certificates.push_back(DerOf<X509>(leaf, &i2d_X509));
    for (int i = 0; i < sk_X509_num(chain); ++i) {
      contents.certificates.push_back(DerOf<X509>(sk_X509_value(chain, i), &i2d_X509));
    }
    if (key != nullptr) contents.key = DerOf<EVP_PKEY>(key, &i2d_PrivateKey);
  }
  ERR_clear_error();
  if (!is_open) return std::nullopt;
  return contents;
}

}  // namespace nodekeep
