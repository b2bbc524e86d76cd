#include "agent/sink/mirror_writer.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/digest.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"
#include "tests/fakes/together.h"

namespace nodekeep {
namespace {

using Http = FakeHttpClient;

const std::string kPath = "/api/v1/namespaces/shop/secrets/app";
const std::string kContent = "PATCH content ";
const std::string kClaim = "PATCH claim ";
const OwnerReference kWeb{"apps/v1", "ReplicaSet", "web-1", "r1"};
const OwnerReference kJobs{"batch/v1", "Job", "jobs", "j1"};
const std::string kWebJson =
    R"({"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-1","uid":"r1"})";

MirroredSecret App(const std::string& value = "v") {
  KubeSecret secret;
  secret.name = "app";
  secret.type = "Opaque";
  secret.labels = {{"secrets-store.csi.k8s.io/managed", "true"}};
  secret.data.emplace("k", SecretBytes(value));
  return {std::move(secret)};
}

SecretClaim Of(const std::string& volume, std::vector<OwnerReference> owners) {
  return {volume,
          "shop",
          std::move(owners),
          {"secrets-store.csi.x-k8s.io/v1", "SecretProviderClass", "app", "c1"}};
}

// A Secret as returned by the API server.
struct Shown {
  std::string data = R"({"k":"dg=="})";
  std::string type = "Opaque";
  std::string labels = R"({"secrets-store.csi.k8s.io/managed":"true"})";
  std::string annotations = "{}";
  std::string owners{};             // list elements
  std::string held = "\"f:k\":{}";  // data fields managed by the agents
  std::string node1{};              // owner uid set by this node
  std::string more{};               // further managedFields
  std::string uid = "u1";
  bool immutable = false;

  std::string text() const {
    const std::string claim =
        node1.empty()
            ? ""
            : R"(,{"manager":"nodekeep:node1/app","fieldsV1":{"f:metadata":{"f:ownerReferences":)"
              R"({"k:{\"uid\":\")" +
                  node1 + R"(\"}":{}}}}})";
    return R"({"kind":"Secret","type":")" + type + R"(","immutable":)" +
           (immutable ? "true" : "false") + R"(,"data":)" + data +
           R"(,"metadata":{"name":"app","uid":")" + uid + R"(","resourceVersion":"7","labels":)" +
           labels + R"(,"annotations":)" + annotations + R"(,"ownerReferences":[)" + owners +
           R"(],"managedFields":[{"manager":"nodekeep/app","fieldsV1":{"f:type":{},"f:data":{)" +
           held + R"(},"f:metadata":{"f:labels":{"f:secrets-store.csi.k8s.io/managed":{}}}}})" +
           claim + more + "]}}";
  }
};

std::string Trouble(int code, const std::string& reason) {
  return fmt::format(
      R"({{"kind":"Status","status":"Failure","code":{},"reason":"{}","message":"words"}})", code,
      reason);
}

struct Fixture {
  explicit Fixture(MirrorWriter::Options options = {.node_name = "node1"})
      : kube(http,
             {.server = "https://kube.test",
              .tls = {},
              .token = {},
              .token_file = {},
              .source = "k"},
             clock, rng, {.retry = {.attempts = 1}}),
        writer(kube, clock, std::move(options)) {}

  void Get(std::vector<Http::Reply> replies) {
    http.On("GET", "https://kube.test" + kPath, std::move(replies));
  }
  void Show(const Shown& shown) { Get({Http::Respond(200, shown.text())}); }
  void ShowNone() { Get({Http::Respond(404, Trouble(404, "NotFound"))}); }
  void Answer(const std::string& method, std::vector<Http::Reply> replies) {
    http.On(method, "https://kube.test" + kPath + "*", std::move(replies));
  }
  void Accept() {
    Answer("PATCH", {Http::Respond(200, R"({"metadata":{"uid":"u1","resourceVersion":"8"}})")});
    Answer("DELETE", {Http::Respond(200, R"({"kind":"Status","status":"Success"})")});
  }

  // The requests since the last call: "GET", "PATCH content {...}", "PATCH claim {...}",
  // "PATCH old claim {...}", "PATCH merge {...}", "DELETE {...}".
  std::vector<std::string> Calls() {
    std::vector<std::string> calls;
    const std::vector<Http::RecordedRequest> all = http.Requests();
    for (std::size_t i = seen; i < all.size(); ++i) calls.push_back(Spelled(all[i]));
    seen = all.size();
    return calls;
  }
  static std::string Spelled(const Http::RecordedRequest& request) {
    if (request.method != "PATCH") {
      return request.method + (request.body.empty() ? "" : " " + request.body);
    }
    std::string what = "merge ";
    if (request.url.find("fieldManager=nodekeep%3Anode1%2Fapp&force=true") != std::string::npos) {
      what = "claim ";
    } else if (request.url.find("fieldManager=nodekeep%2Fapp&force=true") != std::string::npos) {
      what = "content ";
    } else if (request.url.find("fieldManager=nodekeep%2Fapp&force=false") != std::string::npos) {
      what = "unforced content ";
    } else if (request.url.find("fieldManager=nodekeep%3Anode1&force=true") != std::string::npos) {
      what = "old claim ";
    }
    return "PATCH " + what + request.body;
  }
  std::string Fault(const Result<SecretWrite>& result) {
    return result.ok() ? "no error" : result.error().message();
  }

