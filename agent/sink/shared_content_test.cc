#include "agent/sink/shared_content.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "agent/base/digest.h"

namespace nodekeep {
namespace {

// One managedFields entry.
std::string Manager(const std::string& name, const std::string& fields) {
  return R"({"manager":")" + name + R"(","fieldsV1":{)" + fields + "}}";
}

// The class "c" or another with a pod on node1.
std::string Claim(const std::string& manager) {
  return Manager(manager, R"("f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"r1\"}":{}}})");
}

std::string Data(const std::string& key) {
  return R"("f:type":{},"f:data":{"f:)" + key + R"(":{}})";
}

std::string Metadata(const std::string& kind, const std::string& name) {
  return R"("f:metadata":{"f:)" + kind + R"(":{"f:)" + name + R"(":{}}})";
}

struct Shown {
  std::vector<std::string> managers;
  std::string annotations = "{}";
  std::string labels = R"({"team":"shop"})";
  std::string owners = R"([{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"r1"}])";
  std::string type = "Opaque";

  LiveSecret Live() const {
    Result<Json> json = ParseJson(fmt::format(
        R"({{"type":"{}","data":{{"A":"dg=="}},"metadata":{{"name":"s","uid":"u1","labels":{},)"
        R"("annotations":{},"ownerReferences":{},"managedFields":[{}]}}}})",
        type, labels, annotations, owners, fmt::join(managers, ",")));
    if (!json.ok()) FAIL(json.error().message());
    return LiveSecret(*json);
  }
};

// What the class "c" wants.
Json Wanted(const std::string& key = "A") {
  KubeSecret secret;
  secret.name = "s";
  secret.type = "Opaque";
  secret.labels = {{"team", "web"}};
  secret.data.emplace(key, SecretBytes("v"));
  return ContentBody(secret, {});
}

SharedContent Share(const LiveSecret& live, const Json& content) {
  Result<SharedContent> share = ShareContent(live, {.class_name = "c", .content = content});
  if (!share.ok()) FAIL(share.error().message());
  return *std::move(share);
}

std::string Text(const std::vector<Contest>& contests) {
  std::string text;
  for (const Contest& contest : contests) text += contest.field + " " + contest.class_name + ";";
  return text;
}

std::string RefusedName(const std::string& class_name) {
  return "nodekeep/refused." + Sha256Hex(class_name).substr(0, 16);
}

