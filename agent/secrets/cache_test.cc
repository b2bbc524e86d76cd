#include "agent/secrets/cache.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <set>
#include <string>

#include "agent/base/mutex.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/together.h"

namespace nodekeep {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// A sealer with hooks that run just after a blob is sealed or just before one is opened.
class HookedSealer final : public Sealer {
 public:
  std::string_view key_memory() const override { return inner_->key_memory(); }
  std::uint64_t key_number() const override { return inner_->key_number(); }
  SealedBytes Seal(std::string_view associated, const SecretBytes& plain) override {
    {
      MutexLock lock(mutex_);
      associated_ = associated;
    }
    SealedBytes sealed = inner_->Seal(associated, plain);
    Play(after_seal);
    return sealed;
  }
  Result<SecretBytes> Unseal(std::string_view associated, const SealedBytes& sealed) override {
    Play(before_unseal);
    return inner_->Unseal(associated, sealed);
  }
  void Rotate() override { inner_->Rotate(); }
  void ForgetPrevious() override { inner_->ForgetPrevious(); }

  // Of the latest Seal.
  std::string associated() {
    MutexLock lock(mutex_);
    return associated_;
  }

  // Played once.
  std::function<void()> after_seal;
  std::function<void()> before_unseal;

 private:
  void Play(std::function<void()>& hook) {
    std::function<void()> once;
    {
      MutexLock lock(mutex_);
      once.swap(hook);
    }
    if (once) once();
  }

  Mutex mutex_;
  std::string associated_ NODEKEEP_GUARDED_BY(mutex_);
  std::unique_ptr<Sealer> inner_ = Sealer::Create();
};

struct Shelf {
  explicit Shelf(std::size_t bytes = 1 << 20) : cache(bytes, sealer, clock, metrics) {}

  FakeClock clock;
  MetricsRegistry registry;
  FetchMetrics metrics{registry};
  HookedSealer sealer;
  Cache cache;
};

EntryKey KeyOf(const std::string& path, const std::string& scope = "scope") {
  EntryKey key;
  key.scope = scope;
  key.ref.provider = "fake";
  key.ref.endpoint = "fake://backend";
  key.ref.path = path;
  return key;
}

Answer AnswerOf(const std::string& value, const std::string& version = "") {
  Answer answer;
  answer.value = SecretBytes(value);
  answer.version = version;
  return answer;
}

Answer LeaseOf(const std::string& value, const std::string& id, Duration lifetime,
               bool renewable = true) {
  Answer answer = AnswerOf(value);
  answer.lifetime = lifetime;
  answer.lease = Lease{id, lifetime, renewable};
  return answer;
}

// The value found, "(none)", or "no: <code>".
std::string Look(Cache& cache, const EntryKey& key, const Policy& policy = Policy()) {
  auto found = cache.Find(key, policy);
  if (!found) return "(none)";
  if (!found->ok()) return "no: " + std::string(ErrorCodeName(found->error().code()));
  return std::string((*found)->value->Reveal());
}

CacheHit HitOf(Cache& cache, const EntryKey& key, const Policy& policy = Policy()) {
  auto found = cache.Find(key, policy);
  REQUIRE(found);
  REQUIRE(found->ok());
  return **found;
}

}  // namespace

TEST_CASE("cache: an entry is found only under its whole key") {
  Shelf shelf;
  EntryKey stored = KeyOf("app/db");
  stored.ref.version = "3";
  stored.ref.request = "{}";
  shelf.cache.Store(stored, AnswerOf("secret"));
  struct Row {
    std::string name;
    EntryKey key;
  };
  std::vector<Row> rows(7, Row{"", stored});
  rows[0] = {"another scope", stored};
  rows[0].key.scope = "scope of another pod";
  rows[1] = {"the scope truncated", stored};
  rows[1].key.scope = "scop";
  rows[2] = {"another provider", stored};
  rows[2].key.ref.provider = "vault";
  rows[3] = {"another endpoint", stored};
  rows[3].key.ref.endpoint = "fake://backend/ns";
  rows[4] = {"another path", stored};
  rows[4].key.ref.path = "app/db2";
  rows[5] = {"another version", stored};
  rows[5].key.ref.version = "";
  rows[6] = {"another request", stored};
  rows[6].key.ref.request = "";
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Look(shelf.cache, row.key) == "(none)");
    CHECK(shelf.cache.KnownVersion(row.key).empty());
  }
  CHECK(Look(shelf.cache, stored) == "secret");
}