  FakeHttpClient http;
  FakeClock clock;
  FakeRng rng;
  KubeClient kube;
  MirrorWriter writer;
  std::size_t seen = 0;
};

// `version`: the required resourceVersion, "" = any.
std::string ContentOf(const std::string& base64, const std::string& uid = "",
                      const std::string& version = "") {
  return R"({"apiVersion":"v1","data":{"k":")" + base64 +
         R"("},"kind":"Secret","metadata":{"labels":{"secrets-store.csi.k8s.io/managed":"true"},)" +
         R"("name":"app")" + (version.empty() ? "" : R"(,"resourceVersion":")" + version + "\"") +
         (uid.empty() ? "" : R"(,"uid":")" + uid + "\"") + R"(},"type":"Opaque"})";
}

// `version`: the required resourceVersion, "" = any.
std::string ClaimOf(const std::string& owners, const std::string& version = "") {
  return R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"app",)" +
         (owners.empty() ? "" : R"("ownerReferences":[)" + owners + "],") +
         (version.empty() ? "" : R"("resourceVersion":")" + version + "\",") + R"("uid":"u1"}})";
}

const std::string kJobsJson = R"({"apiVersion":"batch/v1","kind":"Job","name":"jobs","uid":"j1"})";
const std::string kBothJson = kJobsJson + "," + kWebJson;

TEST_CASE("mirror writer: a new Secret is created with its content, then gets its owners") {
  Fixture fixture;
  fixture.ShowNone();
  fixture.Accept();
  Result<SecretWrite> write = fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb}));
  REQUIRE(write.ok());
  CHECK(*write == SecretWrite::kCreated);
  CHECK(fixture.Calls() == std::vector<std::string>{"GET",
                                                    "PATCH unforced content " + ContentOf("dg=="),
                                                    kClaim + ClaimOf(kWebJson)});
}

TEST_CASE("mirror writer: unchanged content sends no request, a change is written once") {
  Fixture fixture;
  fixture.Get({Http::Respond(404, Trouble(404, "NotFound")),
               Http::Respond(200, Shown{.owners = kWebJson, .node1 = "r1"}.text())});
  fixture.Accept();
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  fixture.Calls();

  for (const char* volume : {"p1/v", "p2/v", "p1/v"}) {
    Result<SecretWrite> again = fixture.writer.Write(Context(), App(), Of(volume, {kWeb}));
    REQUIRE(again.ok());
    CHECK(*again == SecretWrite::kUnchanged);
  }
  CHECK(fixture.Calls().empty());

  Result<SecretWrite> changed = fixture.writer.Write(Context(), App("w"), Of("p1/v", {kWeb}));
  REQUIRE(changed.ok());
  CHECK(*changed == SecretWrite::kUpdated);
  CHECK(fixture.Calls() == std::vector<std::string>{"GET", kContent + ContentOf("dw==", "u1")});
}

TEST_CASE("mirror writer: a correct Secret is only read, and read again after `recheck`") {
  Fixture fixture;
  fixture.Show({.owners = kWebJson, .node1 = "r1"});
  Result<SecretWrite> write = fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb}));
  REQUIRE(write.ok());
  CHECK(*write == SecretWrite::kUnchanged);
  fixture.clock.Advance(std::chrono::minutes(29));
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  CHECK(fixture.Calls() == std::vector<std::string>{"GET"});
  fixture.clock.Advance(std::chrono::minutes(2));
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  CHECK(fixture.Calls() == std::vector<std::string>{"GET"});
}

// Upstream's writes dropped the owner references.
TEST_CASE("mirror writer: a second owner is added to the first, the content stays") {
  Fixture fixture;
  fixture.Show({.owners = kWebJson, .node1 = "r1"});
  fixture.Accept();
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p2/v", {kJobs})).ok());
  CHECK(fixture.Calls() == std::vector<std::string>{"GET", kClaim + ClaimOf(kBothJson, "7")});
}

TEST_CASE("mirror writer: owners are added without a read, to the last seen version only") {
  Fixture fixture;
  fixture.Show({.owners = kWebJson, .node1 = "r1"});
  const std::string eighth = R"({"metadata":{"uid":"u1","resourceVersion":"8"}})";
  fixture.Answer("PATCH", {Http::Respond(200, eighth), Http::Respond(409, Trouble(409, "Conflict")),
                           Http::Respond(200, eighth)});
  const auto write = [&](const std::string& volume, const std::string& uid) {
    const Result<SecretWrite> done =
        fixture.writer.Write(Context(), App(), Of(volume, {{"batch/v1", "Job", "jobs", uid}}));
    return done.ok() && *done == SecretWrite::kUpdated;
  };
  const auto job = [](const std::string& uid) {
    return R"({"apiVersion":"batch/v1","kind":"Job","name":"jobs","uid":")" + uid + "\"}";
  };
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  REQUIRE(write("p2/v", "j1"));
  // The next write finds that another client has changed it meanwhile.
  REQUIRE(write("p3/v", "j2"));
  const std::string two = job("j1") + "," + kWebJson;
  const std::string three = job("j1") + "," + job("j2") + "," + kWebJson;
  CHECK(fixture.Calls() == std::vector<std::string>{"GET", kClaim + ClaimOf(two, "7"),
                                                    kClaim + ClaimOf(three, "8"), "GET",
                                                    kClaim + ClaimOf(three)});
}

