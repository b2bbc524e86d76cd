#include "agent/base/digest.h"

#include <catch2/catch_test_macros.hpp>

#include "agent/base/codecs.h"

namespace nodekeep {
namespace {

TEST_CASE("digest: SHA-256 matches the vectors of FIPS 180") {
  CHECK(Sha256Hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Sha256Hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256Hex(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(Sha256("abc")[0] == 0xba);
}

TEST_CASE("digest: HMAC-SHA-256 matches RFC 4231, however the text is split into parts") {
  struct Row {
    std::string name, key, text, want;
  };
  const Row rows[] = {
      {"case 1", std::string(20, '\x0b'), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"case 2", "Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {"case 6", std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {"empty key and text", "", "",
       "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const SecretBytes key(row.key);
    const std::string_view text = row.text;
    const std::size_t half = text.size() / 2;
    CHECK(HexEncode(HmacSha256(key, {text}).Reveal()) == row.want);
    CHECK(HexEncode(HmacSha256(key, {text.substr(0, half), "", text.substr(half)}).Reveal()) ==
          row.want);
  }
}

TEST_CASE("digest: random bytes have the requested length and do not repeat") {
  CHECK(RandomBytes(0).empty());
  for (std::size_t size : {std::size_t{1}, std::size_t{32}, std::size_t{(1 << 20) + 7}}) {
    CHECK(RandomBytes(size).size() == size);
  }
  CHECK(RandomBytes(32).Reveal() != RandomBytes(32).Reveal());
  // The last chunk of a long request is filled too.
  const SecretBytes large = RandomBytes((1 << 20) + 64);
  CHECK(large.Reveal().substr(1 << 20) != std::string(64, '\0'));
}

}  // namespace
}  // namespace nodekeep