TEST_CASE("shared content: a field belongs to the class that has it") {
  const std::string b_claim = Claim("nodekeep:n1/b");
  const std::string d_claim = Claim("nodekeep:n1/d");
  struct Row {
    std::string name;
    Shown shown;
    std::string refused;
    bool must_apply;
  };
  const Row rows[] = {
      {"nobody", {}, "", false},
      {"itself", {.managers = {Manager("nodekeep/c", Data("A"))}}, "", false},
      {"another class",
       {.managers = {Manager("nodekeep/b", Data("A")), b_claim}},
       "key \"A\" b;",
       true},
      {"another key", {.managers = {Manager("nodekeep/b", Data("B")), b_claim}}, "", false},
      {"another client", {.managers = {Manager("kubectl", Data("A")), b_claim}}, "", false},
      {"an earlier release", {.managers = {Manager("nodekeep", Data("A")), b_claim}}, "", false},
      {"both, and the other comes first",
       {.managers = {Manager("nodekeep/c", Data("A")), Manager("nodekeep/b", Data("A")), b_claim}},
       "key \"A\" b;",
       true},
      {"both, and the other comes last",
       {.managers = {Manager("nodekeep/c", Data("A")), Manager("nodekeep/d", Data("A")), d_claim}},
       "",
       false},
      {"a class without pods",
       {.managers = {Manager("nodekeep/b", Data("A")), Claim("nodekeep:n1/c")}},
       "",
       false},
      {"a class without pods of which nothing is known, as all owners were removed",
       {.managers = {Manager("nodekeep/b", Data("A"))}, .owners = "[]"},
       "key \"A\" b;",
       true},
      {"a class whose pods may be on a node with an earlier release",
       {.managers = {Manager("nodekeep/b", Data("A")), Claim("nodekeep:n1")}},
       "key \"A\" b;",
       true},
      {"a label with another value",
       {.managers = {Manager("nodekeep/b", Metadata("labels", "team")), b_claim}},
       "label \"team\" b;",
       true},
      {"a label with the same value",
       {.managers = {Manager("nodekeep/b", Metadata("labels", "team")), b_claim},
        .labels = R"({"team":"web"})"},
       "",
       false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const SharedContent share = Share(row.shown.Live(), Wanted());
    CHECK(Text(share.refused) == row.refused);
    CHECK(share.must_apply == row.must_apply);
    CHECK((Find(share.body, {"data", "A"}) == nullptr) == row.refused.starts_with("key"));
    CHECK((Find(share.body, {"metadata", "labels", "team"}) == nullptr) ==
          row.refused.starts_with("label"));
    const Json* note = Find(share.body, {"metadata", "annotations", RefusedName("c")});
    CHECK((note != nullptr) == !row.refused.empty());
    CHECK(share.Fault().empty() == row.refused.empty());
  }
}

TEST_CASE("shared content: the class that has a field learns of the other by its annotation") {
  struct Row {
    std::string name, annotation, text, want;
  };
  const std::string good = R"({\"class\":\"b\",\"fields\":{\"key \\\"A\\\"\":\"c\"}})";
  const Row rows[] = {
      {"as written", RefusedName("b"), good, "key \"A\" b;"},
      {"a key that is of a third class", RefusedName("b"),
       R"({\"class\":\"b\",\"fields\":{\"key \\\"A\\\"\":\"d\"}})", ""},
      {"a key that the class does not set any more", RefusedName("b"),
       R"({\"class\":\"b\",\"fields\":{\"key \\\"X\\\"\":\"c\"}})", ""},
      {"of a class that is not there", RefusedName("e"),
       R"({\"class\":\"e\",\"fields\":{\"key \\\"A\\\"\":\"c\"}})", ""},
      {"under the name of another class", RefusedName("d"), good, ""},
      {"not JSON", RefusedName("b"), "words", ""},
      {"without fields", RefusedName("b"), R"({\"class\":\"b\"})", ""},
      {"fields that are a list", RefusedName("b"), R"({\"class\":\"b\",\"fields\":[\"c\"]})", ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Shown shown{.managers = {Manager("nodekeep/b", Data("B")), Claim("nodekeep:n1/b"),
                                   Manager("nodekeep/c", Data("A"))},
                      .annotations = "{\"" + row.annotation + "\":\"" + row.text + "\"}"};
    const SharedContent share = Share(shown.Live(), Wanted());
    CHECK(Text(share.contested) == row.want);
    CHECK_FALSE(share.must_apply);
    CHECK(share.Fault().empty() == row.want.empty());
  }
}

TEST_CASE("shared content: an annotation is written once and removed with its cause") {
  const std::vector<std::string> other{Manager("nodekeep/b", Data("A")), Claim("nodekeep:n1/b")};
  const std::string note = R"({"class":"c","fields":{"key \"A\"":"b"}})";
  const SharedContent first = Share(Shown{.managers = other}.Live(), Wanted());
  CHECK(TextOf(Find(first.body, {"metadata", "annotations", RefusedName("c")})) == note);

  std::string escaped = note;
  for (std::size_t at = 0; (at = escaped.find_first_of("\\\"", at)) != std::string::npos; at += 2) {
    escaped.insert(at, "\\");
  }
  Shown written{.managers = other,
                .annotations = "{\"" + RefusedName("c") + "\":\"" + escaped + "\"}"};
  written.managers.push_back(Manager("nodekeep/c", Metadata("annotations", RefusedName("c"))));
  CHECK_FALSE(Share(written.Live(), Wanted()).must_apply);
  // The first class has given the key up.
  written.managers.erase(written.managers.begin());
  const SharedContent free = Share(written.Live(), Wanted());
  CHECK(free.must_apply);
  CHECK(free.refused.empty());
  CHECK(Find(free.body, {"metadata", "annotations"}) == nullptr);
}

TEST_CASE("shared content: at most twenty fields are listed") {
  KubeSecret secret;
  secret.name = "s";
  secret.type = "Opaque";
  std::string held;
  for (int i = 10; i < 40; ++i) {
    secret.data.emplace(fmt::format("k{}", i), SecretBytes("v"));
    held += fmt::format("{}\"f:k{}\":{{}}", held.empty() ? "" : ",", i);
  }
  const Shown shown{
      .managers = {Manager("nodekeep/b", R"("f:data":{)" + held + "}"), Claim("nodekeep:n1/b")}};
  const SharedContent share = Share(shown.Live(), ContentBody(secret, {}));
  CHECK(share.refused.size() == 30);
  CHECK(share.Fault().find("key \"k29\" (class \"b\") and 10 more: set each") != std::string::npos);
  CHECK(Find(share.body, {"data"}) == nullptr);
  const std::string note =
      TextOf(Find(share.body, {"metadata", "annotations", RefusedName("c")})).value_or("");
  CHECK(note.find("k29") != std::string::npos);
  CHECK(note.find("k30") == std::string::npos);
}