TEST_CASE("mirror writer: adding owners does not postpone the recheck") {
  Fixture fixture;
  fixture.Show({.owners = kWebJson, .node1 = "r1"});
  fixture.Accept();
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  fixture.clock.Advance(std::chrono::minutes(29));
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p2/v", {kJobs})).ok());
  fixture.Calls();
  fixture.clock.Advance(std::chrono::minutes(2));
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p2/v", {kJobs})).ok());
  CHECK(fixture.Calls() == std::vector<std::string>{"GET", kClaim + ClaimOf(kBothJson)});
}

TEST_CASE("mirror writer: a Secret of another client is an error that names it") {
  Fixture fixture;
  fixture.Get({Http::Respond(200, R"({"metadata":{"uid":"u1"},"type":"Opaque"})")});
  const Result<SecretWrite> write = fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb}));
  REQUIRE(!write.ok());
  CHECK(write.error().code() == ErrorCode::kPrecondition);
  CHECK(write.error().message().starts_with(
      "secret shop/app: exists and was created by another client, so it is left unchanged"));
  CHECK(fixture.Calls() == std::vector<std::string>{"GET"});
}

TEST_CASE("mirror writer: a Secret offered for adoption is adopted, its other keys are removed") {
  Fixture fixture;
  fixture.Get({Http::Respond(200, R"({"metadata":{"uid":"u1","resourceVersion":"7",
      "annotations":{"nodekeep/adopt":"true"}},"type":"Opaque","data":{"old":"eA=="}})")});
  fixture.Accept();
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  // Bound to the version in which the other keys were seen: a class may set one of them meanwhile.
  std::string content = ContentOf("dg==", "u1");
  content.insert(content.find(R"("uid")"), R"("resourceVersion":"7",)");
  const std::string prune =
      R"(PATCH merge {"data":{"old":null},"metadata":{"resourceVersion":"8","uid":"u1"}})";
  CHECK(fixture.Calls() == std::vector<std::string>{"GET", "PATCH unforced content " + content,
                                                    prune, kClaim + ClaimOf(kWebJson)});
}

TEST_CASE("mirror writer: drift is corrected, another node's newer content is kept") {
  struct Row {
    std::string name;
    Shown shown;
    std::vector<std::string> want;
  };
  const Row rows[] = {
      {"another client changed the key and manages it now",
       {.data = R"({"k":"eA=="})", .owners = kWebJson, .held = "", .node1 = "r1"},
       {"GET", "PATCH unforced content " + ContentOf("dg==", "u1")}},
      {"another agent wrote it",
       {.data = R"({"k":"eA=="})", .owners = kWebJson, .node1 = "r1"},
       {"GET"}},
      {"another client removed the owner", {}, {"GET", kClaim + ClaimOf(kWebJson)}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.Get({Http::Respond(200, Shown{.owners = kWebJson, .node1 = "r1"}.text()),
                 Http::Respond(200, row.shown.text())});
    fixture.Accept();
    REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
    fixture.Calls();
    fixture.clock.Advance(std::chrono::minutes(31));  // longer than recheck
    REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
    CHECK(fixture.Calls() == row.want);
  }
}

// Fields that this class does not have yet may have been set by another class since the read.
TEST_CASE("mirror writer: another client's value is replaced only in the version that was read") {
  Fixture fixture;
  fixture.Get({Http::Respond(200, Shown{.data = R"({"k":"eA=="})", .held = ""}.text()),
               Http::Respond(200, Shown{.owners = kWebJson, .node1 = "r1"}.text())});
  fixture.Answer("PATCH", {Http::Respond(409, Trouble(409, "Conflict")),
                           Http::Respond(409, Trouble(409, "Conflict"))});
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  CHECK(fixture.Calls() ==
        std::vector<std::string>{"GET", "PATCH unforced content " + ContentOf("dg==", "u1"),
                                 kContent + ContentOf("dg==", "u1", "7"), "GET"});
}

// A Secret that another class has too, with key "k" managed by the class "other".
Shown OfOther(const std::string& more = "") {
  return {.owners = kWebJson,
          .held = "",
          .node1 = "r1",
          .more = R"(,{"manager":"nodekeep/other","fieldsV1":{"f:type":{},"f:data":{"f:k":{}}}},)"
                  R"({"manager":"nodekeep:node2/other","fieldsV1":{"f:metadata":)"
                  R"({"f:ownerReferences":{"k:{\"uid\":\"r1\"}":{}}}}})" +
                  more};
}

