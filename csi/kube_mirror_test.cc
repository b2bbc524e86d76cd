#include "csi/kube_mirror.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

using Http = FakeHttpClient;

const std::string kHost = "https://kube.test";

std::string Trouble(int code, const std::string& reason) {
  return fmt::format(R"({{"kind":"Status","code":{},"reason":"{}","message":"words"}})", code,
                     reason);
}

// A node with one pod, web-0.
class OnePod final : public PodSource {
 public:
  Result<std::shared_ptr<const PodsByUid>> OnNode(const Context&) override {
    auto pods = std::make_shared<PodsByUid>();
    (*pods)["u1"].owners = owners;
    return std::shared_ptr<const PodsByUid>(std::move(pods));
  }

  std::vector<OwnerReference> owners{{"apps/v1", "ReplicaSet", "web-1", "r1"}};
};

SecretProviderClass Class(const std::string& secret_objects) {
  SecretProviderClass spc;
  spc.namespace_name = "shop";
  spc.name = "app";
  spc.uid = "c1";
  spc.secret_objects = *ParseJson(secret_objects);
  return spc;
}

const std::string kOne =
    R"([{"secretName":"app-db","type":"Opaque","data":[{"objectName":"a/b","key":"k"}]}])";

Volume WebVolume(const std::string& root = "/k") {
  Volume volume;
  volume.namespace_name = "shop";
  volume.pod = "web-0";
  volume.pod_uid = "u1";
  volume.class_name = "app";
  volume.target_path = root + "/pods/u1/volumes/kubernetes.io~csi/v/mount";
  return volume;
}

VolumeContent Content() {
  VolumeContent content;
  content.bundle.files.push_back({"a/b", 0644, SecretBytes("v")});
  content.bundle.versions.push_back({"a/b", "1"});
  return content;
}

struct Fixture {
  explicit Fixture(int status_code = 201) {
    http.On("POST", kHost + "/apis/secrets-store.csi.x-k8s.io/*",
            {Http::Respond(status_code, status_code == 201 ? R"({"metadata":{"uid":"s1"}})"
                                                           : Trouble(status_code, "Forbidden"))});
    http.On("GET", kHost + "/api/v1/namespaces/shop/secrets/*",
            {Http::Respond(404, Trouble(404, "NotFound"))});
    http.On("PATCH", kHost + "/api/v1/namespaces/shop/secrets/*",
            {Http::Respond(200, R"({"metadata":{"uid":"x1"}})")});
  }
  std::vector<std::string> Calls() const {
    std::vector<std::string> calls;
    for (const Http::RecordedRequest& seen : http.Requests()) {
      const std::size_t slash = seen.url.rfind('/');
      calls.push_back(seen.method + " " +
                      seen.url.substr(slash + 1, seen.url.find('?') - slash - 1));
    }
    return calls;
  }
  std::string LastBody() const { return http.Requests().back().body; }

  FakeHttpClient http;
  FakeClock clock;
  FakeRng rng;
  OnePod pods;
  KubeClient kube{http,
                  {.server = kHost, .tls = {}, .token = {}, .token_file = {}, .source = "k"},
                  clock,
                  rng,
                  {.retry = {.attempts = 1}}};
  KubeMirror mirror{{.node_name = "n1"}, kube, pods, clock};
};

TEST_CASE("mirror: Converge writes status and Secrets; repeating it sends no request") {
  Fixture fixture;
  REQUIRE(fixture.mirror.Converge(Context(), WebVolume(), Class(kOne), Content()).ok());
  CHECK(fixture.Calls() == std::vector<std::string>{"POST secretproviderclasspodstatuses",
                                                    "GET app-db", "PATCH app-db", "PATCH app-db"});
  CHECK(fixture.LastBody().find(
            R"("ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-1",)"
            R"("uid":"r1"}])") != std::string::npos);
  REQUIRE(fixture.mirror.Converge(Context(), WebVolume(), Class(kOne), Content()).ok());
  CHECK(fixture.http.Count() == 4);
}

TEST_CASE("mirror: the Secrets of a pod without owners are owned by its status") {
  Fixture fixture;
  fixture.pods.owners.clear();
  REQUIRE(fixture.mirror.Converge(Context(), WebVolume(), Class(kOne), Content()).ok());
  CHECK(fixture.LastBody().find(
            R"("kind":"SecretProviderClassPodStatus","name":"web-0-shop-app","uid":"s1"}])") !=
        std::string::npos);
}

TEST_CASE("mirror: a class without secretObjects writes the status only") {
  for (const char* none : {"null", "[]"}) {
    INFO(none);
    Fixture fixture;
    REQUIRE(fixture.mirror.Converge(Context(), WebVolume(), Class(none), Content()).ok());
    CHECK(fixture.http.Count() == 1);
  }
}

