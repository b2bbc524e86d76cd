#include "agent/secrets/sealer.h"

#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>

#include "agent/base/mutex.h"
#include "tests/fakes/together.h"

namespace nodekeep {
namespace {

constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;

}  // namespace

TEST_CASE("sealer: any bytes that were sealed open to the same bytes") {
  const std::string rows[] = {"", "x", std::string("\0\xff\n", 3), std::string(1 << 20, 'm')};
  auto sealer = Sealer::Create();
  for (const std::string& plain : rows) {
    INFO(plain.size() << " bytes");
    const SealedBytes sealed = sealer->Seal("entry", SecretBytes(plain));
    CHECK(sealed.bytes.size() == kNonceSize + plain.size() + kTagSize);
    auto opened = sealer->Unseal("entry", sealed);
    REQUIRE(opened.ok());
    CHECK(opened->Reveal() == plain);
  }
}

TEST_CASE("sealer: sealed bytes contain neither the plaintext nor the associated data") {
  auto sealer = Sealer::Create();
  const std::string plain = "hunter2-hunter2-hunter2";
  const SealedBytes sealed = sealer->Seal("scope and ref", SecretBytes(plain));
  for (std::size_t length = 4; length <= plain.size(); ++length) {
    CHECK(sealed.bytes.find(plain.substr(0, length)) == std::string::npos);
    CHECK(sealed.bytes.find(plain.substr(plain.size() - length)) == std::string::npos);
  }
  CHECK(sealed.bytes.find("scope") == std::string::npos);
}

TEST_CASE("sealer: equal secrets have different sealed bytes") {
  auto sealer = Sealer::Create();
  const SealedBytes a = sealer->Seal("entry", SecretBytes("same"));
  const SealedBytes b = sealer->Seal("entry", SecretBytes("same"));
  CHECK(a.bytes.substr(0, kNonceSize) != b.bytes.substr(0, kNonceSize));
  CHECK(a.bytes.substr(kNonceSize) != b.bytes.substr(kNonceSize));
}

TEST_CASE("sealer: concurrent calls never use the same nonce twice") {
  auto sealer = Sealer::Create();
  constexpr std::size_t kThreads = 8, kEach = 500;
  Mutex mutex;
  std::set<std::string> nonces;
  auto threads = RunConcurrently(kThreads, [&](std::size_t) {
    for (std::size_t i = 0; i < kEach; ++i) {
      const std::string nonce =
          sealer->Seal("entry", SecretBytes("x")).bytes.substr(0, kNonceSize);
      MutexLock lock(mutex);
      nonces.insert(nonce);
    }
  });
  threads.clear();
  CHECK(nonces.size() == kThreads * kEach);
}

TEST_CASE("sealer: a blob that was altered, truncated or moved does not open") {
  auto sealer = Sealer::Create();
  const SealedBytes good = sealer->Seal("entry", SecretBytes("secret"));
  struct Row {
    std::string name, associated;
    SealedBytes sealed;
  };
  const auto flipped = [&](std::size_t at) {
    SealedBytes bad = good;
    bad.bytes[at] = static_cast<char>(bad.bytes[at] ^ 1);
    return bad;
  };
  SealedBytes cut = good;
  cut.bytes.pop_back();
  SealedBytes other_key = good;
  other_key.key_number = 7;
  const Row rows[] = {
      {"moved to another entry", "other", good},
      {"moved to an entry of a longer name", "entry ", good},
      {"nonce altered", "entry", flipped(5)},
      {"text altered", "entry", flipped(kNonceSize)},
      {"tag altered", "entry", flipped(good.bytes.size() - 1)},
      {"cut", "entry", cut},
      {"shorter than nonce and tag", "entry", SealedBytes{"abc", good.key_number}},
      {"never sealed", "entry", SealedBytes()},
      {"of an unknown key", "entry", other_key},
      {"of key number 0", "entry", SealedBytes{good.bytes, 0}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto opened = sealer->Unseal(row.associated, row.sealed);
    REQUIRE(!opened.ok());
    CHECK(opened.error().code() == ErrorCode::kInternal);
    CHECK(opened.error().message().find("secret") == std::string::npos);
  }
  CHECK(sealer->Unseal("entry", good).ok());
}

TEST_CASE("sealer: two sealers do not share a key") {
  auto a = Sealer::Create();
  auto b = Sealer::Create();
  CHECK(!b->Unseal("entry", a->Seal("entry", SecretBytes("x"))).ok());
}

TEST_CASE("sealer: the previous key opens its blobs until ForgetPrevious") {
  auto sealer = Sealer::Create();
  const SealedBytes first = sealer->Seal("entry", SecretBytes("one"));
  CHECK(first.key_number == sealer->key_number());
  sealer->Rotate();
  CHECK(first.key_number != sealer->key_number());
  CHECK(sealer->Unseal("entry", first).ok());
  const SealedBytes second = sealer->Seal("entry", SecretBytes("two"));
  CHECK(second.key_number == sealer->key_number());
  sealer->ForgetPrevious();
  CHECK(!sealer->Unseal("entry", first).ok());
  CHECK(sealer->Unseal("entry", second).ok());
}

TEST_CASE("sealer: key_memory tells where the key is held, also after a rotation") {
  const std::set<std::string_view> kinds = {"memfd_secret", "locked memory", "plain memory"};
  auto sealer = Sealer::Create();
  CHECK(kinds.contains(sealer->key_memory()));
  sealer->Rotate();
  CHECK(kinds.contains(sealer->key_memory()));
}

}  // namespace nodekeep