TEST_CASE("mirror writer: a key of another class is not written, and reported until it is free") {
  Fixture fixture;
  Shown marked = OfOther();
  const std::string note = R"({\"class\":\"app\",\"fields\":{\"key \\\"k\\\"\":\"other\"}})";
  const std::string name = "nodekeep/refused." + Sha256Hex("app").substr(0, 16);
  marked.annotations = "{\"" + name + "\":\"" + note + "\"}";
  marked.more += R"(,{"manager":"nodekeep/app","fieldsV1":{"f:metadata":{"f:annotations":{"f:)" +
                 name + R"(":{}}}}})";
  Shown free{.owners = kWebJson, .held = "", .node1 = "r1"};
  free.annotations = marked.annotations;
  fixture.Get({Http::Respond(200, OfOther().text()), Http::Respond(200, marked.text()),
               Http::Respond(200, free.text())});
  fixture.Accept();
  const std::string fault =
      "secret shop/app: fields that another SecretProviderClass of the namespace has set are not "
      "written: key \"k\" (class \"other\"): set each in one class only, or choose another "
      "secretName";
  const Result<SecretWrite> first = fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb}));
  CHECK(fixture.Fault(first) == fault);
  CHECK(first.error().code() == ErrorCode::kPrecondition);
  CHECK(
      fixture.Calls() ==
      std::vector<std::string>{
          "GET",
          R"(PATCH unforced content {"apiVersion":"v1","kind":"Secret","metadata":{"annotations":{")" +
              name + R"(":")" + note +
              R"("},"labels":{"secrets-store.csi.k8s.io/managed":"true"},"name":"app","uid":"u1"},)"
              R"("type":"Opaque"})"});
  // Nothing changes: it is read, and not written.
  CHECK(fixture.Fault(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb}))) == fault);
  CHECK(fixture.Calls() == std::vector<std::string>{"GET"});
  CHECK(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  CHECK(fixture.Calls() ==
        std::vector<std::string>{"GET", "PATCH unforced content " + ContentOf("dg==", "u1")});
}

TEST_CASE("mirror writer: two classes on one node do not share what is known of the Secret") {
  Fixture fixture;
  fixture.Show({.owners = kWebJson, .node1 = "r1"});
  fixture.Accept();
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  fixture.Calls();
  SecretClaim other = Of("p1/w", {kWeb});
  other.secret_class.name = "other";
  // The same content from another class is not unchanged content.
  CHECK_FALSE(fixture.writer.Write(Context(), App(), other).ok());
  CHECK_FALSE(fixture.Calls().empty());
  // The class that has the key reads the Secret again, to report the other.
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  CHECK(fixture.Calls() == std::vector<std::string>{"GET"});
}

TEST_CASE("mirror writer: the content of a class goes with its last pod on any node") {
  const std::string node2 =
      R"(,{"manager":"nodekeep:node2/app","fieldsV1":{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"r1\"}":{}}}}})";
  const std::string old_node2 =
      R"(,{"manager":"nodekeep:node2","fieldsV1":{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"r1\"}":{}}}}})";
  const auto claim = [](const std::string& version) {
    return R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"app","resourceVersion":")" +
           version + R"(","uid":"u1"}})";
  };
  struct Row {
    std::string name, more;
    int answer;
    std::vector<std::string> want;
  };
  const Row rows[] = {
      {"the last one", "", 200, {"GET", kContent + claim("7"), kClaim + claim("8")}},
      {"a pod of the class on another node", node2, 200, {"GET", kClaim + claim("7")}},
      {"a pod on a node with an earlier release", old_node2, 200, {"GET", kClaim + claim("7")}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    Shown shown = OfOther(row.more);
    shown.held = "\"f:l\":{}";
    fixture.Show(shown);
    fixture.Accept();
    fixture.writer.Claim(Of("p1/v", {kWeb}), {.secret_name = "app", .type = "Opaque"});
    fixture.writer.Release("p1/v");
    fixture.clock.Advance(std::chrono::minutes(1));
    CHECK(fixture.writer.Sweep(Context()).empty());
    CHECK(fixture.Calls() == row.want);
  }
}

TEST_CASE("mirror writer: content that the type requires stays for the next class") {
  Fixture fixture;
  Shown shown = OfOther();
  shown.held = "\"f:l\":{}";
  fixture.Show(shown);
  fixture.Answer("PATCH",
                 {Http::Respond(422, Trouble(422, "Invalid")),
                  Http::Respond(200, R"({"metadata":{"uid":"u1","resourceVersion":"8"}})")});
  fixture.writer.Claim(Of("p1/v", {kWeb}), {.secret_name = "app", .type = "Opaque"});
  fixture.writer.Release("p1/v");
  fixture.clock.Advance(std::chrono::minutes(1));
  CHECK(fixture.writer.Sweep(Context()).empty());
  CHECK(fixture.Calls().size() == 3);
  CHECK(fixture.writer.Sweep(Context()).empty());
  CHECK(fixture.Calls().empty());
}

TEST_CASE("mirror writer: content that is removed before the claim is written again") {
  Fixture fixture;
  fixture.ShowNone();
  const std::string empty =
      R"({"metadata":{"uid":"u1","resourceVersion":"9","managedFields":[
          {"manager":"nodekeep:node1/app","fieldsV1":{}}]}})";
  fixture.Answer("PATCH",
                 {Http::Respond(200, R"({"metadata":{"uid":"u1","resourceVersion":"8"}})"),
                  Http::Respond(200, empty),
                  Http::Respond(200, R"({"metadata":{"uid":"u1","resourceVersion":"8"}})")});
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  CHECK(fixture.Calls().size() == 6);
}

