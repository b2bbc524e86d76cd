#include "agent/base/volume_path.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

TEST_CASE("volume path: paths that the driver writes are accepted") {
  const std::string element(255, 'a');
  std::string longest = element;
  while (longest.size() + 256 <= 4096) longest += "/" + element;
  REQUIRE(longest.size() == 4095);
  for (const std::string& path :
       {std::string("db"), std::string("a/b/c"), std::string("a/..b"), std::string("a/b.."),
        std::string(".hidden"), std::string("a/.b"), std::string("with space"),
        std::string("back\\slash"), std::string("z\xC3\xBC"), std::string("line\nbreak"),
        std::string("a...b"), element, longest}) {
    INFO(path);
    CHECK(CheckVolumePath(path).ok());
  }
}

TEST_CASE("volume path: paths outside the volume or not in shortest form are refused") {
  struct Row {
    std::string name, path, want;
  };
  const Row rows[] = {
      {"empty", "", "invalid path \"\": must not be empty"},
      {"absolute", "/etc/passwd", "invalid path \"/etc/passwd\": must not be absolute"},
      {"root", "/", "invalid path \"/\": must not be absolute"},
      {"parent", "..", "invalid path \"..\": must not contain"},
      {"parent first", "../a", "invalid path \"../a\": must not contain"},
      {"parent inside", "a/../../b", "invalid path \"a/../../b\": must not contain"},
      {"parent last", "a/..", "invalid path \"a/..\": must not contain"},
      {"the writer's own link", "..data", "invalid path \"..data\": must not start with \"..\""},
      {"below the writer's own link", "..data/a", "invalid path \"..data/a\": must not start"},
      {"three dots", "...", "invalid path \"...\": must not start"},
      {"double slash", "a//b", "invalid filepath \"a//b\": must not contain \"//\""},
      {"trailing slash", "a/", "invalid filepath \"a/\": must not contain"},
      {"leading dot element", "./a", "invalid filepath \"./a\": must not contain a \".\""},
      {"dot element inside", "a/./b", "invalid filepath \"a/./b\": must not contain a \".\""},
      {"the directory itself", ".", "invalid filepath \".\": must not contain a \".\""},
      {"NUL", std::string("a\0b", 3), "invalid path \"a\\x00b\": must not contain a NUL"},
      {"long element", std::string(256, 'a'), "invalid path \"aaa"},
      {"long element inside", "a/" + std::string(256, 'b') + "/c", "invalid path \"a/bbb"},
      {"long in all", std::string(4097, '/').replace(0, 1, "a"), "invalid path \"a///"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Status status = CheckVolumePath(row.path);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().code() == ErrorCode::kInvalid);
    CHECK(status.error().message().starts_with(row.want));
    CHECK(status.error().message().size() < 250);
  }
}

}  // namespace
}  // namespace nodekeep
