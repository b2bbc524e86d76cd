#include "tests/fakes/fake_api_server.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "agent/kube/kube_client.h"
#include "tests/fakes/fake_clock.h"

// Each behaviour was first observed on kube-apiserver 1.34 (tests/integration/test_kube.py runs the
// client against the real server).

namespace nodekeep {
namespace {

constexpr char kMaps[] = "/api/v1/namespaces/shop/configmaps";

Json Parse(const std::string& text) { return *ParseJson(text); }

struct Fixture {
  static KubeConnection Connection() {
    KubeConnection connection;
    connection.server = "https://kube.test";
    return connection;
  }
  std::string At(const std::string& name) const { return std::string(kMaps) + "/" + name; }
  Json Map(const std::string& name) { return *server.Object(At(name)); }
  std::string Version(const std::string& name) {
    return *TextOf(Find(Map(name), {"metadata", "resourceVersion"}));
  }
  std::string FieldText(const std::string& name, const std::string& field) {
    const Json map = Map(name);
    const Json* value = field == "data" ? Find(map, {"data"}) : Find(map, {"metadata", field});
    return value == nullptr ? "none" : std::string(GoJson(*value).Reveal());
  }
  // The code of the error; "" on success.
  std::string Apply(const std::string& manager, const std::string& fields, bool force = false) {
    Json body = Parse(fields);
    body["apiVersion"] = "v1";
    body["kind"] = "ConfigMap";
    const Result<Json> applied = kube.Apply(Context(), At("m"), body, manager, force);
    return applied.ok() ? "" : std::string(ErrorCodeName(applied.error().code()));
  }

  FakeClock clock;
  FakeRng rng;
  FakeApiServer server;
  KubeClient kube{server, Connection(), clock, rng, {.retry = {.attempts = 1}}};
};

}  // namespace

TEST_CASE("fake API server: name, version and uid conflicts are refused") {
  Fixture f;
  const Json map = Parse(R"({"metadata":{"name":"m"},"data":{"k":"1"}})");
  const Result<Json> made = f.kube.Create(Context(), kMaps, map);
  REQUIRE(made.ok());
  CHECK(Find(*made, {"data"}) == nullptr);
  CHECK(f.kube.Create(Context(), kMaps, map).error().code() == ErrorCode::kConflict);

  const std::string version = f.Version("m");
  CHECK(f.kube.Update(Context(), f.At("m"), map).ok());
  CHECK(f.Version("m") == version);  // nothing changed
  CHECK(f.kube.MergePatch(Context(), f.At("m"), Parse(R"({"data":{"k":null,"j":"2"}})")).ok());
  CHECK(f.Version("m") != version);
  CHECK(f.FieldText("m", "data") == R"({"j":"2"})");
  Json stale = map;
  stale["metadata"] = Parse(R"({"name":"m","resourceVersion":")" + version + "\"}");
  CHECK(f.kube.Update(Context(), f.At("m"), stale).error().code() == ErrorCode::kConflict);

  CHECK(f.kube.Delete(Context(), f.At("m"), "x").error().code() == ErrorCode::kConflict);
  CHECK(f.kube.Delete(Context(), f.At("m"), "", version).error().code() == ErrorCode::kConflict);
  CHECK(f.kube.Delete(Context(), f.At("m"), *TextOf(Find(*made, {"metadata", "uid"}))).ok());
  CHECK_FALSE(f.server.Object(f.At("m")).has_value());
  CHECK(f.kube.Get(Context(), f.At("m")).error().code() == ErrorCode::kNotFound);
}