TEST_CASE("mirror writer: a Secret that cannot be changed is replaced and keeps its owners") {
  struct Row {
    std::string name;
    Shown shown;
  };
  const Row rows[] = {
      {"another type", {.type = "kubernetes.io/tls", .owners = kWebJson}},
      {"immutable", {.data = R"({"k":"eA=="})", .owners = kWebJson, .immutable = true}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.Show(row.shown);
    fixture.Accept();
    Result<SecretWrite> write = fixture.writer.Write(Context(), App(), Of("p1/v", {kJobs}));
    REQUIRE(write.ok());
    CHECK(*write == SecretWrite::kUpdated);
    CHECK(fixture.Calls() ==
          std::vector<std::string>{
              "GET",
              R"(DELETE {"apiVersion":"v1","kind":"DeleteOptions","preconditions":)"
              R"({"resourceVersion":"7","uid":"u1"},"propagationPolicy":"Background"})",
              "PATCH unforced content " + ContentOf("dg=="), kClaim + ClaimOf(kBothJson)});
  }
}

TEST_CASE("mirror writer: inherited owners stay until their nodes have rechecked the Secret") {
  Fixture fixture;
  fixture.Get({Http::Respond(200, Shown{.type = "kubernetes.io/tls", .owners = kWebJson}.text()),
               Http::Respond(200, Shown{.owners = kWebJson, .node1 = "r1"}.text())});
  fixture.Accept();
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kJobs})).ok());
  fixture.Calls();
  // Another pod mounts it: its owner is added to them.
  const OwnerReference sets{"apps/v1", "StatefulSet", "db", "s1"};
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p2/v", {sets})).ok());
  const std::string three =
      kBothJson + R"(,{"apiVersion":"apps/v1","kind":"StatefulSet","name":"db","uid":"s1"})";
  CHECK(fixture.Calls() == std::vector<std::string>{kClaim + ClaimOf(three, "8")});
  // All pods of this node are gone and the agent stops: the Secret must not be deleted yet.
  fixture.writer.Release("p1/v");
  fixture.writer.Release("p2/v");
  fixture.writer.EndLinger();
  CHECK(fixture.writer.Sweep(Context()).empty());
  for (const std::string& call : fixture.Calls()) CHECK_FALSE(call.starts_with("DELETE"));
  // An hour later it is deleted.
  fixture.clock.Advance(std::chrono::minutes(61));
  CHECK(fixture.writer.Sweep(Context()).empty());
  const std::vector<std::string> last = fixture.Calls();
  REQUIRE_FALSE(last.empty());
  CHECK(last.back().starts_with("DELETE"));
}

TEST_CASE("mirror writer: a Secret that cannot be built now gets the owners of its pods") {
  SecretObject object;
  object.secret_name = "app";
  struct Row {
    std::string name;
    Shown shown;
    std::vector<std::string> calls;
  };
  const Row rows[] = {
      {"owners of another node", {.owners = kWebJson}, {"GET", kClaim + ClaimOf(kJobsJson)}},
      {"own owners are there", {.owners = kJobsJson, .node1 = "j1"}, {"GET"}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.Show(row.shown);
    fixture.Accept();
    CHECK(fixture.writer.KeepExisting(Context(), object, Of("p1/v", {kJobs})).ok());
    CHECK(fixture.Calls() == row.calls);
  }
  Fixture foreign;
  foreign.Get({Http::Respond(200, R"({"metadata":{"name":"app","uid":"u1"},"type":"Opaque"})")});
  CHECK(foreign.writer.KeepExisting(Context(), object, Of("p1/v", {kJobs})).ok());
  CHECK(foreign.Calls() == std::vector<std::string>{"GET"});

  Fixture fixture;
  fixture.Get({Http::Respond(404, Trouble(404, "NotFound")),
               Http::Respond(200, Shown{.owners = kWebJson}.text())});
  fixture.Accept();
  // Another node creates it between the two calls; the third has nothing to do.
  for (int i = 0; i < 3; ++i) {
    CHECK(fixture.writer.KeepExisting(Context(), object, Of("p1/v", {kJobs})).ok());
  }
  CHECK(fixture.Calls() == std::vector<std::string>{"GET", "GET", kClaim + ClaimOf(kJobsJson)});
  // Content that can be built again is compared with the Secret.
  CHECK(fixture.writer.Write(Context(), App(), Of("p1/v", {kJobs})).ok());
  CHECK(fixture.Calls().front() == "GET");
}

TEST_CASE("mirror writer: owners of an earlier release stay until each class has set its own") {
  const auto old_claim = [](const std::string& uid) {
    return R"(,{"manager":"nodekeep:node1","fieldsV1":{"f:metadata":{"f:ownerReferences":)"
           R"({"k:{\"uid\":\")" +
           uid + R"(\"}":{}}}}})";
  };
  Fixture fixture;
  fixture.Show({.owners = kWebJson, .node1 = "r1", .more = old_claim("r1")});
  fixture.Accept();
  SecretObject object;
  object.secret_name = "app";
  SecretClaim other = Of("p1/w", {kWeb});
  other.secret_class.name = "other";
  fixture.writer.Claim(other, object);
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  CHECK(fixture.Calls() == std::vector<std::string>{"GET"});

  // Without a pod of another class, they are removed.
  Fixture alone;
  alone.Show({.owners = kWebJson, .node1 = "r1", .more = old_claim("r1")});
  alone.Accept();
  REQUIRE(alone.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  CHECK(alone.Calls() == std::vector<std::string>{"GET", "PATCH old claim " + ClaimOf("", "7")});
}

