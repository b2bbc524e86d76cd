#include "agent/base/aes_gcm.h"

#include <catch2/catch_test_macros.hpp>

#include "agent/base/codecs.h"

namespace nodekeep {
namespace {

std::string Hex(std::string_view text) { return std::string(HexDecode(text)->Reveal()); }
const unsigned char* KeyOf(const std::string& key) {
  return reinterpret_cast<const unsigned char*>(key.data());
}

TEST_CASE("aes-gcm: test vectors of the GCM specification") {
  // The GCM specification of McGrew and Viega, test cases 13, 14 and 16.
  struct Row {
    std::string name, key, nonce, associated, plain, sealed;
  };
  const std::string zeros(64, '0');
  const Row rows[] = {
      {"nothing", zeros, "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
      {"one block", zeros, "000000000000000000000000", "", "00000000000000000000000000000000",
       "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
      {"with associated bytes", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
       "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
       "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24"
       "49a6b525b16aedf5aa0de657ba637b39",
       "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b10"
       "56828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const std::string key = Hex(row.key);
    const std::string nonce = Hex(row.nonce);
    const std::string sealed =
        AesGcmSeal(KeyOf(key), nonce, Hex(row.associated), SecretBytes(Hex(row.plain)));
    CHECK(sealed == nonce + Hex(row.sealed));
    const auto opened = AesGcmOpen(KeyOf(key), Hex(row.associated), sealed);
    REQUIRE(opened);
    CHECK(opened->Reveal() == Hex(row.plain));
  }
}

TEST_CASE("aes-gcm: altered, truncated or moved bytes do not open") {
  const std::string key(kAesKeySize, 'k');
  const std::string nonce(kGcmNonceSize, 'n');
  const std::string sealed = AesGcmSeal(KeyOf(key), nonce, "place", SecretBytes("value"));
  REQUIRE(AesGcmOpen(KeyOf(key), "place", sealed));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string altered = sealed;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    INFO(i);
    CHECK_FALSE(AesGcmOpen(KeyOf(key), "place", altered));
    CHECK_FALSE(AesGcmOpen(KeyOf(key), "place", std::string_view(sealed).substr(0, i)));
  }
  CHECK_FALSE(AesGcmOpen(KeyOf(key), "elsewhere", sealed));
  CHECK_FALSE(AesGcmOpen(KeyOf(std::string(kAesKeySize, 'K')), "place", sealed));
  CHECK(AesGcmSeal(KeyOf(key), "short", "", SecretBytes("value")).empty());
}

}  // namespace
}  // namespace nodekeep
