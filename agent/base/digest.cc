#include "agent/base/digest.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "agent/base/codecs.h"

namespace nodekeep {
namespace {

void Require(bool ok, const char* step) {
  if (ok) return;
  char reason[256] = "no reason given";
  if (const unsigned long code = ERR_get_error(); code != 0) {
    ERR_error_string_n(code, reason, sizeof(reason));
  }
  std::fprintf(stderr, "nodekeep: OpenSSL cannot %s: %s\n", step, reason);
  std::abort();
}

// Fetched once, because a fetch takes a lock and searches the providers. Never freed, because
// threads may hash until the process exits.
EVP_MAC* Hmac() {
  static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  return hmac;
}

}  // namespace

std::array<std::uint8_t, 32> Sha256(std::string_view bytes) {
  std::array<std::uint8_t, 32> digest{};
  unsigned int size = 0;
  Require(
      EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1 &&
          size == digest.size(),
      "compute SHA-256");
  return digest;
}

std::string Sha256Hex(std::string_view bytes) {
  const std::array<std::uint8_t, 32> digest = Sha256(bytes);
  return HexEncode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

SecretBytes HmacSha256(const SecretBytes& key, std::initializer_list<std::string_view> parts) {
  constexpr const char* kStep = "compute HMAC-SHA-256";
  Require(Hmac() != nullptr, kStep);
  const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(EVP_MAC_CTX_new(Hmac()),
                                                                          &EVP_MAC_CTX_free);
  Require(context != nullptr, kStep);
  char digest_name[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
      OSSL_PARAM_construct_end()};
  // An empty key must still be a non-null pointer: null means "keep the previous key".
  const char empty = 0;
  const char* const key_bytes = key.empty() ? &empty : key.Reveal().data();
  Require(EVP_MAC_init(context.get(), reinterpret_cast<const unsigned char*>(key_bytes), key.size(),
                       params) == 1,
          kStep);
  for (std::string_view part : parts) {
    Require(EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(part.data()),
                           part.size()) == 1,
            kStep);
  }
  SecretBytes mac = SecretBytes::OfSize(32);
  std::size_t size = 0;
  Require(EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(mac.MutableData()), &size,
                        mac.size()) == 1 &&
              size == mac.size(),
          kStep);
  return mac;
}

SecretBytes RandomBytes(std::size_t count) {
  SecretBytes bytes = SecretBytes::OfSize(count);
  // RAND_bytes takes an int.
  constexpr std::size_t kPiece = 1 << 20;
  for (std::size_t done = 0; done < count; done += kPiece) {
    const std::size_t piece = count - done < kPiece ? count - done : kPiece;
    Require(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.MutableData() + done),
                       static_cast<int>(piece)) == 1,
            "generate random bytes");
  }
  return bytes;
}

}  // namespace nodekeep