TEST_CASE("mirror writer: a replaced Secret that another class was faster to create is completed") {
  const std::string other =
      R"(,{"manager":"nodekeep/other","fieldsV1":{"f:data":{"f:b":{}}}},)"
      R"({"manager":"nodekeep:node2/other","fieldsV1":{"f:metadata":{"f:ownerReferences":)"
      R"({"k:{\"uid\":\"r1\"}":{}}}}})";
  const Shown replaced{
      .data = R"({"k":"eA==","b":"Yg=="})", .owners = kWebJson, .more = other, .immutable = true};
  const Shown created{.data = R"({"k":"dg==","b":"Yg=="})",
                      .owners = kWebJson,
                      .more = other,
                      .uid = "u2",
                      .immutable = true};
  Fixture fixture;
  fixture.Get({Http::Respond(200, replaced.text()), Http::Respond(200, created.text())});
  fixture.Answer("DELETE", {Http::Respond(200, R"({"kind":"Status","status":"Success"})")});
  // The first write of the content meets the Secret that the other class has made.
  fixture.Answer("PATCH", {Http::Respond(200, created.text())});
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kJobs})).ok());
  std::vector<std::string> writes;
  for (const Http::RecordedRequest& request : fixture.http.Requests()) {
    if (request.method != "PATCH") continue;
    const std::size_t at = request.url.find("fieldManager=");
    writes.push_back(request.url.substr(at + 13, request.url.find('&', at) - at - 13));
  }
  // The other class's content is there; its owners are set, then those of this class.
  CHECK(writes == std::vector<std::string>{"nodekeep%2Fapp", "nodekeep%3Anode1%2Fother",
                                           "nodekeep%3Anode1%2Fapp"});
}

TEST_CASE("mirror writer: a Secret only offered for adoption is not deleted to change its type") {
  Fixture fixture;
  fixture.Get({Http::Respond(200, R"({"metadata":{"uid":"u1",
      "annotations":{"nodekeep/adopt":"true"}},"type":"example.com/own"})")});
  const Result<SecretWrite> write = fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb}));
  CHECK(fixture.Fault(write).starts_with(
      "secret shop/app: is offered for adoption but has type example.com/own, not Opaque"));
  CHECK(fixture.Calls() == std::vector<std::string>{"GET"});
}

TEST_CASE("mirror writer: a Secret deleted or replaced meanwhile is read again") {
  struct Row {
    int code;
    std::string reason;
    std::size_t patches;
  };
  // Kubernetes 1.34 returns Conflict if the name does not exist, Invalid if its uid differs.
  for (const Row& row : {Row{409, "Conflict", 2}, Row{422, "Invalid", 1}}) {
    INFO(row.reason);
    Fixture fixture;
    fixture.Get({Http::Respond(200, Shown{.held = ""}.text()),
                 Http::Respond(404, Trouble(404, "NotFound"))});
    std::vector<Http::Reply> replies(row.patches,
                                     Http::Respond(row.code, Trouble(row.code, row.reason)));
    replies.push_back(Http::Respond(200, R"({"metadata":{"uid":"u1"}})"));
    fixture.Answer("PATCH", std::move(replies));
    Result<SecretWrite> write = fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb}));
    REQUIRE(write.ok());
    CHECK(*write == SecretWrite::kCreated);
    CHECK(fixture.Calls().size() == row.patches + 4);
  }
}

TEST_CASE("mirror writer: an Invalid response is returned after one retry") {
  Fixture fixture;
  fixture.ShowNone();
  fixture.Answer("PATCH", {Http::Respond(422, Trouble(422, "Invalid"))});
  const Result<SecretWrite> write = fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb}));
  CHECK(fixture.Fault(write).find("secret shop/app: kubernetes: PATCH ") == 0);
  CHECK(fixture.Fault(write).ends_with("422 Invalid: words"));
  CHECK(fixture.Calls().size() == 4);
}

TEST_CASE("mirror writer: a missing permission is an error that names the required verbs") {
  Fixture fixture;
  fixture.Get({Http::Respond(403, Trouble(403, "Forbidden"))});
  const Result<SecretWrite> write = fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb}));
  REQUIRE(!write.ok());
  CHECK(write.error().code() == ErrorCode::kDenied);
  CHECK(write.error().message().ends_with(
      "needs the verbs get, create, patch and delete on secrets to mirror secretObjects"));
}

