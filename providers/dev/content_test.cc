#include "providers/dev/content.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "tests/fakes/temp_dir.h"

namespace nodekeep::dev {
namespace {

std::string Text(const WrittenVersion& version) { return std::string(version.value.Reveal()); }

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("dev store file: a secret is text, bytes or keys") {
  struct Row {
    std::string name, secret, want;
  };
  const Row rows[] = {
      {"plain text", "correct horse", "correct horse"},
      {"a number keeps its spelling", "007.50", "007.50"},
      {"an empty text", "\"\"", ""},
      {"a text in a mapping", "{value: x}", "x"},
      {"bytes", "{base64: AAH/}", std::string("\0\x01\xff", 3)},
      {"a key without a value is null", "{values: {a: , b: \"\"}}", R"({"a":null,"b":""})"},
      {"keys, sorted", "{values: {b: 2, a: \"1\"}}", R"({"a":"1","b":"2"})"},
      {"a block of text", "|\n    line 1\n    line 2\n", "line 1\nline 2\n"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<Content> content = ParseContent("secrets:\n  s: " + row.secret + "\n");
    REQUIRE(content.ok());
    REQUIRE(content->at("s").versions.size() == 1);
    CHECK(Text(content->at("s").versions[0]) == row.want);
    CHECK(content->at("s").versions[0].version.empty());
    CHECK_FALSE(content->at("s").service_accounts);
  }
}

TEST_CASE("dev store file: versions and service accounts are read in order") {
  Result<Content> content = ParseContent(R"(
secrets:
  db/login:
    values: {user: app}
    version: 3
    versions:
      - {version: "2", value: two}
      - {version: one, base64: b25l}
    serviceAccounts: [shop/cart, "ops/*", "*/reader"]
)");
  REQUIRE(content.ok());
  const WrittenSecret& secret = content->at("db/login");
  REQUIRE(secret.versions.size() == 3);
  CHECK(secret.versions[0].version == "3");
  CHECK(secret.versions[1].version == "2");
  CHECK(Text(secret.versions[1]) == "two");
  CHECK(secret.versions[2].version == "one");
  CHECK(Text(secret.versions[2]) == "one");
  CHECK(*secret.service_accounts == std::vector<std::string>{"shop/cart", "ops/*", "*/reader"});
}

TEST_CASE("dev store file: JSON is read as such, tabs and surrogate pairs included") {
  Result<Content> content = ParseContent(
      "{\n\t\"secrets\": {\n\t\t\"a\": \"\\ud83d\\ude00\",\n\t\t\"n\": 1.50,\n"
      "\t\t\"m\": {\"values\": {\"k\": \"v\"}, \"version\": 7}\n\t}\n}\n");
  REQUIRE(content.ok());
  CHECK(Text(content->at("a").versions[0]) == "\xF0\x9F\x98\x80");
  CHECK(Text(content->at("n").versions[0]) == "1.50");
  CHECK(Text(content->at("m").versions[0]) == R"({"k":"v"})");
  CHECK(content->at("m").versions[0].version == "7");
}

TEST_CASE("dev store file: an error names line, secret, key and fix, never a value") {
  struct Row {
    std::string name, text;
    std::vector<std::string> parts;
  };
  const Row rows[] = {
      {"empty", "", {"key \"secrets\"", "half written"}},
      {"only a comment", "# nothing\n", {"key \"secrets\""}},
      {"a list", "- canary\n", {"key \"secrets\""}},
      {"typo at the top",
       "secret: {a: canary}\n",
       {"line 1", "\"secret\"", "did you mean secrets?"}},
      {"secrets empty", "secrets:\n", {"secrets: must be a mapping", "{} when there are none"}},
      {"secrets a list", "secrets: [canary]\n", {"line 1", "secrets: must be a mapping"}},
      {"null", "secrets:\n  a:\n", {"line 2", "secret \"a\"", "\"\" for an empty text"}},
      {"a list for a secret",
       "secrets:\n  a: [canary]\n",
       {"line 2", "secret \"a\"", "must be text"}},
      {"keys without values",
       "secrets:\n  a:\n    username: canary\n",
       {"line 3", "secret \"a\"", "unknown key \"username\"", "under values"}},
      {"typo in a key",
       "secrets:\n  a:\n    vaule: canary\n",
       {"line 3", "secret \"a\"", "did you mean value?"}},
      {"no value", "secrets:\n  a: {version: 1}\n", {"secret \"a\"", "give one of value, base64"}},
      {"two values",
       "secrets:\n  a: {value: canary, base64: Y2FuYXJ5}\n",
       {"secret \"a\"", "more than one of value, base64 and values"}},
      {"bad base64",
       "secrets:\n  a: {base64: canary!}\n",
       {"line 2", "secret \"a\"", "illegal base64 data at input byte"}},
      {"values a text", "secrets:\n  a: {values: canary}\n", {"values: must be a mapping"}},
      {"values nested",
       "secrets:\n  a: {values: {k: {x: canary}}}\n",
       {"secret \"a\"", "key \"k\"", "JSON text under value"}},
      {"empty version", "secrets:\n  a: {value: canary, version: \"\"}\n", {"version: is empty"}},
      {"older version without one",
       "secrets:\n  a: {value: canary, versions: [{value: x}]}\n",
       {"secret \"a\"", "each needs its version"}},
      {"version twice",
       "secrets:\n  a: {value: canary, version: 1, versions: [{value: x, version: 1}]}\n",
       {"secret \"a\"", "versions: \"1\" is there twice"}},
      {"service accounts a text",
       "secrets:\n  a: {value: canary, serviceAccounts: shop/cart}\n",
       {"serviceAccounts: must be a list of \"namespace/account\""}},
      {"service account without namespace",
       "secrets:\n  a: {value: canary, serviceAccounts: [cart]}\n",
       {"line 2", "secret \"a\"", "serviceAccounts: must be a list"}},
      {"service account pattern",
       "secrets:\n  a: {value: canary, serviceAccounts: [shop/c*]}\n",
       {"serviceAccounts: must be a list"}},
      {"name outside", "secrets:\n  ../a: canary\n", {"line 2", "name is a path", "invalid path"}},
      {"name twice",
       "secrets:\n  a: canary\n  a: canary\n",
       {"line 3", "already defined at line 2"}},
      {"JSON cut", "{\"secrets\": {\"a\": \"canary\"", {"line 1"}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<Content> content = ParseContent(row.text);
    REQUIRE_FALSE(content.ok());
    const std::string& error = content.error().message();
    INFO(error);
    CHECK(content.error().code() == ErrorCode::kInvalid);
    for (const std::string& part : row.parts) CHECK(Contains(error, part));
    CHECK_FALSE(Contains(error, "canary"));
  }
}

TEST_CASE("dev store directory: each file is a secret named by its path") {
  TempDir dir;
  dir.Write("db/password", "hunter2\n");
  dir.Write(".dockerconfigjson", "{}");
  dir.Write("empty", "");
  Result<Content> content = ReadContent(dir.path());
  REQUIRE(content.ok());
  CHECK(content->size() == 3);
  CHECK(Text(content->at("db/password").versions[0]) == "hunter2\n");
  CHECK(Text(content->at(".dockerconfigjson").versions[0]) == "{}");
  CHECK(Text(content->at("empty").versions[0]).empty());
}

TEST_CASE("dev store directory: a projected volume is read through its ..data link") {
  TempDir dir;
  dir.Write("..2026_01_31/password", "hunter2");
  dir.Write("..2026_01_31/sub/key", "inner");
  std::filesystem::create_symlink("..2026_01_31", dir / "..data");
  std::filesystem::create_symlink("..data/password", dir / "password");
  std::filesystem::create_symlink("..data/sub", dir / "sub");
  Result<Content> content = ReadContent(dir.path());
  REQUIRE(content.ok());
  REQUIRE(content->size() == 2);
  CHECK(Text(content->at("password").versions[0]) == "hunter2");
  CHECK(Text(content->at("sub/key").versions[0]) == "inner");
}

TEST_CASE("dev store directory: a file that is not safe to read is refused, the others are read") {
  TempDir outside;
  outside.Write("secret", "canary");
  TempDir dir;
  dir.Write("good", "fine");
  const std::string open_file = dir.Write("open", "canary");
  ::chmod(open_file.c_str(), 0666);
  std::filesystem::create_directory(dir / "opendir");
  dir.Write("opendir/x", "canary");
  ::chmod((dir / "opendir").c_str(), 0777);
  ::mkfifo((dir / "pipe").c_str(), 0600);
  std::filesystem::create_symlink("/dev/zero", dir / "device");
  std::filesystem::create_symlink(outside / "secret", dir / "link");
  std::filesystem::create_symlink("../../../../../../../../etc/hostname", dir / "dots");
  dir.Write("large", std::string(kMaxFileBytes + 1, 'x'));

  Result<Content> content = ReadContent(dir.path());
  REQUIRE(content.ok());
  CHECK(Text(content->at("good").versions[0]) == "fine");
  struct Row {
    std::string name, part;
  };
  const Row rows[] = {
      {"open", "chmod o-w"},
      {"opendir", "chmod o-w"},
      {"pipe", "not a regular file"},
      {"device", "symbolic link leads out"},
      {"link", "symbolic link leads out"},
      {"dots", "symbolic link leads out"},
      {"large", "larger than"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    REQUIRE(content->contains(row.name));
    REQUIRE(content->at(row.name).refused);
    INFO(content->at(row.name).refused->message());
    CHECK(Contains(content->at(row.name).refused->message(), row.part));
    CHECK(content->at(row.name).versions.empty());
  }
  CHECK_FALSE(content->contains("opendir/x"));
}

TEST_CASE("dev store file: one that is not safe to read is refused") {
  TempDir dir;
  const std::string path = dir.Write("store.yaml", "secrets: {a: canary}\n");
  SECTION("world-writable") { ::chmod(path.c_str(), 0646); }
  SECTION("in a world-writable directory") { ::chmod(dir.path().c_str(), 0777); }
  SECTION("a link out of the directory") {
    TempDir elsewhere;
    const std::string target = elsewhere.Write("store.yaml", "secrets: {a: canary}\n");
    std::filesystem::remove(path);
    std::filesystem::create_symlink(target, path);
  }
  Result<Content> content = ReadContent(path);
  REQUIRE_FALSE(content.ok());
  CHECK(content.error().code() == ErrorCode::kDenied);
}

TEST_CASE("dev store: a path that does not exist is not found") {
  TempDir dir;
  for (const std::string& path : {dir / "none.yaml", dir / "none/deeper/store.yaml"}) {
    Result<Content> content = ReadContent(path);
    REQUIRE_FALSE(content.ok());
    CHECK(content.error().code() == ErrorCode::kNotFound);
  }
}

TEST_CASE("dev store: the stamp changes only with the content") {
  TempDir dir;
  dir.Write("a", "1");
  const std::string before = ContentStamp(dir.path());
  CHECK(ContentStamp(dir.path()) == before);
  dir.Replace("a", "2");
  CHECK(ContentStamp(dir.path()) != before);
}

}  // namespace nodekeep::dev
