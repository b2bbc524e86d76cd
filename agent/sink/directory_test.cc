#include "agent/sink/directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "agent/sink/atomic_writer.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

namespace fs = std::filesystem;

const FakeClock& TheClock() {
  static const FakeClock clock;
  return clock;
}

std::vector<BundleFile> Three() {
  std::vector<BundleFile> files;
  for (const char* path : {"f", "d/f", "e/f"}) files.push_back({path, 0644, SecretBytes("1")});
  return files;
}

WriteOutcome MustWrite(const std::string& directory, const AtomicWriter::Options& options = {}) {
  Result<WriteOutcome> outcome = AtomicWriter(directory, TheClock(), options).Write(Three());
  INFO((outcome.ok() ? "" : outcome.error().message()));
  REQUIRE(outcome.ok());
  return *std::move(outcome);
}

std::string ReadText(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

Directory MustOpen(const std::string& path) {
  Result<Directory> directory = Directory::Open(path);
  REQUIRE(directory.ok());
  return *std::move(directory);
}

// A link is not the file, even if what it leads to is what is to be written.
TEST_CASE("directory: a link with the very contents that are to be written is replaced") {
  TempDir outside;
  outside.Write("f", "1");
  struct Row {
    std::string name;
    std::function<void(const std::string& set)> plant;
  };
  const auto to = [](const std::string& target, const std::string& place) {
    return [target, place](const std::string& set) {
      fs::remove_all(set + "/" + place);
      fs::create_symlink(target, set + "/" + place);
    };
  };
  const Row rows[] = {
      {"a file, absolute", to(outside / "f", "f")},
      {"a file, relative, in the same set", to("e/f", "f")},
      {"a file in a directory, relative", to("../e/f", "d/f")},
      {"a directory, absolute", to(outside.path(), "d")},
      {"a directory, relative, in the same set", to("e", "d")},
      {"a directory, relative, through the volume", to("../..data/e", "d")},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TempDir volume;
    MustWrite(volume.path());
    row.plant(volume / fs::read_symlink(volume / "..data").string());
    CHECK(MustWrite(volume.path()).changed);
    const std::string set = volume / fs::read_symlink(volume / "..data").string();
    for (const char* path : {"f", "d/f", "e/f"}) {
      CHECK(fs::is_regular_file(fs::symlink_status(set + "/" + path)));
      CHECK(ReadText(set + "/" + path) == "1");
    }
    for (const char* path : {"d", "e"})
      CHECK(fs::is_directory(fs::symlink_status(set + "/" + path)));
    CHECK(ReadText(outside / "f") == "1");
    CHECK_FALSE(MustWrite(volume.path()).changed);
  }
}

TEST_CASE("directory: a relative link in place of the current set is not followed") {
  TempDir volume;
  MustWrite(volume.path());
  const std::string set = fs::read_symlink(volume / "..data").string();
  fs::rename(volume / set, volume / "moved");
  fs::create_directory_symlink("moved", volume / set);
  CHECK(MustWrite(volume.path()).changed);
  const std::string now = fs::read_symlink(volume / "..data").string();
  CHECK(fs::is_directory(fs::symlink_status(volume / now)));
  CHECK(ReadText(volume / "moved/f") == "1");
}

TEST_CASE("directory: nothing is written through what is there already") {
  TempDir outside;
  outside.Write("f", "theirs");
  struct Row {
    std::string name, path;
    std::function<void(const std::string& root)> plant;
  };
  const Row rows[] = {
      {"a file", "f", [](const auto& root) { std::ofstream(root + "/f") << "theirs"; }},
      {"an absolute link", "f",
       [&](const auto& root) { fs::create_symlink(outside / "f", root + "/f"); }},
      {"a relative link", "f",
       [](const auto& root) {
         std::ofstream(root + "/other") << "theirs";
         fs::create_symlink("other", root + "/f");
       }},
      {"a link to nothing", "f", [](const auto& root) { fs::create_symlink("none", root + "/f"); }},
      {"a directory that is an absolute link", "d/f",
       [&](const auto& root) { fs::create_directory_symlink(outside.path(), root + "/d"); }},
      {"a directory that is a relative link", "d/g",
       [](const auto& root) {
         fs::create_directory(root + "/real");
         fs::create_directory_symlink("real", root + "/d");
       }},
      {"a deeper directory that is a link", "a/d/g",
       [](const auto& root) {
         fs::create_directories(root + "/a");
         fs::create_directories(root + "/real");
         fs::create_directory_symlink("../real", root + "/a/d");
       }},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TempDir root;
    row.plant(root.path());
    CHECK_FALSE(MustOpen(root.path())
                    .Write(row.path, SecretBytes("ours"), {.mode = 0600, .uid = {}, .gid = {}})
                    .ok());
    CHECK(ReadText(outside / "f") == "theirs");
    for (const auto& entry : fs::recursive_directory_iterator(root.path())) {
      if (fs::is_regular_file(entry.path())) CHECK(ReadText(entry.path()) == "theirs");
    }
    CHECK_FALSE(fs::exists(root / "none"));
  }
}

TEST_CASE("directory: a link is read as a link and removed without what it leads to") {
  TempDir outside;
  outside.Write("d/f", "theirs");
  TempDir root;
  fs::create_directory_symlink(outside / "d", root / "link");
  fs::create_directories(root / "set/inner");
  fs::create_directory_symlink(outside / "d", root / "set/inner/link");
  const Directory directory = MustOpen(root.path());
  CHECK_FALSE(directory.OpenBeneath("link").ok());
  CHECK_FALSE(directory.OpenBeneath("set/inner/link").ok());
  CHECK_FALSE(
      directory.Holds("link/f", SecretBytes("theirs"), {.mode = 0644, .uid = {}, .gid = {}}));
  REQUIRE(directory.Remove("link").ok());
  REQUIRE(directory.Remove("set").ok());
  CHECK(fs::is_empty(root.path()));
  CHECK(ReadText(outside / "d/f") == "theirs");
}

TEST_CASE("directory: mode, owner and group each are a change of their own") {
  if (geteuid() != 0) FAIL("this test changes owners: run it as root");
  TempDir root;
  const Directory directory = MustOpen(root.path());
  const FileAttributes written{.mode = 0440, .uid = 1234, .gid = 4321};
  REQUIRE(directory.Write("f", SecretBytes("1"), written).ok());
  struct Row {
    std::string name;
    FileAttributes wanted;
    bool same;
  };
  const Row rows[] = {
      {"equal", written, true},
      {"any owner", {.mode = 0440, .uid = {}, .gid = {}}, true},
      {"another group", {.mode = 0440, .uid = 1234, .gid = 4322}, false},
      {"another group, any owner", {.mode = 0440, .uid = {}, .gid = 4322}, false},
      {"another owner", {.mode = 0440, .uid = 1235, .gid = 4321}, false},
      {"another mode", {.mode = 0400, .uid = 1234, .gid = 4321}, false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(directory.Holds("f", SecretBytes("1"), row.wanted) == row.same);
  }
  CHECK_FALSE(directory.Holds("f", SecretBytes("2"), written));
  CHECK_FALSE(directory.Holds("f", SecretBytes("12"), written));
}

TEST_CASE("directory: a set whose group alone changes is written again") {
  if (geteuid() != 0) FAIL("this test changes owners: run it as root");
  TempDir volume;
  AtomicWriter::Options options;
  options.gid = 4321;
  MustWrite(volume.path(), options);
  CHECK_FALSE(MustWrite(volume.path(), options).changed);
  options.gid = 4322;
  CHECK(MustWrite(volume.path(), options).updated.size() == 3);
  struct stat status {};
  REQUIRE(stat((volume / "d/f").c_str(), &status) == 0);
  CHECK(status.st_gid == 4322);
}

}  // namespace
}  // namespace nodekeep
