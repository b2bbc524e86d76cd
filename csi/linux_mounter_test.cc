#include "csi/linux_mounter.h"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

const TmpfsOptions kSmall{.size = 64 << 10, .group = std::nullopt};

}  // namespace

// Needs CAP_SYS_ADMIN, as the driver does.
TEST_CASE("mounter: a volume is mounted, opened, measured and cleared; the disk is never opened") {
  LinuxMounter mounter;
  TempDir dir;
  const std::string path = dir / "pods/u/volumes/v/mount";
  CHECK(mounter.Open(path).error().code() == ErrorCode::kPrecondition);
  REQUIRE(mounter.Mount(path, kSmall).ok());
  REQUIRE(mounter.Open(path).ok());
  CHECK(*mounter.MemoryOf(path) == kTmpfsInodeBytes);
  std::ofstream(path + "/file") << "x";
  CHECK(*mounter.MemoryOf(path) == 4096 + 2 * kTmpfsInodeBytes);
  REQUIRE(mounter.Clear(path).ok());
  std::filesystem::create_directory(path);
  CHECK(mounter.Open(path).error().code() == ErrorCode::kPrecondition);
  CHECK(mounter.MemoryOf(path).error().code() == ErrorCode::kPrecondition);
}

TEST_CASE("mounter: the number of files in a volume is bounded") {
  LinuxMounter mounter;
  TempDir dir;
  const std::string path = dir / "mount";
  REQUIRE(mounter.Mount(path, kSmall).ok());
  int made = 0;
  while (made < 1000 && std::ofstream(path + "/" + std::to_string(made)).is_open()) ++made;
  CHECK(made >= 64);
  CHECK(made < 200);
  REQUIRE(mounter.Clear(path).ok());
}

}  // namespace nodekeep
