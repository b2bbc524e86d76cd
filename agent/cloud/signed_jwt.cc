#include "agent/cloud/signed_jwt.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <utility>

#include "agent/base/codecs.h"

namespace nodekeep {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;

Bio Reader(const SecretBytes& pem) {
  return Bio(BIO_new_mem_buf(pem.Reveal().data(), static_cast<int>(pem.size())));
}

// Without it OpenSSL asks the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

std::string Base64UrlUnpadded(std::string_view bytes) {
  std::string text = Base64UrlEncode(bytes);
  while (text.ends_with('=')) text.pop_back();
  return text;
}

}  // namespace

Result<SecretBytes> SignJwtRs256(Json header, const Json& claims, const SecretBytes& pem) {
  const Bio reader = Reader(pem);
  const Key key(PEM_read_bio_PrivateKey(reader.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  if (key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return Error(ErrorCode::kInvalid, "the private key is no unencrypted PEM of an RSA key");
  }
  header["alg"] = "RS256";
  header["typ"] = "JWT";
  SecretBytes token(Base64UrlUnpadded(GoJson(header).Reveal()));
  token.Append("." + Base64UrlUnpadded(GoJson(claims).Reveal()));
  SecretBytes signature =
      SecretBytes::OfSize(static_cast<std::size_t>(EVP_PKEY_get_size(key.get())));
  std::size_t size = signature.size();
  const DigestContext context(EVP_MD_CTX_new());
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.MutableData()),
                     &size, reinterpret_cast<const unsigned char*>(token.Reveal().data()),
                     token.size()) != 1) {
    ERR_clear_error();
    return Error(ErrorCode::kInvalid, "the private key cannot sign");
  }
  signature.Truncate(size);
  token.Append("." + Base64UrlUnpadded(signature.Reveal()));
  return token;
}

Result<std::string> CertificateThumbprint(const SecretBytes& pem) {
  const Bio reader = Reader(pem);
  const Certificate certificate(PEM_read_bio_X509(reader.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (certificate == nullptr || X509_digest(certificate.get(), EVP_sha256(), digest, &size) != 1) {
    return Error(ErrorCode::kInvalid, "there is no PEM certificate");
  }
  return Base64UrlUnpadded({reinterpret_cast<const char*>(digest), size});
}

}  // namespace nodekeep