TEST_CASE("mirror writer: a Secret created by another client at the same time is released") {
  Fixture fixture;
  fixture.Get({Http::Respond(404, Trouble(404, "NotFound")),
               Http::Respond(200, R"({"metadata":{"uid":"u1"},"type":"Opaque"})")});
  fixture.Answer("PATCH", {Http::Respond(200, R"({"metadata":{"uid":"u1","managedFields":[
                      {"manager":"nodekeep/app","fieldsV1":{"f:type":{}}},
                      {"manager":"kubectl","fieldsV1":{"f:type":{}}}]}})"),
                           Http::Respond(200, "{}")});
  const Result<SecretWrite> write = fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb}));
  CHECK(fixture.Fault(write).find("exists and was created by another client") != std::string::npos);
  CHECK(fixture.Calls() ==
        std::vector<std::string>{"GET", "PATCH unforced content " + ContentOf("dg=="),
                                 "PATCH unforced content " + ClaimOf(""), "GET"});
}

TEST_CASE("mirror writer: kWithClass sets the class as owner, kRetain sets no owner") {
  for (const DeletionPolicy policy : {DeletionPolicy::kRetain, DeletionPolicy::kWithClass}) {
    INFO(static_cast<int>(policy));
    Fixture fixture;
    fixture.ShowNone();
    fixture.Accept();
    MirroredSecret secret = App();
    secret.deletion = policy;
    REQUIRE(fixture.writer.Write(Context(), secret, Of("p1/v", {kWeb})).ok());
    const std::vector<std::string> calls = fixture.Calls();
    REQUIRE(calls.size() == 2);
    const bool has_class =
        calls[1].find(R"("ownerReferences":[{"apiVersion":"secrets-store.csi.x-k8s.io/v1",)"
                      R"("kind":"SecretProviderClass","name":"app","uid":"c1"}])") !=
        std::string::npos;
    CHECK(has_class == (policy == DeletionPolicy::kWithClass));

    fixture.writer.Release("p1/v");
    fixture.clock.Advance(std::chrono::hours(1));
    CHECK(fixture.writer.Sweep(Context()).empty());
    CHECK(fixture.Calls().empty());
  }
}

const std::string kDelete =
    R"(DELETE {"apiVersion":"v1","kind":"DeleteOptions","preconditions":)"
    R"({"resourceVersion":"7","uid":"u1"},"propagationPolicy":"Background"})";

TEST_CASE("mirror writer: after the last pod the Secret is deleted unless it is still in use") {
  const std::string other_node =
      R"(,{"manager":"nodekeep:node2/app","fieldsV1":{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"r1\"}":{}}}}})";
  const std::string maker = R"(,{"manager":"kubectl","fieldsV1":{"f:type":{}}})";
  std::string claim = ClaimOf("");
  claim.replace(claim.find(R"("uid")"), 5, R"("resourceVersion":"7","uid")");
  struct Row {
    std::string name;
    Shown shown;
    std::vector<std::string> want;
  };
  const Row rows[] = {
      {"the last one", {.owners = kWebJson, .node1 = "r1"}, {"GET", kDelete}},
      {"no owner is left", {}, {"GET", kDelete}},
      {"a pod on another node",
       {.owners = kWebJson, .node1 = "r1", .more = other_node},
       {"GET", kClaim + claim}},
      {"adopted", {.owners = kWebJson, .node1 = "r1", .more = maker}, {"GET"}},
      {"the class retains it meanwhile",
       {.annotations = R"({"nodekeep/deletionPolicy":"Retain"})",
        .owners = kWebJson,
        .node1 = "r1"},
       {"GET"}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.Show(row.shown);
    fixture.Accept();
    fixture.writer.Claim(Of("p1/v", {kWeb}), {.secret_name = "app", .type = "Opaque"});
    fixture.writer.Release("p1/v");
    fixture.clock.Advance(std::chrono::seconds(59));
    CHECK(fixture.writer.Sweep(Context()).empty());
    CHECK(fixture.Calls().empty());
    fixture.clock.Advance(std::chrono::seconds(1));
    CHECK(fixture.writer.Sweep(Context()).empty());
    CHECK(fixture.Calls() == row.want);
    CHECK(fixture.writer.Sweep(Context()).empty());
    CHECK(fixture.Calls().empty());
  }
}

TEST_CASE("mirror writer: a pod that mounts within `linger` finds the Secret in place") {
  Fixture fixture;
  fixture.Show({.owners = kWebJson, .node1 = "r1"});
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  fixture.writer.Release("p1/v");
  fixture.clock.Advance(std::chrono::seconds(30));
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p2/v", {kWeb})).ok());
  fixture.clock.Advance(std::chrono::minutes(2));
  CHECK(fixture.writer.Sweep(Context()).empty());
  CHECK(fixture.Calls() == std::vector<std::string>{"GET"});
}

TEST_CASE("mirror writer: EndLinger ends released claims only") {
  Fixture fixture;
  fixture.Show({.owners = kWebJson, .node1 = "r1"});
  fixture.Accept();
  REQUIRE(fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok());
  fixture.Calls();
  fixture.writer.EndLinger();
  CHECK(fixture.writer.Sweep(Context()).empty());
  CHECK(fixture.Calls().empty());
  fixture.writer.Release("p1/v");
  CHECK(fixture.writer.Sweep(Context()).empty());
  CHECK(fixture.Calls().empty());
  fixture.writer.EndLinger();
  CHECK(fixture.writer.Sweep(Context()).empty());
  const std::vector<std::string> calls = fixture.Calls();
  REQUIRE(calls.size() == 2);
  CHECK(calls[1].starts_with("DELETE "));
}

