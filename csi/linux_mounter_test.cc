#include "csi/linux_mounter.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

const TmpfsOptions kSmall{.size = 64 << 10, .group = std::nullopt};

// The options of the file system mounted on `path`, as /proc/self/mounts lists them; "" if none.
std::string KernelOptions(const std::string& path) {
  std::ifstream mounts("/proc/self/mounts");
  std::string options;
  for (std::string line; std::getline(mounts, line);) {
    std::string device, on, type, text;
    std::istringstream(line) >> device >> on >> type >> text;
    if (on == path) options = "," + text + ",";
  }
  return options;
}

struct stat StatOf(const std::string& path) {
  struct stat facts {};
  REQUIRE(stat(path.c_str(), &facts) == 0);
  return facts;
}

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

TEST_CASE("mounter: the tmpfs has the mode, group, size and protections that its user relies on") {
  struct Row {
    std::string name;
    TmpfsOptions options;
  };
  const Row rows[] = {
      {"plain", {64 << 10, std::nullopt, false}},
      {"with a group", {128 << 10, 4711, false}},
      {"with an executable file", {64 << 10, std::nullopt, true}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    LinuxMounter mounter;
    TempDir dir;
    const std::string path = dir / "pods/u/volumes/v/mount";
    REQUIRE(mounter.Mount(path, row.options).ok());
    const std::string options = KernelOptions(path);
    INFO(options);
    for (const char* wanted : {",nosuid,", ",nodev,"}) {
      CHECK(options.find(wanted) != std::string::npos);
    }
    CHECK((options.find(",noexec,") == std::string::npos) == row.options.executable);
    const struct stat root = StatOf(path);
    CHECK((root.st_mode & 07777) == 0755);
    CHECK(root.st_uid == 0);
    CHECK(root.st_gid == row.options.group.value_or(0));
    struct statvfs size {};
    REQUIRE(statvfs(path.c_str(), &size) == 0);
    CHECK(size.f_blocks * size.f_frsize == row.options.size);
    // What the protection is for.
    std::ofstream(path + "/program") << "#!/bin/sh\n";
    REQUIRE(chmod((path + "/program").c_str(), 0755) == 0);
    CHECK((access((path + "/program").c_str(), X_OK) == 0) == row.options.executable);
    REQUIRE(mounter.Clear(path).ok());
    CHECK_FALSE(std::filesystem::exists(path));
    // The directories above belong to kubelet.
    CHECK(std::filesystem::exists(std::filesystem::path(path).parent_path()));
  }
}

TEST_CASE("mounter: the directory that it makes is closed to others, as upstream's is") {
  LinuxMounter mounter;
  TempDir dir;
  const std::string path = dir / "mount";
  REQUIRE(mounter.Mount(path, kSmall).ok());
  REQUIRE(umount2(path.c_str(), 0) == 0);
  CHECK((StatOf(path).st_mode & 07777) == 0750);
}

TEST_CASE("mounter: the state of a path") {
  LinuxMounter mounter;
  TempDir dir;
  const std::string path = dir / "mount";
  CHECK(*mounter.StateOf(path) == MountState::kAbsent);
  CHECK(*mounter.StateOf(dir / "no/such/parent") == MountState::kAbsent);
  std::filesystem::create_directory(path);
  CHECK(*mounter.StateOf(path) == MountState::kPlain);
  REQUIRE(mounter.Mount(path, kSmall).ok());
  CHECK(*mounter.StateOf(path) == MountState::kMounted);
  std::ofstream(path + "/file") << "x";
  CHECK(*mounter.StateOf(path) == MountState::kMounted);
  REQUIRE(mounter.Clear(path).ok());
  CHECK(*mounter.StateOf(path) == MountState::kAbsent);
}

TEST_CASE("mounter: what is no directory is neither taken for a volume nor removed") {
  LinuxMounter mounter;
  TempDir dir;
  dir.Write("file", "kept");
  std::filesystem::create_directory(dir / "elsewhere");
  dir.Write("elsewhere/file", "kept");
  std::filesystem::create_directory_symlink(dir / "elsewhere", dir / "link");
  for (const char* name : {"file", "link"}) {
    INFO(name);
    const Result<MountState> state = mounter.StateOf(dir / name);
    REQUIRE_FALSE(state.ok());
    CHECK(state.error().code() == ErrorCode::kPrecondition);
    CHECK_FALSE(mounter.Clear(dir / name).ok());
    CHECK_FALSE(mounter.Open(dir / name).ok());
  }
  CHECK(std::filesystem::exists(dir / "file"));
  CHECK(std::filesystem::exists(dir / "link"));
  CHECK(std::filesystem::exists(dir / "elsewhere/file"));
}

TEST_CASE("mounter: clear removes every mount, also one in use, and what lies below") {
  LinuxMounter mounter;
  TempDir dir;
  const std::string path = dir / "mount";
  std::filesystem::create_directory(path);
  dir.Write("mount/below", "left by a reboot");
  for (int i = 0; i < 3; ++i) REQUIRE(mounter.Mount(path, kSmall).ok());
  std::ofstream in_use(path + "/file");
  REQUIRE(in_use.is_open());
  REQUIRE(mounter.Clear(path).ok());
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(KernelOptions(path).empty());
  CHECK(mounter.Clear(path).ok());
}

}  // namespace nodekeep
