// What the driver makes of the files of a volume: their group and mode, and the options of the
// mount.

#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>

#include "tests/fakes/driver_node.h"

namespace nodekeep {
namespace {

// Not a group of the tests.
constexpr gid_t kGroup = 4711;

// Answers with the files that the test sets.
struct FileSource final : VolumeSource {
  Fetched Fetch(const Context&, const SecretProviderClass&, const Volume&,
                const std::vector<ObjectVersion>* known) override {
    known_versions.push_back(known == nullptr ? std::vector<ObjectVersion>() : *known);
    VolumeContent content;
    for (const auto& [path, mode] : files) {
      content.bundle.files.push_back({path, mode, SecretBytes("x")});
    }
    content.bundle.versions = {{"db", "v" + std::to_string(known_versions.size())}};
    content.untouched = untouched;
    return {std::move(content), "", {}};
  }
  bool MayWriteItself(const SecretProviderClass&) const override { return may_write; }
  bool Serves(const std::string&) const override { return true; }

  std::map<std::string, std::uint32_t> files = {{"db", 0400}};
  bool untouched = false;
  bool may_write = false;
  std::vector<std::vector<ObjectVersion>> known_versions;  // of each call
};

struct FileNode : DriverNode {
  FileSource files;
  VolumeService service{{.volume_size = 5u << 20},
                        {.mounter = mounter,
                         .classes = classes,
                         .pods = pods,
                         .source = files,
                         .mirror = mirror,
                         .events = events,
                         .registry = registry,
                         .budget = budget,
                         .refreshes = refreshes,
                         .clock = clock,
                         .rng = core.rng,
                         .log = core.log,
                         .metrics = driver_metrics}};
};

struct stat StatOf(const Volume& volume, const std::string& file) {
  struct stat facts {};
  REQUIRE(stat((volume.target_path + "/" + file).c_str(), &facts) == 0);
  return facts;
}

}  // namespace

TEST_CASE(
    "driver: fsGroup gives every file that group and lets it read, and changes nothing else") {
  struct Row {
    std::string name;
    std::uint32_t mode, with_group;
  };
  const Row rows[] = {{"of the owner alone", 0400, 0440}, {"writable", 0600, 0640},
                      {"no mode at all", 0, 0440},        {"for all", 0644, 0644},
                      {"executable", 0500, 0540},         {"all", 0777, 0777}};
  for (const Row& row : rows) {
    INFO(row.name);
    FileNode node;
    node.files.files = {{"db", row.mode}, {"dir/inner", row.mode}};
    const auto plain = node.MakeVolume("web-1");
    auto grouped = node.MakeVolume("web-2");
    grouped->group = kGroup;
    REQUIRE(node.service.Publish(Context(), plain).ok());
    REQUIRE(node.service.Publish(Context(), grouped).ok());
    for (const char* file : {"db", "dir/inner"}) {
      INFO(file);
      CHECK((StatOf(*plain, file).st_mode & 07777) == row.mode);
      CHECK(StatOf(*plain, file).st_gid == getegid());
      CHECK((StatOf(*grouped, file).st_mode & 07777) == row.with_group);
      CHECK(StatOf(*grouped, file).st_gid == kGroup);
      CHECK(StatOf(*grouped, file).st_uid == geteuid());
    }
  }
}

TEST_CASE("driver: a rotation keeps the group; a new group alone is applied") {
  FileNode node;
  auto volume = node.MakeVolume();
  volume->group = kGroup;
  REQUIRE(node.service.Publish(Context(), volume).ok());
  node.files.files["more"] = 0400;
  REQUIRE(node.service.Refresh(Context(), volume->target_path));
  for (const char* file : {"db", "more"}) CHECK(StatOf(*volume, file).st_gid == kGroup);
  auto other = node.MakeVolume();
  other->group = kGroup + 1;
  REQUIRE(node.service.Publish(Context(), other).ok());
  REQUIRE(node.service.Refresh(Context(), volume->target_path));
  for (const char* file : {"db", "more"}) CHECK(StatOf(*volume, file).st_gid == kGroup + 1);
}

TEST_CASE("driver: a volume may be executed from only if a file of it is executable") {
  struct Row {
    std::string name;
    std::map<std::string, std::uint32_t> files;
    bool may_write, executable;
  };
  const Row rows[] = {
      {"plain", {{"a", 0644}, {"b", 0400}}, false, false},
      {"for the owner", {{"a", 0644}, {"b", 0500}}, false, true},
      {"for the group", {{"a", 0650}}, false, true},
      {"for others", {{"a", 0641}}, false, true},
      {"not known before the provider has answered", {{"a", 0644}}, true, true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FileNode node;
    node.files.files = row.files;
    node.files.may_write = row.may_write;
    const auto volume = node.MakeVolume();
    REQUIRE(node.service.Publish(Context(), volume).ok());
    const std::optional<TmpfsOptions> options = node.mounter.OptionsOf(volume->target_path);
    REQUIRE(options);
    CHECK(options->executable == row.executable);
    CHECK(options->size == 5u << 20);
    CHECK_FALSE(options->group);
  }
}

TEST_CASE("driver: a provider is told the versions that the volume holds, none at first") {
  FileNode node;
  const auto volume = node.MakeVolume();
  REQUIRE(node.service.Publish(Context(), volume).ok());
  REQUIRE(node.service.Refresh(Context(), volume->target_path));
  REQUIRE(node.service.Refresh(Context(), volume->target_path));
  REQUIRE(node.files.known_versions.size() == 3);
  CHECK(node.files.known_versions[0].empty());
  REQUIRE(node.files.known_versions[1].size() == 1);
  CHECK(node.files.known_versions[1][0].version == "v1");
  CHECK(node.files.known_versions[2][0].version == "v2");
}

TEST_CASE("driver: an object that leaves the class leaves the volume, and the event says so") {
  FileNode node;
  node.files.files = {{"db", 0400}, {"old", 0400}, {"dir/old", 0400}};
  const auto volume = node.MakeVolume();
  REQUIRE(node.service.Publish(Context(), volume).ok());
  REQUIRE(std::filesystem::exists(volume->target_path + "/old"));
  node.files.files = {{"db", 0400}, {"new", 0400}};
  REQUIRE(node.service.Refresh(Context(), volume->target_path));
  CHECK_FALSE(std::filesystem::exists(volume->target_path + "/old"));
  CHECK_FALSE(std::filesystem::exists(volume->target_path + "/dir"));
  CHECK(std::filesystem::exists(volume->target_path + "/db"));
  CHECK(std::filesystem::exists(volume->target_path + "/new"));
  CHECK(node.events.last().find("removed ") != std::string::npos);
}

TEST_CASE("driver: a provider with nothing to write leaves the files as they are") {
  FileNode node;
  const auto volume = node.MakeVolume();
  REQUIRE(node.service.Publish(Context(), volume).ok());
  node.files.files.clear();
  node.files.untouched = true;
  REQUIRE(node.service.Refresh(Context(), volume->target_path));
  CHECK(DriverNode::Read(*volume) == "x");
  CHECK(node.StateOf(*volume).error.empty());
  CHECK(node.events.reasons().empty());
}

}  // namespace nodekeep
