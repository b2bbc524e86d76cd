#include "csi/volume_scan.h"

#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <functional>
#include <map>

#include "tests/fakes/fake_mounter.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

constexpr char kOurs[] = R"({"driverName":"d","volumeHandle":"csi-1"})";

// The volumes of a node, one pod each.
struct Node {
  // Makes a mounted volume with content. Returns the path for its vol_data.json.
  std::string Volume(const std::string& pod) {
    const std::string volume = dir / ("pods/" + pod + "/volumes/kubernetes.io~csi/secrets");
    REQUIRE(mounter.Mount(volume + "/mount", {}).ok());
    std::ofstream(volume + "/mount/db") << "user=alice";
    return volume + "/vol_data.json";
  }
  void WithData(const std::string& pod, const std::string& text) {
    std::ofstream(Volume(pod)) << text;
  }
  std::vector<std::string> Pods() {
    const auto on_unreadable = [this](const std::string& path, const Error& error) {
      unreadable[path] = error.message();
    };
    std::vector<std::string> pods;
    for (const FoundVolume& found : ScanVolumes(dir.path(), "d", mounter, on_unreadable)) {
      pods.push_back(found.pod_uid);
    }
    return pods;
  }

  TempDir dir;
  FakeMounter mounter;
  std::map<std::string, std::string> unreadable;
};

TEST_CASE("volume scan: an unreadable vol_data.json does not affect other volumes") {
  struct Row {
    std::string name;
    std::function<void(const std::string& path)> make;
    std::string want;
  };
  const Row rows[] = {
      {"a directory", [](const std::string& path) { std::filesystem::create_directory(path); },
       "Is a directory"},
      {"EIO",
       [](const std::string& path) { std::filesystem::create_symlink("/proc/self/mem", path); },
       "Input/output error"},
      {"a pipe", [](const std::string& path) { REQUIRE(mkfifo(path.c_str(), 0600) == 0); },
       "not a regular file"},
      {"100 MB",
       [](const std::string& path) {
         std::ofstream(path) << kOurs;
         std::filesystem::resize_file(path, 100'000'000);
       },
       "larger than 1 MiB"},
      {"cut short", [](const std::string& path) { std::ofstream(path) << R"({"driverNa)"; }, ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Node node;
    node.WithData("good", kOurs);
    const std::string path = node.Volume("bad");
    row.make(path);
    CHECK(node.Pods() == std::vector<std::string>{"good"});
    REQUIRE(node.unreadable.size() == 1);
    CHECK(node.unreadable.begin()->first == path);
    CHECK(node.unreadable.begin()->second.starts_with("read " + path + ": " + row.want));
  }
}

TEST_CASE("volume scan: what is not a volume of this driver is skipped silently") {
  Node node;
  node.WithData("good", kOurs);
  node.WithData("theirs", R"({"driverName":"ebs","volumeHandle":"v"})");
  (void)node.Volume("without-data");
  std::filesystem::create_directories(node.dir / "pods/none/volumes");
  CHECK(node.Pods() == std::vector<std::string>{"good"});
  CHECK(node.unreadable.empty());
}

}  // namespace
TEST_CASE("volume scan: attributes in the pod spec do not override kubelet's") {
  PodFacts pod;
  pod.namespace_name = "shop";
  pod.name = "web-0";
  pod.uid = "u1";
  pod.volumes["secrets"] = {.driver = "d",
                            .attributes = {{"secretProviderClass", "app"},
                                           {"region", "us"},
                                           {"csi.storage.k8s.io/pod.name", "other"},
                                           {"csi.storage.k8s.io/serviceAccount.name", "other"},
                                           {"csi.storage.k8s.io/serviceAccount.tokens", "{}"}}};
  const VolumePtr volume = RecoverVolume(
      {.id = "csi-1", .target_path = "/t", .pod_uid = "u1", .name = "secrets"}, pod, "d");
  REQUIRE(volume != nullptr);
  CHECK(volume->attributes ==
        std::map<std::string, std::string>{{"csi.storage.k8s.io/ephemeral", "true"},
                                           {"csi.storage.k8s.io/pod.name", "web-0"},
                                           {"csi.storage.k8s.io/pod.namespace", "shop"},
                                           {"csi.storage.k8s.io/pod.uid", "u1"},
                                           {"region", "us"},
                                           {"secretProviderClass", "app"}});
}

}  // namespace nodekeep
