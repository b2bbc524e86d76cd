#include "agent/sink/live_secret.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {
namespace {

Json Parsed(const std::string& text) {
  Result<Json> json = ParseJson(text);
  if (!json.ok()) FAIL(json.error().message());
  return *json;
}

const char* const kManager = "nodekeep/app";

KubeSecret App() {
  KubeSecret secret;
  secret.name = "app";
  secret.type = "Opaque";
  secret.labels = {{"secrets-store.csi.k8s.io/managed", "true"}};
  secret.annotations = {{"team", "shop"}};
  secret.data.emplace("k", SecretBytes("v"));
  return secret;
}

// From API server 1.34: content by "nodekeep/app", owner a by nodes 1 and 2, owner b by node 2.
const char* const kShared = R"({"apiVersion":"v1","kind":"Secret","type":"Opaque",
  "metadata":{"name":"app","namespace":"shop","uid":"u1","resourceVersion":"7",
    "labels":{"secrets-store.csi.k8s.io/managed":"true","foreign":"x"},
    "annotations":{"team":"shop"},
    "ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"b","uid":"b"},
                       {"apiVersion":"v1","kind":"ConfigMap","name":"a","uid":"a"}],
    "managedFields":[
      {"manager":"nodekeep/app","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":
        {"f:data":{"f:k":{}},"f:metadata":{"f:annotations":{"f:team":{}},
         "f:labels":{"f:secrets-store.csi.k8s.io/managed":{}}},"f:type":{}}},
      {"manager":"nodekeep:n1/app","operation":"Apply","fieldsV1":
        {"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"a\"}":{}}}}},
      {"manager":"nodekeep:n2/app","operation":"Apply","fieldsV1":
        {"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"a\"}":{},"k:{\"uid\":\"b\"}":{}}}}}]},
  "data":{"k":"dg=="}})";

TEST_CASE("live secret: the owners of each node are distinguished") {
  const LiveSecret live(Parsed(kShared));
  CHECK(live.uid() == "u1");
  CHECK(live.resource_version() == "7");
  const OwnerReference a{"v1", "ConfigMap", "a", "a"};
  const OwnerReference b{"v1", "ConfigMap", "b", "b"};
  CHECK(live.owners() == std::vector<OwnerReference>{a, b});
  CHECK(live.OwnersNamedBy("nodekeep:n1/app") == std::vector<OwnerReference>{a});
  CHECK(live.OwnersNamedBy("nodekeep:n2/app") == std::vector<OwnerReference>{a, b});
  CHECK(live.OwnersNamedBy("nodekeep:n3/app").empty());
  CHECK(live.OwnersOfClass("app") == std::vector<OwnerReference>{a, b});
  CHECK(live.OwnersOfClass("app", "nodekeep:n2/app") == std::vector<OwnerReference>{a});
  CHECK(live.OwnersOfClass("ap").empty());
  CHECK(live.HasOwnersBesides({"nodekeep:n1/app"}));
  CHECK(live.HasOwnersBesides({"nodekeep:n2/app"}));
  CHECK_FALSE(live.HasOwnersBesides({"nodekeep:n1/app", "nodekeep:n2/app"}));
}

TEST_CASE("live secret: HasOwnersBesides is false if no other manager has set an owner") {
  struct Row {
    std::string name, owners, entries;
    bool want;
  };
  const std::string a = R"({"apiVersion":"v1","kind":"Pod","name":"a","uid":"a"})";
  const std::string mine =
      R"({"manager":"nodekeep:n1/app","fieldsV1":{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"a\"}":{}}}}})";
  const std::string upstream =
      R"({"manager":"secrets-store-csi-driver","fieldsV1":{"f:metadata":{"f:ownerReferences":{".":{},"k:{\"uid\":\"a\"}":{}}}}})";
  const Row rows[] = {
      {"no owner", "", mine, true},
      {"set by this node", a, mine, true},
      {"set by this node and upstream", a, mine + "," + upstream, false},
      {"set by upstream", a, upstream, false},
      {"set by no manager", a, "", false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const LiveSecret live(Parsed(R"({"metadata":{"ownerReferences":[)" + row.owners +
                                 R"(],"managedFields":[)" + row.entries + "]}}"));
    CHECK(live.HasOwnersBesides({"nodekeep:n1/app"}) != row.want);
  }
}

TEST_CASE("live secret: Holds is true for the complete content without other keys") {
  struct Row {
    std::string name, from, to;
    bool want;
  };
  const Row rows[] = {
      {"as written", "", "", true},
      {"a foreign label", "\"foreign\":\"x\"", "\"other\":\"y\"", true},
      {"another value", "\"dg==\"", "\"dw==\"", false},
      {"another type", "\"type\":\"Opaque\"", "\"type\":\"other\"", false},
      {"an extra key", "\"data\":{", "\"data\":{\"l\":\"\",", false},
      {"no data", "\"data\":", "\"gone\":", false},
      {"label changed", "managed\":\"true\",\"foreign", "managed\":\"no\",\"foreign", false},
      {"annotation gone", "\"annotations\":{\"team\"", "\"annotations\":{\"crew\"", false},
  };
  const Json body = ContentBody(App(), {});
  for (const Row& row : rows) {
    INFO(row.name);
    std::string text = kShared;
    const std::size_t at = text.rfind(row.from);
    REQUIRE(at != std::string::npos);
    text.replace(at, row.from.size(), row.to);
    CHECK(LiveSecret(Parsed(text)).Holds(body, kManager) == row.want);
  }
}