TEST_CASE("cache: the seal binds an entry to its version and to each part of its key") {
  EntryKey key = KeyOf("app/db");
  key.ref.version = "3";
  key.ref.request = "{}";
  std::vector<std::pair<EntryKey, std::string>> entries(9, {key, "7"});
  entries[1].first.scope += "x";
  entries[2].first.ref.provider += "x";
  entries[3].first.ref.endpoint += "x";
  entries[4].first.ref.path += "x";
  entries[5].first.ref.version += "x";
  entries[6].first.ref.request += "x";
  entries[7].second += "x";
  // The same letters, divided otherwise.
  entries[8].first.ref.path = "app/db3";
  entries[8].first.ref.version = "";
  Shelf shelf;
  std::set<std::string> texts;
  for (const auto& [each, version] : entries) {
    shelf.cache.Store(each, AnswerOf("secret", version));
    texts.insert(shelf.sealer.associated());
  }
  CHECK(texts.size() == entries.size());
}

TEST_CASE("cache: \"not found\" and values of a policy are returned up to max_age") {
  Shelf shelf;
  shelf.cache.Store(KeyOf("a"), AnswerOf("v"));
  shelf.cache.StoreFailure(KeyOf("gone"), Error(ErrorCode::kNotFound, "404"), seconds(60));
  shelf.cache.StoreFailure(KeyOf("denied"), Error(ErrorCode::kDenied, "403"), seconds(60));
  shelf.clock.Advance(seconds(5));
  struct Row {
    Duration max_age;
    bool in_time;
  };
  for (const Row& row : {Row{seconds(5) + Duration(1), true}, Row{seconds(5), false}}) {
    CHECK((*shelf.cache.Find(KeyOf("a"), Policy(), 0, row.max_age))->fresh == row.in_time);
    CHECK((*shelf.cache.Find(KeyOf("a"), Policy(), 0, row.max_age))->usable);
    CHECK(shelf.cache.Find(KeyOf("gone"), Policy(), 0, row.max_age).has_value() == row.in_time);
    CHECK(shelf.cache.Find(KeyOf("denied"), Policy(), 0, row.max_age));
  }
}

