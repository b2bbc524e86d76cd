#include "providers/dev/store.h"

#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "tests/fakes/temp_dir.h"

namespace nodekeep::dev {
namespace {

using namespace std::chrono_literals;

struct Bed {
  TempDir dir;
  Logger log{LogLevel::kOff, LogFormat::kText};

  std::unique_ptr<DevStore> Open(const std::string& name) {
    return std::make_unique<DevStore>(dir / name, SecretBytes("key"), log);
  }
};

std::string Text(const Result<StoreAnswer>& answer) {
  if (answer.ok()) return std::string(answer->value.Reveal());
  return "(" + std::string(ErrorCodeName(answer.error().code())) + ")";
}

std::string Read(const DevStore& store, const std::string& name, const std::string& version = "",
                 const std::string& account = "shop/cart") {
  return Text(store.Read(name, version, account, ""));
}

// Waits until `name` reads `want`; the watching thread may need more than one load.
bool Becomes(const DevStore& store, const std::string& name, const std::string& want) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (std::chrono::steady_clock::now() < end) {
    const std::uint64_t seen = store.loads();
    if (Read(store, name) == want) return true;
    (void)store.AwaitLoad(seen, 1s);
  }
  return false;
}

}  // namespace

TEST_CASE("dev store: every way to change a file is picked up") {
  Bed bed;
  bed.dir.Write("store.yaml", "secrets: {a: one}\n");
  auto store = bed.Open("store.yaml");
  REQUIRE(Read(*store, "a") == "one");
  SECTION("written in place") { bed.dir.Write("store.yaml", "secrets: {a: two}\n"); }
  SECTION("replaced by a rename") { bed.dir.Replace("store.yaml", "secrets: {a: two}\n"); }
  SECTION("deleted and created") {
    std::filesystem::remove(bed.dir / "store.yaml");
    bed.dir.Write("store.yaml", "secrets: {a: two}\n");
  }
  CHECK(Becomes(*store, "a", "two"));
}

TEST_CASE("dev store: a store that does not exist is picked up once it appears") {
  Bed bed;
  auto store = bed.Open("later/deep/store.yaml");
  Result<StoreAnswer> missing = store->Read("a", "", "shop/cart", "");
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code() == ErrorCode::kTransient);
  CHECK(missing.error().message() == "dev store \"" + bed.dir.path() +
                                         "/later/deep/store.yaml\" does not exist: create it, or "
                                         "set dev.path");
  bed.dir.Write("later/deep/store.yaml", "secrets: {a: here}\n");
  CHECK(Becomes(*store, "a", "here"));
}

TEST_CASE("dev store: a removed store is a backend that is down, not one without secrets") {
  Bed bed;
  bed.dir.Write("store.yaml", "secrets: {a: one}\n");
  auto store = bed.Open("store.yaml");
  std::filesystem::remove(bed.dir / "store.yaml");
  CHECK(Becomes(*store, "a", "(transient)"));
  bed.dir.Write("store.yaml", "secrets: {a: back}\n");
  CHECK(Becomes(*store, "a", "back"));
}

TEST_CASE("dev store: a broken file leaves the last good content in place") {
  Bed bed;
  bed.dir.Write("store.yaml", "secrets: {a: one}\n");
  auto store = bed.Open("store.yaml");
  const std::uint64_t seen = store->loads();
  SECTION("not YAML") { bed.dir.Replace("store.yaml", "secrets: {a: [\n"); }
  SECTION("not a store") { bed.dir.Replace("store.yaml", "other: 1\n"); }
  SECTION("emptied") { bed.dir.Replace("store.yaml", ""); }
  SECTION("world-writable") { ::chmod((bed.dir / "store.yaml").c_str(), 0666); }
  REQUIRE(store->AwaitLoad(seen, 20s));
  CHECK(Read(*store, "a") == "one");
  bed.dir.Replace("store.yaml", "secrets: {a: two}\n");
  CHECK(Becomes(*store, "a", "two"));
}

TEST_CASE("dev store: a store that was never valid returns what is wrong") {
  Bed bed;
  bed.dir.Write("store.yaml", "secrets:\n  a: {vaule: canary}\n");
  auto store = bed.Open("store.yaml");
  Result<StoreAnswer> answer = store->Read("a", "", "shop/cart", "");
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code() == ErrorCode::kTransient);
  CHECK(answer.error().message().find("did you mean value?") != std::string::npos);
}

TEST_CASE("dev store: files and directories of a tree are added, changed and removed") {
  Bed bed;
  bed.dir.Write("tree/a", "one");
  auto store = bed.Open("tree");
  REQUIRE(Read(*store, "a") == "one");
  bed.dir.Replace("tree/a", "two");
  CHECK(Becomes(*store, "a", "two"));
  bed.dir.Write("tree/new/deep", "three");
  CHECK(Becomes(*store, "new/deep", "three"));
  bed.dir.Replace("tree/new/deep", "four");
  CHECK(Becomes(*store, "new/deep", "four"));
  std::filesystem::remove_all(bed.dir / "tree/new");
  CHECK(Becomes(*store, "new/deep", "(not_found)"));
}

TEST_CASE("dev store: the swap of a projected volume's ..data link is picked up") {
  Bed bed;
  bed.dir.Write("tree/..1/a", "one");
  std::filesystem::create_symlink("..1", bed.dir / "tree/..data");
  std::filesystem::create_symlink("..data/a", bed.dir / "tree/a");
  auto store = bed.Open("tree");
  REQUIRE(Read(*store, "a") == "one");
  bed.dir.Write("tree/..2/a", "two");
  std::filesystem::create_symlink("..2", bed.dir / "tree/..data_tmp");
  std::filesystem::rename(bed.dir / "tree/..data_tmp", bed.dir / "tree/..data");
  CHECK(Becomes(*store, "a", "two"));
}