TEST_CASE("live secret: IsUntouched is true while agents manage every field of the content") {
  const Json body = ContentBody(App(), {});
  CHECK(LiveSecret(Parsed(kShared)).IsUntouched(body, kManager));
  // What the API server does to managedFields when another client sets the field.
  for (const char* field : {"\"f:k\"", "\"f:team\"", "\"f:secrets-store.csi.k8s.io/managed\""}) {
    INFO(field);
    std::string text = kShared;
    text.replace(text.find(field), 3, "\"f:gone-");
    CHECK_FALSE(LiveSecret(Parsed(text)).IsUntouched(body, kManager));
  }
}

TEST_CASE("live secret: the token that Kubernetes adds is not an extra key") {
  KubeSecret secret = App();
  const Json body = ContentBody(secret, {});
  const std::string data = R"("data":{"k":"dg==","token":"dA=="}})";
  CHECK(LiveSecret(Parsed(R"({"type":"kubernetes.io/service-account-token",)" + data))
            .ExtraKeys(body, kManager)
            .empty());
  CHECK(LiveSecret(Parsed(R"({"type":"Opaque",)" + data)).ExtraKeys(body, kManager) ==
        std::vector<std::string>{"token"});
}

TEST_CASE("live secret: label, managers and annotations determine who created it") {
  struct Row {
    std::string name, metadata;
    bool mirror, offered, foreign_maker, kept;
  };
  const Row rows[] = {
      {"bare", R"({})", false, false, false, false},
      {"label", R"({"labels":{"secrets-store.csi.k8s.io/managed":"true"}})", true, false, false,
       false},
      {"label with another value", R"({"labels":{"secrets-store.csi.k8s.io/managed":"false"}})",
       false, false, false, false},
      {"our manager", R"({"managedFields":[{"manager":"nodekeep/app","fieldsV1":{"f:type":{}}}]})",
       true, false, false, false},
      {"only a node manager", R"({"managedFields":[{"manager":"nodekeep:n1/app","fieldsV1":{}}]})",
       false, false, false, false},
      {"kubectl",
       R"({"managedFields":[{"manager":"kubectl","fieldsV1":{"f:data":{},"f:type":{}}}]})", false,
       false, true, false},
      {"a name like ours",
       R"({"managedFields":[{"manager":"nodekeeper","fieldsV1":{"f:type":{}}}]})", false, false,
       true, false},
      {"kubectl added a label",
       R"({"managedFields":[{"manager":"kubectl","fieldsV1":{"f:metadata":{}}}]})", false, false,
       false, false},
      {"offered", R"({"annotations":{"nodekeep/adopt":"true"}})", false, true, false, false},
      {"not offered", R"({"annotations":{"nodekeep/adopt":"no"}})", false, false, false, false},
      {"kept", R"({"annotations":{"nodekeep/deletionPolicy":"Retain"}})", false, false, false,
       true},
      {"not kept", R"({"annotations":{"nodekeep/deletionPolicy":"Delete"}})", false, false, false,
       false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const LiveSecret live(Parsed(R"({"metadata":)" + row.metadata + "}"));
    CHECK(live.IsMirror() == row.mirror);
    CHECK(live.IsOfferedForAdoption() == row.offered);
    CHECK(live.HasForeignMaker() == row.foreign_maker);
    CHECK(live.IsKept() == row.kept);
  }
}

TEST_CASE("live secret: a claim body has a uid, so that applying it never creates a Secret") {
  CHECK(GoJson(ContentBody(App(), {})).Reveal() ==
        R"({"apiVersion":"v1","data":{"k":"dg=="},"kind":"Secret","metadata":{"annotations":)"
        R"({"team":"shop"},"labels":{"secrets-store.csi.k8s.io/managed":"true"},"name":"app"},)"
        R"("type":"Opaque"})");
  CHECK(GoJson(ClaimBody("app", "u1", {{"apps/v1", "ReplicaSet", "web-1", "r1"}})).Reveal() ==
        R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"app","ownerReferences":)"
        R"([{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-1","uid":"r1"}],"uid":"u1"}})");
}

TEST_CASE("live secret: a manager names one node and one class and has at most 128 bytes") {
  CHECK(ClassMark("app") == "app");
  CHECK(ContentManager("app") == "nodekeep/app");
  CHECK(ClaimManager("node1", "app") == "nodekeep:node1/app");
  CHECK(OldClaimManager("node1") == "nodekeep:node1");
  const std::string longest(253, 'n');
  const std::string left = ClassMark(longest.substr(1) + "1");
  const std::string right = ClassMark(longest.substr(1) + "2");
  CHECK(left != right);
  CHECK(left.size() == right.size());
  // No class has the name that a shortened one has.
  CHECK(left.find('~') != std::string::npos);
  CHECK(ClassMark(std::string(59, 'c')) == std::string(59, 'c'));
  CHECK(ClassMark(std::string(60, 'c')).size() == 59);
  CHECK(ClaimManager(longest, left).size() == 128);
  CHECK(ClaimManager(longest + "1", left) != ClaimManager(longest + "2", left));
  CHECK(OldClaimManager(longest).size() == 128);
}

// The upstream driver treated owners of the same name as the same owner.
TEST_CASE("owners: owners are distinguished by uid, flags are dropped") {
  const Json pod = Parsed(R"({"metadata":{"ownerReferences":[
      {"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"2","controller":true,
       "blockOwnerDeletion":true},
      {"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"1"},
      {"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"2"},
      {"kind":"ReplicaSet","name":"no uid"}]}})");
  CHECK(GoJson(ToJson(OwnersOf(pod))).Reveal() ==
        R"([{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"1"},)"
        R"({"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"2"}])");
  CHECK(OwnersOf(Parsed(R"({"metadata":{}})")).empty());
}

}  // namespace
}  // namespace nodekeep
