#include "csi/pod_status.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep {
namespace {

using Http = FakeHttpClient;

const std::string kCollection =
    "https://kube.test/apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/"
    "secretproviderclasspodstatuses";

PodStatus Web(std::vector<ObjectVersion> objects, const std::string& volume = "v") {
  return {"shop", "web-0", "u1",
          "app",  volume,  "/k/pods/u1/volumes/kubernetes.io~csi/" + volume + "/mount",
          objects};
}

std::string Trouble(int code, const std::string& reason) {
  return fmt::format(R"({{"kind":"Status","code":{},"reason":"{}","message":"words"}})", code,
                     reason);
}

// The stored form of Web({{"a","1"}}).
std::string Kept(const std::string& labels, const std::string& volume = "v") {
  return R"({"apiVersion":"secrets-store.csi.x-k8s.io/v1","kind":"SecretProviderClassPodStatus",)"
         R"("metadata":{"labels":)" +
         labels +
         R"(,"name":"web-0-shop-app","ownerReferences":[{"apiVersion":"v1","kind":"Pod",)"
         R"("name":"web-0","uid":"u1"}],"resourceVersion":"7","uid":"s1"},"status":{"mounted":true,)"
         R"("objects":[{"id":"a","version":"1"}],"podName":"web-0","secretProviderClassName":"app",)"
         R"("targetPath":"/k/pods/u1/volumes/kubernetes.io~csi/)" +
         volume + R"(/mount"}})";
}

const std::string kLabels = R"({"internal.secrets-store.csi.k8s.io/node-name":"n1"})";

struct Fixture {
  FakeHttpClient http;
  FakeClock clock;
  FakeRng rng;
  KubeClient kube{
      http,
      {.server = "https://kube.test", .tls = {}, .token = {}, .token_file = {}, .source = "k"},
      clock,
      rng,
      {.retry = {.attempts = 1}}};
  PodStatusWriter writer{kube, "n1"};

  std::vector<std::string> Methods() const {
    std::vector<std::string> methods;
    for (const Http::RecordedRequest& seen : http.Requests()) methods.push_back(seen.method);
    return methods;
  }
};

TEST_CASE("pod status: the first write is one request, and names pod, class and sorted objects") {
  Fixture fixture;
  fixture.http.On("POST", kCollection, {Http::Respond(201, R"({"metadata":{"uid":"s1"}})")});
  Result<OwnerReference> owner = fixture.writer.Write(Context(), Web({{"b", "2"}, {"a", "1"}}));
  REQUIRE(owner.ok());
  CHECK(*owner == OwnerReference{"secrets-store.csi.x-k8s.io/v1", "SecretProviderClassPodStatus",
                                 "web-0-shop-app", "s1"});
  REQUIRE(fixture.http.Count() == 1);
  CHECK(fixture.http.Requests()[0].body ==
        R"({"apiVersion":"secrets-store.csi.x-k8s.io/v1","kind":"SecretProviderClassPodStatus",)"
        R"("metadata":{"labels":)" +
            kLabels +
            R"(,"name":"web-0-shop-app","ownerReferences":[{"apiVersion":"v1","kind":"Pod",)"
            R"("name":"web-0","uid":"u1"}]},"status":{"mounted":true,)"
            R"("objects":[{"id":"a","version":"1"},{"id":"b","version":"2"}],"podName":"web-0",)"
            R"("secretProviderClassName":"app",)"
            R"("targetPath":"/k/pods/u1/volumes/kubernetes.io~csi/v/mount"}})");
}

// Upstream wrote on every effective publish.
TEST_CASE("pod status: an unchanged status is not written, not even after a restart") {
  Fixture fixture;
  fixture.http.On("POST", kCollection, {Http::Respond(409, Trouble(409, "AlreadyExists"))});
  fixture.http.On("GET", kCollection + "/web-0-shop-app", {Http::Respond(200, Kept(kLabels))});
  fixture.http.On("PUT", kCollection + "/web-0-shop-app",
                  {Http::Respond(200, R"({"metadata":{"uid":"s1"}})")});
  REQUIRE(fixture.writer.Write(Context(), Web({{"a", "1"}})).ok());
  CHECK(fixture.Methods() == std::vector<std::string>{"POST", "GET"});
  REQUIRE(fixture.writer.Write(Context(), Web({{"a", "1"}})).ok());
  CHECK(fixture.http.Count() == 2);
  REQUIRE(fixture.writer.Write(Context(), Web({{"a", "2"}})).ok());
  CHECK(fixture.Methods().back() == "PUT");
  const std::string body = fixture.http.Requests().back().body;
  CHECK(body.find(R"("resourceVersion":"7")") != std::string::npos);
  CHECK(body.find(R"("objects":[{"id":"a","version":"2"}])") != std::string::npos);
}