TEST_CASE("fake API server: an applied field has managers and is removed with the last one") {
  Fixture f;
  CHECK(f.Apply("one", R"({"data":{"a":"1","b":"1"}})") == "");
  const std::string version = f.Version("m");
  CHECK(f.Apply("one", R"({"data":{"a":"1","b":"1"}})") == "");
  CHECK(f.Version("m") == version);
  CHECK(f.Apply("two", R"({"data":{"a":"1","c":"2"}})") == "");  // the same value is shared
  CHECK(f.Apply("two", R"({"data":{"a":"2","c":"2"}})") == "conflict");
  CHECK(f.FieldText("m", "data") == R"({"a":"1","b":"1","c":"2"})");
  CHECK(f.Apply("two", R"({"data":{"a":"2","c":"2"}})", true) == "");
  CHECK(f.Apply("one", R"({"data":{}})") == "");
  CHECK(f.FieldText("m", "data") == R"({"a":"2","c":"2"})");
  CHECK(f.kube.MergePatch(Context(), f.At("m"), Parse(R"({"data":{"c":"9"}})")).ok());
  CHECK(f.Apply("two", R"({"data":{"a":"2","c":"2"}})") == "conflict");
  CHECK(f.Apply("two", R"({"data":{"a":"2"}})") == "");
  CHECK(f.FieldText("m", "data") == R"({"a":"2","c":"9"})");
}

TEST_CASE("fake API server: owner references are a list keyed by uid") {
  Fixture f;
  const auto owners = [](std::vector<std::string> uids) {
    std::string text;
    for (const std::string& uid : uids) {
      text += (text.empty() ? "" : ",") + fmt::format(R"({{"name":"p","uid":"{}"}})", uid);
    }
    return R"({"metadata":{"name":"m","ownerReferences":[)" + text + "]}}";
  };
  CHECK(f.Apply("node1", owners({"u1", "u2"})) == "");
  CHECK(f.Apply("node2", owners({"u3"})) == "");
  CHECK(f.Apply("node1", owners({"u2"})) == "");
  CHECK(f.FieldText("m", "ownerReferences") ==
        R"([{"name":"p","uid":"u2"},{"name":"p","uid":"u3"}])");

  const Json owner = f.server.PutText(kMaps, R"({"metadata":{"name":"owner"}})");
  CHECK(f.Apply("node2", owners({*TextOf(Find(owner, {"metadata", "uid"}))})) == "");
  f.server.CollectGarbage();
  CHECK(f.server.Object(f.At("m")).has_value());
  f.server.Remove(f.At("owner"));
  f.server.CollectGarbage();
  CHECK_FALSE(f.server.Object(f.At("m")).has_value());
}

TEST_CASE("fake API server: lists apply selectors, and their pages are one snapshot") {
  Fixture f;
  f.server.PutText(kMaps, R"({"metadata":{"name":"a","labels":{"app":"web","tier":"1"}}})");
  f.server.PutText(kMaps, R"({"metadata":{"name":"b","labels":{"app":"db"}}})");
  f.server.PutText("/api/v1/namespaces/other/configmaps", R"({"metadata":{"name":"c"}})");
  struct Row {
    std::string path, labels, fields;
    std::size_t want;
  };
  const Row rows[] = {
      {kMaps, "", "", 2},
      {"/api/v1/configmaps", "", "", 3},
      {kMaps, "app=web", "", 1},
      {kMaps, "app==db", "", 1},
      {kMaps, "app!=web", "", 1},
      {"/api/v1/configmaps", "app!=web", "", 2},
      {kMaps, "tier", "", 1},
      {kMaps, "!tier", "", 1},
      {kMaps, "app=web,tier=2", "", 0},
      {kMaps, "", "metadata.name=b", 1},
      {"/api/v1/configmaps", "", "metadata.namespace=other", 1},
  };
  for (const Row& row : rows) {
    INFO(row.path << " " << row.labels << " " << row.fields);
    std::string path = row.path;
    if (!row.labels.empty()) AddQuery(path, "labelSelector", row.labels);
    Result<std::vector<Json>> found =
        f.kube.List(Context(), {.path = path, .field_selector = row.fields});
    REQUIRE(found.ok());
    CHECK(found->size() == row.want);
  }

  const Result<Json> page = f.kube.Get(Context(), std::string(kMaps) + "?limit=1");
  f.server.Remove(f.At("b"));
  const std::string next = *TextOf(Find(*page, {"metadata", "continue"}));
  const Result<Json> rest = f.kube.Get(
      Context(), std::string(kMaps) + "?limit=1&continue=" + next.substr(0, next.find('/')) +
                     "%2F" + next.substr(next.find('/') + 1));
  REQUIRE(rest.ok());
  CHECK(TextOf(Find(*rest, {"items", "0", "metadata", "name"})) == "b");
}

}  // namespace nodekeep