TEST_CASE("mirror: one failure does not prevent the rest, and all are reported") {
  Fixture fixture(403);
  const std::string objects =
      R"([{"secretName":"bad","type":"Opaque","data":[{"objectName":"x","key":"k"}]},)" +
      kOne.substr(1);
  const Status status = fixture.mirror.Converge(Context(), WebVolume(), Class(objects), Content());
  REQUIRE(!status.ok());
  const std::string& text = status.error().message();
  CHECK(text.starts_with("file matching objectName x not found in the pod"));
  CHECK(text.find("; SecretProviderClassPodStatus shop/web-0-shop-app: kubernetes: POST ") !=
        std::string::npos);
  CHECK(fixture.Calls().back() == "PATCH app-db");
}

TEST_CASE("mirror: the key of an absent optional file is left out, and the rest is written") {
  Fixture fixture;
  const std::string objects =
      R"([{"secretName":"app-db","type":"Opaque","data":[{"objectName":"a/b","key":"k"},)"
      R"({"objectName":"later","key":"l"}]}])";
  VolumeContent content = Content();
  content.bundle.absent = {"later"};
  const Status status = fixture.mirror.Converge(Context(), WebVolume(), Class(objects), content);
  INFO((status.ok() ? "" : status.error().message()));
  REQUIRE(status.ok());
  CHECK(fixture.http.Requests()[2].body.find(R"("data":{"k":"dg=="})") != std::string::npos);
}

TEST_CASE("mirror: files that a provider wrote itself are read from the volume") {
  Fixture fixture;
  const TempDir root;
  const Volume volume = WebVolume(root.path());
  root.Write("pods/u1/volumes/kubernetes.io~csi/v/mount/a/b", "theirs");
  VolumeContent content = Content();
  content.bundle.files.clear();
  content.untouched = true;
  REQUIRE(fixture.mirror.Converge(Context(), volume, Class(kOne), content).ok());
  CHECK(fixture.http.Requests()[2].body.find(R"("data":{"k":"dGhlaXJz"})") != std::string::npos);
}

TEST_CASE(
    "mirror: a file that cannot be read is an error, its Secret stays claimed, the others are "
    "written") {
  const std::string objects =
      R"([{"secretName":"other","type":"Opaque","data":[{"objectName":"unreadable","key":"k"}]},)" +
      kOne.substr(1);
  struct Row {
    std::string name;
    std::function<void(const std::string& path)> make;
    std::string want;
  };
  const Row rows[] = {
      {"EIO", [](const auto& path) { std::filesystem::create_symlink("/proc/self/mem", path); },
       "Input/output error"},
      {"a pipe", [](const auto& path) { REQUIRE(mkfifo(path.c_str(), 0600) == 0); },
       "not a regular file"},
      {"more than a volume has",
       [](const auto& path) {
         std::ofstream(path) << "x";
         std::filesystem::resize_file(path, 33 << 20);
       },
       "the files of the volume are more than 33554432 bytes together"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    const TempDir root;
    const Volume volume = WebVolume(root.path());
    root.Write("pods/u1/volumes/kubernetes.io~csi/v/mount/a/b", "theirs");
    const std::string path = volume.target_path + "/unreadable";
    row.make(path);
    VolumeContent content = Content();
    content.bundle.files.clear();
    content.untouched = true;
    const Status mirrored = fixture.mirror.Converge(Context(), volume, Class(objects), content);
    REQUIRE_FALSE(mirrored.ok());
    CHECK(mirrored.error().message().starts_with(
        "read " + path + ": " + row.want +
        "; file matching objectName unreadable not found in the pod"));
    CHECK(fixture.Calls() == std::vector<std::string>{"POST secretproviderclasspodstatuses",
                                                      "GET other", "GET app-db", "PATCH app-db",
                                                      "PATCH app-db"});
    CHECK(fixture.http.Requests()[3].body.find(R"("data":{"k":"dGhlaXJz"})") != std::string::npos);
    // A Secret without claims is deleted a minute after its last claim was released.
    fixture.clock.Advance(std::chrono::hours(1));
    CHECK(fixture.mirror.Sweep(Context()).empty());
    CHECK(fixture.http.Count() == 5);
    fixture.mirror.Forget(volume.target_path);
    fixture.clock.Advance(std::chrono::minutes(1));
    CHECK(fixture.mirror.Sweep(Context()).empty());
    const std::vector<std::string> calls = fixture.Calls();
    CHECK(std::count(calls.begin(), calls.end(), "GET other") == 2);
  }
}

TEST_CASE("mirror: a volume found after a restart keeps its Secret until it is unpublished") {
  Fixture fixture;
  fixture.mirror.Recover(WebVolume(), Class(kOne));
  fixture.clock.Advance(std::chrono::hours(1));
  CHECK(fixture.mirror.Sweep(Context()).empty());
  CHECK(fixture.http.Count() == 0);
  fixture.mirror.Forget(WebVolume().target_path);
  fixture.clock.Advance(std::chrono::minutes(1));
  CHECK(fixture.mirror.Sweep(Context()).empty());
  CHECK(fixture.Calls() == std::vector<std::string>{"GET app-db"});
}

}  // namespace
}  // namespace nodekeep
