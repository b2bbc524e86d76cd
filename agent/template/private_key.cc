#include "agent/template/private_key.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/objects.h>

#include <algorithm>
#include <array>

namespace nodekeep::go {
namespace {

using Pkcs8Ptr = OpenSslPtr<PKCS8_PRIV_KEY_INFO, &PKCS8_PRIV_KEY_INFO_free>;

const unsigned char* BytesOf(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

KeyPtr ParsePkcs8(std::string_view der) {
  const unsigned char* at = BytesOf(der);
  const Pkcs8Ptr info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
  if (!info || at != BytesOf(der) + der.size()) return nullptr;
  return KeyPtr(EVP_PKCS82PKEY(info.get()));
}

KeyPtr ParseTraditional(int type, std::string_view der) {
  const unsigned char* at = BytesOf(der);
  KeyPtr key(d2i_PrivateKey(type, nullptr, &at, static_cast<long>(der.size())));
  if (!key || at != BytesOf(der) + der.size()) return nullptr;
  return key;
}

bool HasKnownCurve(const EVP_PKEY* key) {
  constexpr std::array<int, 4> kCurves = {NID_secp224r1, NID_X9_62_prime256v1, NID_secp384r1,
                                          NID_secp521r1};
  std::array<char, 64> name = {};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) != 1) return false;
  const int curve = OBJ_txt2nid(name.data());
  return std::find(kCurves.begin(), kCurves.end(), curve) != kCurves.end();
}

}  // namespace

bool IsKnownToGo(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_ED25519:
    case EVP_PKEY_X25519: return true;
    case EVP_PKEY_EC: return HasKnownCurve(key);
    default: return false;
  }
}

KeyPtr ParsePrivateKey(std::string_view der) {
  KeyPtr key = ParsePkcs8(der);
  if (!key) key = ParseTraditional(EVP_PKEY_RSA, der);
  if (!key) key = ParseTraditional(EVP_PKEY_EC, der);
  ERR_clear_error();
  if (key && !IsKnownToGo(key.get())) key = nullptr;
  return key;
}

SecretBytes Pkcs8Of(const EVP_PKEY* key) {
  const Pkcs8Ptr info(EVP_PKEY2PKCS8(key));
  ERR_clear_error();
  if (!info) return {};
  return DerOf<const PKCS8_PRIV_KEY_INFO>(info.get(), &i2d_PKCS8_PRIV_KEY_INFO);
}

SecretBytes PublicKeyInfoOf(const EVP_PKEY* key) {
  SecretBytes der = DerOf<const EVP_PKEY>(key, &i2d_PUBKEY);
  ERR_clear_error();
  return der;
}

}  // namespace nodekeep::go