TEST_CASE("shared content: type and deletion policy are one per Secret") {
  const std::string retained = "{\"nodekeep/deletionPolicy\":\"Retain\"}";
  const std::string held =
      Manager("nodekeep/b", Metadata("annotations", "nodekeep/deletionPolicy"));
  struct Row {
    std::string name;
    Shown shown;
    std::string want;
  };
  const Row rows[] = {
      {"another type",
       {.managers = {Manager("nodekeep/b", Data("B")), Claim("nodekeep:n1/b")},
        .type = "example.com/own"},
       "has type example.com/own from the SecretProviderClass \"b\", not Opaque: "},
      {"another type of a class without pods",
       {.managers = {Manager("nodekeep/b", Data("B")), Claim("nodekeep:n1/c")},
        .type = "example.com/own"},
       ""},
      {"another policy",
       {.managers = {held}, .annotations = retained},
       "has deletionPolicy Retain from the SecretProviderClass \"b\", not Delete: "},
      {"a policy whose annotation a user has changed",
       {.managers = {Manager("nodekeep/b", Data("B")),
                     Manager("kubectl", Metadata("annotations", "nodekeep/deletionPolicy"))},
        .annotations = retained,
        .owners = "[]"},
       ""},
      {"the policy of a class with pods",
       {.managers = {Manager("nodekeep/b", Data("B")), Claim("nodekeep:n1/b")}},
       ""},
      {"the policy of an earlier class of the same name",
       {.managers = {Manager("nodekeep/c", Metadata("annotations", "nodekeep/deletionPolicy"))},
        .annotations = retained},
       ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Json content = Wanted();
    const Result<SharedContent> share =
        ShareContent(row.shown.Live(), {.class_name = "c", .content = content});
    CHECK(share.ok() == row.want.empty());
    if (share.ok()) continue;
    CHECK(share.error().code() == ErrorCode::kPrecondition);
    CHECK(share.error().message().starts_with(row.want));
  }
}

TEST_CASE("shared content: content without a class that needs it is obsolete") {
  const std::string policy = R"({"nodekeep/deletionPolicy":")";
  const std::string held = R"("f:annotations":{"f:nodekeep/deletionPolicy":{}})";
  struct Row {
    std::string name;
    Shown shown;
    std::vector<std::string> want;
  };
  const Row rows[] = {
      {"a class with a pod",
       {.managers = {Manager("nodekeep/b", Data("B")), Claim("nodekeep:n1/b")}},
       {}},
      {"a class without",
       {.managers = {Manager("nodekeep/b", Data("B")), Claim("nodekeep:n1/c")}},
       {"nodekeep/b"}},
      {"the class itself",
       {.managers = {Manager("nodekeep/c", Data("A")), Claim("nodekeep:n1/b")}},
       {}},
      {"a retained one",
       {.managers = {Manager("nodekeep/b", R"("f:metadata":{)" + held + "}")},
        .annotations = policy + "Retain\"}"},
       {}},
      {"one that is deleted with its class",
       {.managers = {Manager(
            "nodekeep/b",
            R"("f:metadata":{)" + held + R"(,"f:ownerReferences":{"k:{\"uid\":\"r1\"}":{}}})")},
        .annotations = policy + "WithClass\"}"},
       {}},
      {"one whose class is deleted",
       {.managers = {Manager("nodekeep/b", R"("f:metadata":{)" + held + "}")},
        .annotations = policy + "WithClass\"}"},
       {"nodekeep/b"}},
      {"one whose annotation a user has changed",
       {.managers = {Manager("nodekeep/b",
                             R"("f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"r1\"}":{}}})")},
        .annotations = policy + "WithClass\"}"},
       {}},
      {"of an earlier release", {.managers = {Manager("nodekeep", Data("A"))}}, {"nodekeep"}},
      {"of an earlier release that runs on a node",
       {.managers = {Manager("nodekeep", Data("A")), Claim("nodekeep:n1")}},
       {}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Json content = Wanted();
    const DeletionPolicy deletion =
        row.shown.annotations.find("Retain") != std::string::npos      ? DeletionPolicy::kRetain
        : row.shown.annotations.find("WithClass") != std::string::npos ? DeletionPolicy::kWithClass
                                                                       : DeletionPolicy::kDelete;
    const Result<SharedContent> share = ShareContent(
        row.shown.Live(), {.class_name = "c", .content = content, .deletion = deletion});
    REQUIRE(share.ok());
    CHECK(share->obsolete == row.want);
  }
}

TEST_CASE(
    "shared content: a class is awaited by another one with pods that was refused its field") {
  struct Row {
    std::string name, note;
    std::vector<std::string> managers;
    bool want;
  };
  const std::string has_pod = Claim("nodekeep:n1/b");
  const std::string content = Manager("nodekeep/b", Data("B"));
  const Row rows[] = {
      {"refused", R"({"class":"b","fields":{"key \"A\"":"c"}})", {content, has_pod}, true},
      {"of a third class",
       R"({"class":"b","fields":{"key \"A\"":"d"}})",
       {content, has_pod},
       false},
      {"without pods", R"({"class":"b","fields":{"key \"A\"":"c"}})", {content}, false},
      {"not of an agent", "A", {content, has_pod}, false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Json annotations(jsoncons::json_object_arg);
    annotations[RefusedName("b")] = row.note;
    const Shown shown{.managers = row.managers,
                      .annotations = std::string(GoJson(annotations).Reveal())};
    CHECK(IsAwaited(shown.Live(), "c") == row.want);
  }
}

}  // namespace
}  // namespace nodekeep
