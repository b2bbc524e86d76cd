#include "csi/volume_registry.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <vector>

namespace nodekeep {
namespace {

using Paths = std::vector<std::string>;

VolumePtr VolumeOf(const std::string& path, const std::string& class_name,
                   const std::string& namespace_name = "shop") {
  auto volume = std::make_shared<Volume>();
  volume->target_path = path;
  volume->class_name = class_name;
  volume->namespace_name = namespace_name;
  return volume;
}

}  // namespace

TEST_CASE("volume registry: the volumes of a class are those whose latest request names it") {
  VolumeRegistry registry;
  CHECK_FALSE(registry.Put(VolumeOf("/1", "app")));
  CHECK_FALSE(registry.Recover(VolumeOf("/2", "app")));
  CHECK_FALSE(registry.Put(VolumeOf("/3", "app", "other")));
  CHECK_FALSE(registry.Put(VolumeOf("/4", "db")));
  CHECK(registry.PathsOfClass("shop", "app") == Paths{"/1", "/2"});
  CHECK(registry.PathsOfClass("other", "app") == Paths{"/3"});
  CHECK(registry.PathsOfClass("other", "db").empty());
  CHECK(registry.Put(VolumeOf("/1", "app")));  // the same again
  CHECK(registry.Put(VolumeOf("/1", "db")));
  CHECK(registry.Recover(VolumeOf("/4", "app")));  // known, so unchanged
  CHECK(registry.PathsOfClass("shop", "app") == Paths{"/2"});
  CHECK(registry.PathsOfClass("shop", "db") == Paths{"/1", "/4"});
  registry.Remove("/2");
  registry.Remove("/none");
  CHECK(registry.PathsOfClass("shop", "app").empty());
  CHECK(registry.List().size() == 3);
}

TEST_CASE("volume registry: a new request keeps the state, and only a known volume has one") {
  VolumeRegistry registry;
  registry.Put(VolumeOf("/1", "app"));
  const auto fail = [](VolumeState& state) { state.error = "no answer"; };
  registry.Update("/1", fail);
  registry.Update("/2", fail);
  registry.Put(VolumeOf("/1", "db"));
  REQUIRE(registry.Find("/1"));
  CHECK(registry.Find("/1")->state.error == "no answer");
  CHECK(registry.Find("/1")->volume->class_name == "db");
  CHECK_FALSE(registry.Find("/2"));
}

}  // namespace nodekeep
