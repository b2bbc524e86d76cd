#include "agent/cloud/signed_jwt.h"

#include <string>
#include <utility>

#include "agent/base/codecs.h"
#include "agent/base/pem.h"

namespace nodekeep {
namespace {

std::string Base64UrlUnpadded(std::string_view bytes) {
  std::string text = Base64UrlEncode(bytes);
  while (text.ends_with('=')) text.pop_back();
  return text;
}

}  // namespace

Result<SecretBytes> SignJwtRs256(Json header, const Json& claims, const SecretBytes& pem) {
  const KeyPtr key = ReadPemKey(pem.Reveal());
  if (key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return Error(ErrorCode::kInvalid, "the private key is not an unencrypted RSA key in PEM");
  }
  header["alg"] = "RS256";
  header["typ"] = "JWT";
  SecretBytes token(Base64UrlUnpadded(GoJson(header).Reveal()));
  token.Append("." + Base64UrlUnpadded(GoJson(claims).Reveal()));
  Result<SecretBytes> signature = SignSha256(key.get(), token.Reveal());
  if (!signature.ok()) return signature.error();
  token.Append("." + Base64UrlUnpadded(signature->Reveal()));
  return token;
}

Result<std::string> CertificateThumbprint(const SecretBytes& pem) {
  const CertificatePtr certificate = ReadPemCertificate(pem.Reveal());
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (certificate == nullptr || X509_digest(certificate.get(), EVP_sha256(), digest, &size) != 1) {
    return Error(ErrorCode::kInvalid, "there is no PEM certificate");
  }
  return Base64UrlUnpadded({reinterpret_cast<const char*>(digest), size});
}

}  // namespace nodekeep