TEST_CASE("mirror writer: a claim whose owners are not known yet keeps the Secret unchanged") {
  Fixture fixture;
  fixture.Show({.owners = kWebJson, .node1 = "r1"});
  fixture.Accept();
  fixture.writer.Claim(Of("p1/v", {kWeb}), {.secret_name = "app", .type = "Opaque"});
  fixture.writer.Claim(Of("p2/v", {}), {.secret_name = "app", .type = "Opaque"});
  fixture.writer.Release("p1/v");
  fixture.clock.Advance(std::chrono::minutes(1));
  CHECK(fixture.writer.Sweep(Context()).empty());
  CHECK(fixture.Calls().empty());
  fixture.writer.Release("p2/v");
  fixture.clock.Advance(std::chrono::minutes(1));
  CHECK(fixture.writer.Sweep(Context()).empty());
  CHECK(fixture.Calls() == std::vector<std::string>{"GET", kDelete});
}

TEST_CASE("mirror writer: a deletion that failed is retried by the next Sweep") {
  Fixture fixture;
  fixture.Show({.owners = kWebJson, .node1 = "r1"});
  fixture.Answer("DELETE", {Http::Respond(500, Trouble(500, "InternalError")),
                            Http::Respond(200, R"({"status":"Success"})")});
  fixture.writer.Claim(Of("p1/v", {kWeb}), {.secret_name = "app", .type = "Opaque"});
  fixture.writer.Release("p1/v");
  fixture.clock.Advance(std::chrono::minutes(1));
  const std::vector<Error> faults = fixture.writer.Sweep(Context());
  REQUIRE(faults.size() == 1);
  CHECK(faults[0].message().starts_with("secret shop/app: clean up: kubernetes: DELETE "));
  CHECK(fixture.writer.Sweep(Context()).empty());
  CHECK(fixture.Calls() == std::vector<std::string>{"GET", kDelete, "GET", kDelete});
}

TEST_CASE("mirror writer: a Secret whose clean-up fails does not affect the others") {
  Fixture fixture;
  fixture.Get({Http::Respond(500, Trouble(500, "InternalError"))});
  fixture.http.On("GET", "https://kube.test/api/v1/namespaces/shop/secrets/later",
                  {Http::Respond(404, Trouble(404, "NotFound"))});
  for (const char* name : {"app", "later"}) {
    fixture.writer.Claim(Of("p1/v", {kWeb}), {.secret_name = name, .type = "Opaque"});
  }
  fixture.writer.Release("p1/v");
  fixture.clock.Advance(std::chrono::minutes(1));
  CHECK(fixture.writer.Sweep(Context()).size() == 1);
  CHECK(fixture.Calls() == std::vector<std::string>{"GET", "GET"});
  // Only the first is left to do.
  CHECK(fixture.writer.Sweep(Context()).size() == 1);
  CHECK(fixture.Calls() == std::vector<std::string>{"GET"});
}

TEST_CASE("mirror writer: a deletion that conflicts with another node reads the Secret again") {
  Fixture fixture;
  fixture.Get({Http::Respond(200, Shown{.owners = kWebJson, .node1 = "r1"}.text()),
               Http::Respond(404, Trouble(404, "NotFound"))});
  fixture.Answer("DELETE", {Http::Respond(409, Trouble(409, "Conflict"))});
  fixture.writer.Claim(Of("p1/v", {kWeb}), {.secret_name = "app", .type = "Opaque"});
  fixture.writer.Release("p1/v");
  fixture.clock.Advance(std::chrono::minutes(1));
  CHECK(fixture.writer.Sweep(Context()).empty());
  CHECK(fixture.Calls() == std::vector<std::string>{"GET", kDelete, "GET"});
}

TEST_CASE("mirror writer: pods that start together write their Secret once") {
  Fixture fixture;
  Http::Gate gate;
  fixture.Get({gate.Then(Http::Respond(404, Trouble(404, "NotFound")))});
  fixture.Accept();
  std::atomic<int> written = 0;
  auto pods = RunConcurrently(8, [&](std::size_t i) {
    written += fixture.writer.Write(Context(), App(), Of(fmt::format("p{}/v", i), {kWeb})).ok();
  });
  gate.AwaitArrivals(1);
  gate.Release();
  pods.clear();
  CHECK(written == 8);
  CHECK(fixture.Calls().size() == 3);
}

TEST_CASE("mirror writer: a cancelled Write stops waiting for a write in progress") {
  Fixture fixture;
  Http::Gate gate;
  fixture.Get({gate.Then(Http::Respond(404, Trouble(404, "NotFound")))});
  fixture.Accept();
  bool first_ok = false;
  std::jthread first(
      [&] { first_ok = fixture.writer.Write(Context(), App(), Of("p1/v", {kWeb})).ok(); });
  gate.AwaitArrivals(1);
  std::stop_source stop;
  stop.request_stop();
  const Result<SecretWrite> second =
      fixture.writer.Write(Context().WithStop(stop.get_token()), App(), Of("p2/v", {kWeb}));
  CHECK(second.error().code() == ErrorCode::kCancelled);
  gate.Release();
  first.join();
  CHECK(first_ok);
}

}  // namespace
}  // namespace nodekeep
