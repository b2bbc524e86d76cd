#include "agent/base/read_file.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <thread>

#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

TEST_CASE("read file: only a regular file within the limit is read, without blocking") {
  const TempDir dir;
  const std::string pipe = dir / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  const std::string link = dir / "link";
  std::filesystem::create_symlink(dir.Write("target", "content"), link);
  const std::string growing = dir.Write("large", std::string(200 << 10, 'x'));
  struct Row {
    std::string name, path;
    std::size_t max_bytes;
    ErrorCode code;
    std::string reason;
  };
  const Row rows[] = {
      {"absent", dir / "none", 10, ErrorCode::kNotFound, "No such file or directory"},
      {"below a file", link + "/x", 10, ErrorCode::kInvalid, "Not a directory"},
      {"a directory", dir.path(), 10, ErrorCode::kInvalid, "Is a directory"},
      {"a pipe without a writer", pipe, 10, ErrorCode::kInvalid, "not a regular file"},
      {"a device", "/dev/zero", 10, ErrorCode::kInvalid, "not a regular file"},
      {"EIO", "/proc/self/mem", 10, ErrorCode::kInvalid, "Input/output error"},
      {"one byte too many", link, 6, ErrorCode::kTooLarge, "larger than 6 bytes"},
      {"much too large", growing, 64 << 10, ErrorCode::kTooLarge, "larger than 65536 bytes"},
      {"too large, with a reported size of 0", "/proc/self/status", 10, ErrorCode::kTooLarge,
       "larger than 10 bytes"},
      {"a limit of a whole MiB", dir.Write("two", std::string(3 << 20, 'x')), 2 << 20,
       ErrorCode::kTooLarge, "larger than 2 MiB"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Result<SecretBytes> content = ReadFile(row.path, row.max_bytes);
    REQUIRE_FALSE(content.ok());
    CHECK(content.error().code() == row.code);
    CHECK(content.error().message() == "read " + row.path + ": " + row.reason);
  }
}

TEST_CASE("read file: a file without read permission is kDenied") {
  const TempDir dir;
  const std::string path = dir.Write("a", "content");
  REQUIRE(chmod(path.c_str(), 0) == 0);
  // Root may read every file, so this thread switches to another user.
  const uid_t before = static_cast<uid_t>(setfsuid(geteuid() == 0 ? 65534 : geteuid()));
  const Result<SecretBytes> content = ReadFile(path, 10);
  setfsuid(before);
  REQUIRE_FALSE(content.ok());
  CHECK(content.error().code() == ErrorCode::kDenied);
}

TEST_CASE("read file: a file of exactly the limit is read in full") {
  const TempDir dir;
  for (const std::size_t size : {0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 300000}) {
    INFO(size);
    std::string want(size, '\0');
    for (std::size_t i = 0; i < size; ++i) want[i] = static_cast<char>(i * 31);
    const Result<SecretBytes> content = ReadFile(dir.Write("a", want), size);
    REQUIRE(content.ok());
    CHECK(content->Reveal() == want);
  }
  // Files in /proc have size 0.
  const Result<SecretBytes> status = ReadFile("/proc/self/status", 1 << 20);
  REQUIRE(status.ok());
  CHECK(status->Reveal().starts_with("Name:"));
}

TEST_CASE("read file: a pipe is read to its end if the caller allows it") {
  const TempDir dir;
  const std::string pipe = dir / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  const std::string text(200000, 'x');  // more than a pipe holds
  std::jthread writer([&] { std::ofstream(pipe) << text; });
  const Result<SecretBytes> content = ReadFile(pipe, text.size(), FileKind::kAny);
  REQUIRE(content.ok());
  CHECK(content->Reveal() == text);
  const Result<SecretBytes> endless = ReadFile("/dev/zero", 1000, FileKind::kAny);
  REQUIRE_FALSE(endless.ok());
  CHECK(endless.error().code() == ErrorCode::kTooLarge);
  const Result<SecretBytes> directory = ReadFile(dir.path(), 1000, FileKind::kAny);
  REQUIRE_FALSE(directory.ok());
  CHECK(directory.error().code() == ErrorCode::kInvalid);
}

TEST_CASE("read file: a descriptor is read from its current offset and stays open") {
  const TempDir dir;
  const int file = open(dir.Write("a", "0123456789").c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(lseek(file, 4, SEEK_SET) == 4);
  const Result<SecretBytes> content = ReadDescriptor(file, 10);
  REQUIRE(content.ok());
  CHECK(content->Reveal() == "456789");
  CHECK(close(file) == 0);
  const Result<SecretBytes> closed = ReadDescriptor(file, 10);
  REQUIRE_FALSE(closed.ok());
  CHECK(closed.error().message() == "Bad file descriptor");
}

TEST_CASE("read file: errors of small files and tokens are never kNotFound") {
  const TempDir dir;
  struct Row {
    std::string name, path, reason;
  };
  const Row rows[] = {
      {"absent", dir / "none", "No such file or directory"},
      {"a directory", dir.path(), "Is a directory"},
      {"too large", dir.Write("large", std::string((1 << 20) + 1, 'x')), "larger than 1 MiB"},
      {"EIO", "/proc/self/mem", "Input/output error"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    for (const Result<SecretBytes>& read : {ReadSmallFile(row.path), ReadTokenFile(row.path)}) {
      REQUIRE_FALSE(read.ok());
      CHECK(read.error().code() == ErrorCode::kInvalid);
      CHECK(read.error().message() == "read \"" + row.path + "\": " + row.reason);
    }
  }
  const Result<SecretBytes> token = ReadTokenFile(dir.Write("token", " \tabc\r\n\n"));
  REQUIRE(token.ok());
  CHECK(token->Reveal() == "abc");
  const std::string blank = dir.Write("blank", " \n");
  const Result<SecretBytes> empty = ReadTokenFile(blank);
  REQUIRE_FALSE(empty.ok());
  CHECK(empty.error().message() == "read \"" + blank + "\": it is empty");
}

}  // namespace
}  // namespace nodekeep