// Upstream gave both volumes one status, whose target path flipped.
TEST_CASE("pod status: a second volume of the class in one pod has a status of its own") {
  Fixture fixture;
  fixture.http.On("POST", kCollection,
                  {Http::Respond(409, Trouble(409, "AlreadyExists")),
                   Http::Respond(201, R"({"metadata":{"uid":"s2"}})")});
  fixture.http.On("GET", kCollection + "/web-0-shop-app",
                  {Http::Respond(200, Kept(kLabels, "other"))});
  Result<OwnerReference> owner = fixture.writer.Write(Context(), Web({{"a", "1"}}));
  REQUIRE(owner.ok());
  CHECK(owner->name == "web-0-shop-app-v");
  CHECK(fixture.Methods() == std::vector<std::string>{"POST", "GET", "POST"});
}

// Upstream assumed that the labels exist.
TEST_CASE("pod status: removed labels are restored") {
  for (const char* labels : {"null", "{}", "\"text\""}) {
    INFO(labels);
    Fixture fixture;
    fixture.http.On("POST", kCollection, {Http::Respond(409, Trouble(409, "AlreadyExists"))});
    fixture.http.On("GET", kCollection + "/web-0-shop-app", {Http::Respond(200, Kept(labels))});
    fixture.http.On("PUT", kCollection + "/web-0-shop-app",
                    {Http::Respond(200, R"({"metadata":{"uid":"s1"}})")});
    REQUIRE(fixture.writer.Write(Context(), Web({{"a", "1"}})).ok());
    CHECK(fixture.Methods() == std::vector<std::string>{"POST", "GET", "PUT"});
    CHECK(fixture.http.Requests().back().body == Kept(kLabels));
  }
}

TEST_CASE("pod status: the status of an earlier pod of the name is replaced by a new object") {
  Fixture fixture;
  std::string gone = Kept(kLabels);
  gone.replace(gone.find("\"uid\":\"u1\""), 10, "\"uid\":\"u0\"");
  fixture.http.On("POST", kCollection,
                  {Http::Respond(409, Trouble(409, "AlreadyExists")),
                   Http::Respond(201, R"({"metadata":{"uid":"s2"}})")});
  fixture.http.On("GET", kCollection + "/web-0-shop-app", {Http::Respond(200, gone)});
  fixture.http.On("DELETE", kCollection + "/web-0-shop-app", {Http::Respond(200, "{}")});
  Result<OwnerReference> owner = fixture.writer.Write(Context(), Web({{"a", "1"}}));
  REQUIRE(owner.ok());
  CHECK(owner->uid == "s2");
  CHECK(fixture.Methods() == std::vector<std::string>{"POST", "GET", "DELETE", "POST"});
  CHECK(fixture.http.Requests()[2].body.find(R"("uid":"s1")") != std::string::npos);
}

TEST_CASE("pod status: a write that conflicts with another one reads the status again") {
  Fixture fixture;
  fixture.http.On("POST", kCollection, {Http::Respond(409, Trouble(409, "AlreadyExists"))});
  fixture.http.On("GET", kCollection + "/web-0-shop-app", {Http::Respond(200, Kept("null"))});
  fixture.http.On("PUT", kCollection + "/web-0-shop-app",
                  {Http::Respond(409, Trouble(409, "Conflict")),
                   Http::Respond(200, R"({"metadata":{"uid":"s1"}})")});
  REQUIRE(fixture.writer.Write(Context(), Web({{"a", "1"}})).ok());
  CHECK(fixture.Methods() == std::vector<std::string>{"POST", "GET", "PUT", "GET", "PUT"});
}

TEST_CASE("pod status: the error of a refused write names the object") {
  Fixture fixture;
  fixture.http.On("POST", kCollection, {Http::Respond(403, Trouble(403, "Forbidden"))});
  Result<OwnerReference> owner = fixture.writer.Write(Context(), Web({}));
  REQUIRE(!owner.ok());
  CHECK(owner.error().message().starts_with(
      "SecretProviderClassPodStatus shop/web-0-shop-app: kubernetes: POST "));
}

}  // namespace
}  // namespace nodekeep