TEST_CASE("cache: an entry's age decides whether it is fresh, permanent or usable") {
  const Policy policy{.refresh_after = minutes(2), .serve_stale_for = hours(1)};
  const Policy never_stale{.refresh_after = minutes(2), .serve_stale_for = Duration::zero()};
  const Policy always_ask{.refresh_after = Duration::zero(), .serve_stale_for = hours(1)};
  const Policy short_stale{.refresh_after = minutes(10), .serve_stale_for = minutes(1)};
  Answer plain = AnswerOf("v");
  Answer immutable = AnswerOf("v");
  immutable.immutable = true;
  Answer certificate = AnswerOf("v");
  certificate.lifetime = minutes(30);
  struct Row {
    std::string name;
    const Answer& answer;
    Policy policy;
    Duration age;
    bool fresh, permanent, usable;
  };
  const Answer lease = LeaseOf("v", "lease", minutes(30));
  const Answer fixed_lease = LeaseOf("v", "lease", minutes(30), false);
  const Row rows[] = {
      {"new", plain, policy, seconds(0), true, false, true},
      {"just below the soft age", plain, policy, minutes(2) - Duration(1), true, false, true},
      {"at the soft age", plain, policy, minutes(2), false, false, true},
      {"just below the hard age", plain, policy, hours(1) - Duration(1), false, false, true},
      {"at the hard age", plain, policy, hours(1), false, false, false},
      {"never stale, young", plain, never_stale, seconds(0), true, false, true},
      {"never stale, old", plain, never_stale, minutes(3), false, false, false},
      {"read at each mount", plain, always_ask, seconds(0), false, false, true},
      {"hard age below the soft age", plain, short_stale, minutes(5), true, false, true},
      {"immutable, young", immutable, policy, seconds(0), true, true, true},
      {"immutable, past the soft age", immutable, policy, minutes(3), false, true, true},
      {"immutable, past the hard age", immutable, policy, hours(2), false, true, false},
      {"minted, past the soft age", certificate, policy, minutes(19), true, false, true},
      {"minted, at two thirds", certificate, policy, minutes(20), false, false, true},
      {"minted, at its end", certificate, policy, minutes(30), false, false, false},
      {"minted, whatever the policy", certificate, never_stale, minutes(25), false, false, true},
      {"lease kept alive, at two thirds", lease, policy, minutes(20), true, false, true},
      {"lease kept alive, at nine tenths", lease, policy, minutes(27), false, false, true},
      {"lease that cannot be renewed, at two thirds", fixed_lease, policy, minutes(20), false,
       false, true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Shelf shelf;
    shelf.cache.Store(KeyOf("a"), row.answer);
    shelf.clock.Advance(row.age);
    const CacheHit hit = HitOf(shelf.cache, KeyOf("a"), row.policy);
    CHECK(hit.age == row.age);
    CHECK(hit.fresh == row.fresh);
    CHECK(hit.permanent == row.permanent);
    CHECK(hit.usable == row.usable);
  }
}

TEST_CASE("cache: jumps of the wall clock have no effect") {
  for (const Duration jump : {Duration(hours(24 * 365)), Duration(-hours(24 * 365))}) {
    Shelf shelf;
    shelf.cache.Store(KeyOf("a"), AnswerOf("v"));
    shelf.cache.StoreFailure(KeyOf("b"), Error(ErrorCode::kDenied, "no"), seconds(10));
    shelf.clock.JumpWall(jump);
    CHECK(HitOf(shelf.cache, KeyOf("a")).fresh);
    CHECK(HitOf(shelf.cache, KeyOf("a")).age == Duration::zero());
    CHECK(Look(shelf.cache, KeyOf("b")) == "no: denied");
  }
}

TEST_CASE("cache: Confirm restarts the age of the cached version, and refuses any other") {
  Shelf shelf;
  shelf.cache.Store(KeyOf("a"), AnswerOf("v", "7"));
  CHECK(shelf.cache.KnownVersion(KeyOf("a")) == "7");
  shelf.clock.Advance(minutes(5));
  CHECK(!shelf.cache.Confirm(KeyOf("a"), "6"));
  CHECK(!HitOf(shelf.cache, KeyOf("a")).fresh);
  CHECK(shelf.cache.Confirm(KeyOf("a"), "7"));
  CHECK(HitOf(shelf.cache, KeyOf("a")).fresh);
  CHECK(!shelf.cache.Confirm(KeyOf("b"), "7"));
}

TEST_CASE("cache: a minted answer has no version to confirm") {
  Shelf shelf;
  Answer answer = AnswerOf("v", "7");
  answer.lifetime = minutes(30);
  shelf.cache.Store(KeyOf("a"), answer);
  CHECK(shelf.cache.KnownVersion(KeyOf("a")).empty());
  shelf.clock.Advance(minutes(29));
  CHECK(!shelf.cache.Confirm(KeyOf("a"), "7"));
  CHECK(!HitOf(shelf.cache, KeyOf("a")).fresh);
}

TEST_CASE("cache: a negative entry replaces the value until it expires") {
  Shelf shelf;
  shelf.cache.Store(KeyOf("a"), AnswerOf("v", "1"));
  shelf.cache.StoreFailure(KeyOf("a"), Error(ErrorCode::kNotFound, "gone"), seconds(10));
  CHECK(Look(shelf.cache, KeyOf("a")) == "no: not_found");
  CHECK(shelf.cache.KnownVersion(KeyOf("a")).empty());
  CHECK(!shelf.cache.Confirm(KeyOf("a"), "1"));
  shelf.clock.Advance(seconds(10) - Duration(1));
  CHECK(Look(shelf.cache, KeyOf("a")) == "no: not_found");
  shelf.clock.Advance(Duration(1));
  CHECK(Look(shelf.cache, KeyOf("a")) == "(none)");
  CHECK(shelf.cache.List().empty());
  CHECK(shelf.cache.bytes() == 0);
}

TEST_CASE("cache: a negative entry for one login removes the value for all, but applies to one") {
  Shelf shelf;
  shelf.cache.Store(KeyOf("a"), AnswerOf("v"));
  shelf.cache.StoreFailure(KeyOf("a"), Error(ErrorCode::kDenied, "no"), seconds(10), 7);
  CHECK(Look(shelf.cache, KeyOf("a")) == "(none)");
  CHECK(!shelf.cache.Find(KeyOf("a"), Policy(), 8));
  auto refused = shelf.cache.Find(KeyOf("a"), Policy(), 7);
  REQUIRE(refused);
  CHECK(!refused->ok());
  shelf.clock.Advance(seconds(10));
  CHECK(!shelf.cache.Find(KeyOf("a"), Policy(), 7));
}

TEST_CASE("cache: a new value replaces a negative entry") {
  Shelf shelf;
  shelf.cache.StoreFailure(KeyOf("a"), Error(ErrorCode::kDenied, "no"), hours(1));
  shelf.cache.Store(KeyOf("a"), AnswerOf("v"));
  CHECK(Look(shelf.cache, KeyOf("a")) == "v");
}

TEST_CASE("cache: Expire forces a new read but keeps the value; minted entries are unaffected") {
  Shelf shelf;
  shelf.cache.Store(KeyOf("a"), AnswerOf("v"));
  Answer immutable = AnswerOf("v");
  immutable.immutable = true;
  shelf.cache.Store(KeyOf("i"), immutable);
  shelf.cache.Store(KeyOf("m"), LeaseOf("v", "lease", hours(1)));
  shelf.cache.StoreFailure(KeyOf("n"), Error(ErrorCode::kDenied, "no"), hours(1));
  for (const char* path : {"a", "i", "m", "n", "absent"}) shelf.cache.Expire(KeyOf(path));
  CHECK(!HitOf(shelf.cache, KeyOf("a")).fresh);
  CHECK(HitOf(shelf.cache, KeyOf("a")).usable);
  CHECK(!HitOf(shelf.cache, KeyOf("i")).permanent);
  CHECK(HitOf(shelf.cache, KeyOf("m")).fresh);
  CHECK(Look(shelf.cache, KeyOf("n")) == "(none)");
}

TEST_CASE("cache: lease operations affect only the answer that came with the lease") {
  struct Row {
    std::string name, lease;
    bool moved;
  };
  const Row rows[] = {{"its own lease", "l.2", true}, {"the one before", "l.1", false}};
  for (const Row& row : rows) {
    INFO(row.name);
    Shelf shelf;
    shelf.cache.Store(KeyOf("a"), LeaseOf("old", "l.1", hours(1)));
    shelf.cache.Store(KeyOf("a"), LeaseOf("new", "l.2", hours(1)));
    CHECK(HitOf(shelf.cache, KeyOf("a")).lease == "l.2");

    shelf.clock.Advance(minutes(58));
    shelf.cache.ExtendLease(KeyOf("a"), row.lease, hours(1));
    CHECK(HitOf(shelf.cache, KeyOf("a")).fresh == row.moved);

    shelf.cache.ExtendLease(KeyOf("a"), "l.2", hours(1));
    shelf.cache.ExpireLease(KeyOf("a"), row.lease);
    CHECK(HitOf(shelf.cache, KeyOf("a")).fresh == !row.moved);

    shelf.cache.EvictLease(KeyOf("a"), row.lease);
    CHECK(Look(shelf.cache, KeyOf("a")) == (row.moved ? "(none)" : "new"));
  }
}

TEST_CASE("cache: EvictScope removes all entries of that scope and no others") {
  Shelf shelf;
  for (const char* scope : {"pod", "pod 1", "pod 1 more", "pod 2"}) {
    shelf.cache.Store(KeyOf("a", scope), AnswerOf(scope));
    shelf.cache.Store(KeyOf("b", scope), AnswerOf(scope));
  }
  shelf.cache.EvictScope("pod 1");
  CHECK(shelf.cache.List().size() == 6);
  CHECK(Look(shelf.cache, KeyOf("a", "pod 1")) == "(none)");
  CHECK(Look(shelf.cache, KeyOf("b", "pod 1")) == "(none)");
  CHECK(Look(shelf.cache, KeyOf("b", "pod 1 more")) == "pod 1 more");
  CHECK(Look(shelf.cache, KeyOf("a", "pod")) == "pod");
}

TEST_CASE("cache: the least recently used entry is evicted first") {
  Shelf shelf(10'000);
  const std::string value(1000, 'v');
  for (int i = 0; i < 6; ++i) shelf.cache.Store(KeyOf("k" + std::to_string(i)), AnswerOf(value));
  REQUIRE(shelf.cache.List().size() == 6);
  CHECK(Look(shelf.cache, KeyOf("k0")) == value);  // used: k1 is now least recently used
  shelf.cache.Store(KeyOf("k6"), AnswerOf(value));
  CHECK(shelf.cache.bytes() <= 10'000);
  CHECK(Look(shelf.cache, KeyOf("k1")) == "(none)");
  CHECK(Look(shelf.cache, KeyOf("k0")) == value);
  CHECK(Look(shelf.cache, KeyOf("k6")) == value);
}

TEST_CASE("cache: a namespace that fills it displaces its own entries, not those of others") {
  Shelf shelf(100'000);
  const std::string value(1000, 'v');
  for (int i = 0; i < 10; ++i) {
    shelf.cache.Store(KeyOf("q" + std::to_string(i), "quiet"), AnswerOf(value), "quiet");
  }
  for (int i = 0; i < 1000; ++i) {
    const EntryKey key = KeyOf("g" + std::to_string(i), "greedy");
    if (i % 2 == 0) {
      shelf.cache.Store(key, AnswerOf(value), "greedy");
    } else {
      shelf.cache.StoreFailure(key, Error(ErrorCode::kNotFound, value), hours(1), 0, "greedy");
    }
  }
  for (int i = 0; i < 10; ++i) {
    CHECK(Look(shelf.cache, KeyOf("q" + std::to_string(i), "quiet")) == value);
  }
  INFO("it has all that the others leave");
  CHECK(shelf.cache.bytes() > 95'000);
}

TEST_CASE("cache: its size never exceeds max_bytes, however many or large the entries") {
  constexpr std::size_t kBudget = 50'000;
  Shelf shelf(kBudget);
  for (int i = 0; i < 2000; ++i) {
    const EntryKey key = KeyOf(std::to_string(i), "scope " + std::to_string(i % 7));
    if (i % 3 == 0) {
      shelf.cache.StoreFailure(key, Error(ErrorCode::kNotFound, std::string(i % 977, 'e')),
                               hours(1));
    } else {
      shelf.cache.Store(key, AnswerOf(std::string(static_cast<std::size_t>(i * 37 % 9000), 'v')));
    }
    REQUIRE(shelf.cache.bytes() <= kBudget);
  }
  CHECK(shelf.cache.bytes() > kBudget / 2);
}

TEST_CASE("cache: an answer larger than max_bytes is not stored, and its old value is removed") {
  Shelf shelf(5000);
  shelf.cache.Store(KeyOf("other"), AnswerOf("small"));
  shelf.cache.Store(KeyOf("a"), AnswerOf("small"));
  shelf.cache.Store(KeyOf("a"), AnswerOf(std::string(6000, 'v')));
  CHECK(Look(shelf.cache, KeyOf("a")) == "(none)");
  CHECK(Look(shelf.cache, KeyOf("other")) == "small");
}

TEST_CASE("cache: a smaller max_bytes takes effect at once") {
  Shelf shelf(100'000);
  for (int i = 0; i < 20; ++i) shelf.cache.Store(KeyOf(std::to_string(i)), AnswerOf("v"));
  shelf.cache.SetMaxBytes(2000);
  CHECK(shelf.cache.max_bytes() == 2000);
  CHECK(shelf.cache.bytes() <= 2000);
  CHECK(!shelf.cache.List().empty());
}

TEST_CASE("cache: Flush removes all entries and returns their number") {
  Shelf shelf;
  shelf.cache.Store(KeyOf("a"), AnswerOf("v"));
  shelf.cache.StoreFailure(KeyOf("b"), Error(ErrorCode::kDenied, "no"), hours(1));
  CHECK(shelf.cache.Flush() == 2);
  CHECK(shelf.cache.bytes() == 0);
  CHECK(Look(shelf.cache, KeyOf("a")) == "(none)");
  shelf.cache.Store(KeyOf("a"), AnswerOf("again"));
  CHECK(Look(shelf.cache, KeyOf("a")) == "again");
}

TEST_CASE("cache: List shows names, ages and states, never a value") {
  Shelf shelf;
  shelf.cache.Store(KeyOf("a"), AnswerOf("v", "7"));
  shelf.cache.Store(KeyOf("b"), LeaseOf("v", "lease", hours(1)));
  shelf.cache.StoreFailure(KeyOf("c"), Error(ErrorCode::kDenied, "no"), hours(1));
  shelf.cache.Expire(KeyOf("a"));
  shelf.clock.Advance(seconds(5));
  const std::vector<EntryInfo> list = shelf.cache.List();
  REQUIRE(list.size() == 3);
  CHECK(list[0].key == KeyOf("a"));
  CHECK(list[0].version == "7");
  CHECK(list[0].age == seconds(5));
  CHECK(list[0].expired);
  CHECK(!list[0].minted);
  CHECK(list[1].minted);
  CHECK(list[2].failure == ErrorCode::kDenied);
  CHECK(list[0].bytes + list[1].bytes + list[2].bytes == shelf.cache.bytes());
}

TEST_CASE("cache: rotating the key keeps every entry and its age") {
  Shelf shelf;
  for (int i = 0; i < 50; ++i) {
    shelf.cache.Store(KeyOf(std::to_string(i)), AnswerOf("v" + std::to_string(i), "1"));
  }
  shelf.cache.StoreFailure(KeyOf("no"), Error(ErrorCode::kDenied, "no"), hours(1));
  shelf.clock.Advance(seconds(30));
  const std::size_t bytes = shelf.cache.bytes();
  const std::uint64_t key = shelf.sealer.key_number();
  for (int round = 0; round < 3; ++round) shelf.cache.RotateKey();
  CHECK(shelf.sealer.key_number() == key + 3);
  CHECK(shelf.cache.bytes() == bytes);
  for (int i = 0; i < 50; ++i) {
    CHECK(Look(shelf.cache, KeyOf(std::to_string(i))) == "v" + std::to_string(i));
    CHECK(HitOf(shelf.cache, KeyOf(std::to_string(i))).age == seconds(30));
  }
  CHECK(Look(shelf.cache, KeyOf("no")) == "no: denied");
}

TEST_CASE("cache: an entry survives a key rotation during its Find or Store") {
  struct Row {
    std::string name;
    std::function<void(HookedSealer&, std::function<void()>)> arm;
  };
  const Row rows[] = {
      {"between the look and the opening",
       [](HookedSealer& sealer, std::function<void()> rotate) { sealer.before_unseal = rotate; }},
      {"between the sealing and the storing",
       [](HookedSealer& sealer, std::function<void()> rotate) { sealer.after_seal = rotate; }},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Shelf shelf;
    shelf.cache.Store(KeyOf("old"), AnswerOf("old value"));
    row.arm(shelf.sealer, [&] { shelf.cache.RotateKey(); });
    shelf.cache.Store(KeyOf("new"), AnswerOf("new value"));
    CHECK(Look(shelf.cache, KeyOf("old")) == "old value");
    CHECK(Look(shelf.cache, KeyOf("new")) == "new value");
    CHECK(shelf.sealer.key_number() == 2);
  }
}

TEST_CASE("cache: an entry that does not open is evicted, not served") {
  Shelf shelf;
  shelf.cache.Store(KeyOf("a"), AnswerOf("v"));
  // Rotates without the cache, so that its blobs are sealed under a key that no longer exists.
  shelf.sealer.Rotate();
  shelf.sealer.ForgetPrevious();
  CHECK(Look(shelf.cache, KeyOf("a")) == "(none)");
  CHECK(shelf.cache.List().empty());
  CHECK(shelf.cache.bytes() == 0);
}

TEST_CASE("cache: concurrent reads, writes, evictions and rotations lose and mix up nothing") {
  Shelf shelf;
  constexpr int kKeys = 8, kRounds = 300;
  for (int i = 0; i < kKeys; ++i) {
    shelf.cache.Store(KeyOf(std::to_string(i)), AnswerOf("value of " + std::to_string(i)));
  }
  std::atomic<int> wrong = 0, lost = 0;
  auto threads = RunConcurrently(6, [&](std::size_t thread) {
    for (int round = 0; round < kRounds; ++round) {
      const std::string path = std::to_string(round % kKeys);
      if (thread == 0) {
        shelf.cache.RotateKey();
      } else if (thread == 1) {
        shelf.cache.Store(KeyOf(path), AnswerOf("value of " + path));
      } else if (thread == 2) {
        shelf.cache.Store(KeyOf(path, "other"), AnswerOf("of the other"));
        shelf.cache.EvictScope("other");
      } else {
        const std::string got = Look(shelf.cache, KeyOf(path));
        if (got == "(none)") {
          ++lost;
        } else if (got != "value of " + path) {
          ++wrong;
        }
      }
    }
  });
  threads.clear();
  CHECK(wrong == 0);
  CHECK(lost == 0);
}

}  // namespace nodekeep