TEST_CASE("dev store: a file of a tree that becomes unsafe keeps its last good value") {
  Bed bed;
  bed.dir.Write("tree/a", "one");
  bed.dir.Write("tree/bad", "canary");
  ::chmod((bed.dir / "tree/bad").c_str(), 0666);
  auto store = bed.Open("tree");
  CHECK(Read(*store, "bad") == "(precondition)");
  const std::uint64_t seen = store->loads();
  ::chmod((bed.dir / "tree/a").c_str(), 0666);
  REQUIRE(store->AwaitLoad(seen, 20s));
  CHECK(Read(*store, "a") == "one");
}

TEST_CASE("dev store: former contents stay readable by their version, up to a number") {
  Bed bed;
  bed.dir.Write("store.yaml", "secrets: {a: {value: v0, version: 0}}\n");
  auto store = bed.Open("store.yaml");
  for (std::size_t i = 1; i <= kKeptVersions; ++i) {
    const std::string n = std::to_string(i);
    bed.dir.Replace("store.yaml", "secrets: {a: {value: v" + n + ", version: " + n + "}}\n");
    REQUIRE(Becomes(*store, "a", "v" + n));
  }
  CHECK(Read(*store, "a", "1") == "v1");
  CHECK(Read(*store, "a", std::to_string(kKeptVersions)) == "v" + std::to_string(kKeptVersions));
  CHECK(Read(*store, "a", "0") == "(not_found)");
  CHECK(Read(*store, "a", "99") == "(not_found)");
}

TEST_CASE("dev store: versions listed in the file are readable, with any earlier content") {
  Bed bed;
  bed.dir.Write("store.yaml",
                "secrets: {a: {value: three, version: 3, versions: [{version: 1, value: one}]}}\n");
  auto store = bed.Open("store.yaml");
  CHECK(Read(*store, "a", "1") == "one");
  // The same version with another value replaces the earlier one: the file is authoritative.
  bed.dir.Replace("store.yaml",
                  "secrets: {a: {value: 3b, version: 3, versions: [{version: 1, value: uno}]}}\n");
  REQUIRE(Becomes(*store, "a", "3b"));
  CHECK(Read(*store, "a", "1") == "uno");
  CHECK(Read(*store, "a", "3") == "3b");
}

TEST_CASE("dev store: a value without a version gets one from its content") {
  Bed bed;
  bed.dir.Write("store.yaml", "secrets: {a: one, b: one, c: two}\n");
  auto store = bed.Open("store.yaml");
  const auto version = [&](const std::string& name) {
    return store->Read(name, "", "shop/cart", "")->version;
  };
  CHECK(version("a") == version("b"));
  CHECK(version("a") != version("c"));
  const std::string of_one = version("a");
  bed.dir.Replace("store.yaml", "secrets: {a: two, b: one, c: two}\n");
  REQUIRE(Becomes(*store, "a", "two"));
  CHECK(Read(*store, "a", of_one) == "one");
}

TEST_CASE("dev store: a known version is answered unchanged, until the value differs") {
  Bed bed;
  bed.dir.Write("store.yaml", "secrets: {a: {value: one, version: 1}}\n");
  auto store = bed.Open("store.yaml");
  const std::string known = store->Read("a", "", "shop/cart", "")->version;
  Result<StoreAnswer> again = store->Read("a", "", "shop/cart", known);
  REQUIRE(again.ok());
  CHECK(again->unchanged);
  CHECK(again->value.empty());
  // The version was not raised, but the value is new.
  bed.dir.Replace("store.yaml", "secrets: {a: {value: two, version: 1}}\n");
  REQUIRE(Becomes(*store, "a", "two"));
  Result<StoreAnswer> changed = store->Read("a", "", "shop/cart", known);
  REQUIRE(changed.ok());
  CHECK_FALSE(changed->unchanged);
}

TEST_CASE("dev store: a secret with service accounts is readable by them only") {
  Bed bed;
  bed.dir.Write("store.yaml", R"(secrets:
  all: x
  one: {value: x, serviceAccounts: [shop/cart]}
  namespace: {value: x, serviceAccounts: ["shop/*"]}
  name: {value: x, serviceAccounts: ["*/cart"]}
  nobody: {value: x, serviceAccounts: []}
)");
  auto store = bed.Open("store.yaml");
  struct Row {
    std::string secret, account, want;
  };
  const Row rows[] = {
      {"all", "other/any", "x"},           {"all", "/", "x"},
      {"one", "shop/cart", "x"},           {"one", "shop/cartel", "(denied)"},
      {"one", "shop2/cart", "(denied)"},   {"one", "/", "(denied)"},
      {"namespace", "shop/any", "x"},      {"namespace", "shops/any", "(denied)"},
      {"name", "other/cart", "x"},         {"name", "other/any", "(denied)"},
      {"nobody", "shop/cart", "(denied)"}, {"one", "", "(denied)"},
  };
  for (const Row& row : rows) {
    INFO(row.secret << " for " << row.account);
    CHECK(Read(*store, row.secret, "", row.account) == row.want);
  }
  Result<StoreAnswer> denied = store->Read("one", "", "shop/pay", "");
  REQUIRE_FALSE(denied.ok());
  CHECK(denied.error().message().find("add it to the secret's serviceAccounts") !=
        std::string::npos);
  // A known version does not bypass the list.
  const std::string known = store->Read("one", "", "shop/cart", "")->version;
  CHECK_FALSE(store->Read("one", "", "shop/pay", known).ok());
}

}  // namespace nodekeep::dev
