#include "providers/akeyless/uid_token_file.h"

#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_dir.h"

namespace nodekeep::akeyless {
namespace {

std::string Text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

TEST_CASE("uid token file: a stored token is read again with the first token") {
  TempDir dir;
  const std::string directory = dir / "kept/uid";
  const UidTokenFile file(directory, "u-first");
  CHECK_FALSE(file.Read()->has_value());
  REQUIRE(file.Write(SecretBytes("u-second")).ok());
  REQUIRE(file.Write(SecretBytes("u-third")).ok());
  CHECK(UidTokenFile(directory, "u-first").Read()->value().Reveal() == "u-third");
  CHECK_FALSE(UidTokenFile(directory, "u-other").Read()->has_value());
  struct stat info;
  REQUIRE(stat(file.path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK(std::distance(std::filesystem::directory_iterator(directory), {}) == 1);
}

TEST_CASE("uid token file: the file contains neither the token nor the first one in clear text") {
  TempDir dir;
  const UidTokenFile file(dir / "uid", "u-first");
  REQUIRE(file.Write(SecretBytes("u-second")).ok());
  const std::string text = Text(file.path());
  CHECK(text.find("u-second") == std::string::npos);
  CHECK(text.find("u-first") == std::string::npos);
  CHECK(file.path().find("u-first") == std::string::npos);
}

TEST_CASE("uid token file: an altered file is an error, and can be overwritten") {
  TempDir dir;
  const UidTokenFile file(dir / "uid", "u-first");
  REQUIRE(file.Write(SecretBytes("u-second")).ok());
  std::ofstream(file.path(), std::ios::app) << "x";
  const auto read = file.Read();
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().message().find("was altered or cut") != std::string::npos);
  // Another identity's file under this one's name.
  const UidTokenFile other(dir / "uid", "u-other");
  REQUIRE(other.Write(SecretBytes("u-other")).ok());
  std::filesystem::rename(other.path(), file.path());
  CHECK_FALSE(file.Read().ok());
  REQUIRE(file.Write(SecretBytes("u-third")).ok());
  CHECK(file.Read()->value().Reveal() == "u-third");
}

TEST_CASE("uid token file: an unreadable file is an error, not an absent token") {
  const TempDir dir;
  const UidTokenFile file(dir.path(), "first");
  std::filesystem::create_directory(file.path());
  const auto read = file.Read();
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().code() == ErrorCode::kPrecondition);
  CHECK(read.error().message() ==
        "universal identity, newest token: read " + file.path() + ": Is a directory");
}

TEST_CASE("uid token file: a failed write names the reason; no directory means no file") {
  TempDir dir;
  dir.Write("plain", "");
  const Status written = UidTokenFile(dir / "plain", "u-first").Write(SecretBytes("u-second"));
  REQUIRE_FALSE(written.ok());
  CHECK(written.error().IsTransient());
  CHECK(written.error().message().find("uidTokenDirectory") != std::string::npos);
  const UidTokenFile nowhere("", "u-first");
  CHECK(nowhere.Write(SecretBytes("u-second")).ok());
  CHECK_FALSE(nowhere.Read()->has_value());
}

}  // namespace
}  // namespace nodekeep::akeyless
