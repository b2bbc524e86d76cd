#include "agent/base/pkcs12.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "agent/base/pem.h"
#include "tests/fakes/certificates.h"
#include "tests/fakes/pkcs12_file.h"

namespace nodekeep {
namespace {

// The content of the first PEM block.
std::string DerOf(const std::string& pem) {
  Result<std::vector<PemBlock>> blocks = ReadPemBlocks(pem);
  REQUIRE(blocks.ok());
  REQUIRE(!blocks->empty());
  return std::string(blocks->front().der.Reveal());
}

TEST_CASE("PKCS#12: files with an empty or no password, of current and older tools, are read") {
  const TestAuthority authority("root");
  const CertificatePair web = authority.Issue("web", {"DNS:web.test"});
  for (const bool legacy : {false, true}) {
    for (const char* password : {"", static_cast<const char*>(nullptr)}) {
      INFO((legacy ? "legacy algorithms" : "current algorithms"));
      INFO((password == nullptr ? "no password" : "empty password"));
      const std::string file = MakePkcs12File(web, authority.certificate_pem(), password, legacy);
      INFO("empty: OpenSSL's legacy provider is missing, install openssl-provider-legacy");
      REQUIRE(!file.empty());
      const std::optional<Pkcs12Contents> contents = ReadPkcs12(file);
      REQUIRE(contents);
      REQUIRE(contents->certificates.size() == 2);
      CHECK(contents->certificates[0].Reveal() == DerOf(web.certificate_pem));
      CHECK(contents->certificates[1].Reveal() == DerOf(authority.certificate_pem()));
      REQUIRE(contents->key);
      const auto* at = reinterpret_cast<const unsigned char*>(contents->key->Reveal().data());
      const KeyPtr key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(contents->key->size())));
      CHECK(EVP_PKEY_eq(key.get(), ReadPemKey(web.key_pem).get()) == 1);
    }
  }
}

TEST_CASE("PKCS#12: other files, and files with a password, are refused") {
  const TestAuthority authority("root");
  const CertificatePair web = authority.Issue("web", {"DNS:web.test"});
  const std::string locked = MakePkcs12File(web, authority.certificate_pem(), "word", false);
  REQUIRE(!locked.empty());
  CHECK_FALSE(ReadPkcs12(locked));
  CHECK_FALSE(ReadPkcs12(""));
  CHECK_FALSE(ReadPkcs12(web.certificate_pem));
  CHECK_FALSE(ReadPkcs12(std::string("\x30\x82\x01\x00\xff", 5)));
}

}  // namespace
}  // namespace nodekeep
