#include "csi/attributes.h"

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <string>

#include "tests/driver/driver_attributes.h"

namespace nodekeep {

TEST_CASE("mount request: strings are parsed, tokens are removed from the attributes") {
  Result<MountRequest> request = ReadMountRequest(
      "one",
      R"({"roleName":"r","csi.storage.k8s.io/serviceAccount.tokens":"{\"vault\":{\"token\":\"t\"}}"})",
      R"({"user":"alice","password":"s3"})", "420", "/target");
  REQUIRE(request.ok());
  CHECK(request->parameters == std::map<std::string, std::string>{{"roleName", "r"}});
  CHECK(request->provider == "one");
  REQUIRE(request->identity.Token("vault") != nullptr);
  CHECK(request->identity.Token("vault")->token.Reveal() == "t");
  CHECK(request->mode == 0644);
  CHECK(request->target_path == "/target");
  REQUIRE(request->identity.credentials.size() == 2);
  CHECK(request->identity.credentials.at("user").Reveal() == "alice");
  CHECK(request->identity.credentials.at("password").Reveal() == "s3");
}

TEST_CASE("mount request: three encodings of no secrets are accepted") {
  struct Row {
    std::string name, secrets;
  };
  const Row rows[] = {{"empty", ""}, {"Go's nil map", "null"}, {"object", "{}"}};
  for (const Row& row : rows) {
    INFO(row.name);
    Result<MountRequest> request =
        ReadMountRequest("one", R"({"a":"b"})", row.secrets, "420", "/t");
    REQUIRE(request.ok());
    CHECK(request->identity.credentials.empty());
    CHECK(request->parameters == std::map<std::string, std::string>{{"a", "b"}});
  }
}

TEST_CASE("mount request: tokens inside `secrets` are neither tokens nor credentials") {
  Result<MountRequest> request = ReadMountRequest(
      "one", R"({"a":"b"})",
      R"({"csi.storage.k8s.io/serviceAccount.tokens":"{\"vault\":{\"token\":\"t\"}}","user":"u"})",
      "420", "/t");
  REQUIRE(request.ok());
  CHECK(request->identity.tokens.empty());
  CHECK_FALSE(request->identity.credentials.contains(std::string(kTokensAttribute)));
  CHECK(request->identity.credentials.size() == 1);
}

TEST_CASE("mount request: malformed input is an error that does not quote it") {
  struct Row {
    std::string name, attributes, secrets, want;
  };
  const Row rows[] = {
      {"no attributes", "", "", "failed to unmarshal attributes: unexpected end of JSON input"},
      {"broken off", R"({"a":"hunter2)", "", "failed to unmarshal attributes: "},
      {"not a map", R"(["hunter2"])", "",
       "failed to unmarshal attributes: json: cannot unmarshal array"},
      {"a number", R"({"a":1})", "",
       "failed to unmarshal attributes: json: cannot unmarshal number"},
      {"secrets broken off", "{}", R"({"a":"hunter2)", "failed to unmarshal secrets: "},
      {"secrets of another type", "{}", R"({"hunter":{"hunter2":"x"}})",
       "failed to unmarshal secrets: json: cannot unmarshal object"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<MountRequest> request =
        ReadMountRequest("one", row.attributes, row.secrets, "420", "/t");
    REQUIRE_FALSE(request.ok());
    INFO(request.error().message());
    CHECK(request.error().code() == ErrorCode::kInvalid);
    CHECK(request.error().message().starts_with(row.want));
    CHECK(request.error().message().find("hunter2") == std::string::npos);
  }
}

TEST_CASE("mount request: malformed tokens are an error that does not quote them") {
  for (const std::string text : {"hunter2", R"({\"vault\":\"hunter2\"})", R"([\"hunter2\"])"}) {
    INFO(text);
    Result<MountRequest> request =
        ReadMountRequest("one", R"({"csi.storage.k8s.io/serviceAccount.tokens":")" + text + R"("})",
                         "", "420", "/t");
    REQUIRE_FALSE(request.ok());
    CHECK(request.error().code() == ErrorCode::kInvalid);
    CHECK(request.error().message().starts_with("failed to unmarshal service account tokens: "));
    CHECK(request.error().message().find("hunter2") == std::string::npos);
  }
}

TEST_CASE("mount request: an invalid permission and a missing target path are refused") {
  struct Row {
    std::string name, permission, target, want;
  };
  const Row rows[] = {
      {"no permission", "", "/t", "permission of the mount request: unexpected end of JSON input"},
      {"a text", "\"420\"", "/t", "permission of the mount request: json: cannot unmarshal"},
      {"too large", "512", "/t", "permission of the mount request: 512 is above 511 (octal 0777)"},
      {"no target", "420", "", "missing target path field"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<MountRequest> request =
        ReadMountRequest("one", R"({"a":"b"})", "", row.permission, row.target);
    REQUIRE_FALSE(request.ok());
    CHECK(request.error().code() == ErrorCode::kInvalid);
    CHECK(request.error().message().starts_with(row.want));
  }
}

TEST_CASE("mount request: the pod that the driver sends is read back unchanged") {
  MountRequest sent;
  sent.parameters = {{"objects", "<a> & b"}};
  sent.identity.namespace_name = "shop";
  sent.identity.pod = {"web", "u1"};
  sent.identity.service_account = "sa";
  CHECK(DriverAttributes(sent, "app").Reveal() ==
        R"({"csi.storage.k8s.io/ephemeral":"true","csi.storage.k8s.io/pod.name":"web",)"
        R"("csi.storage.k8s.io/pod.namespace":"shop","csi.storage.k8s.io/pod.uid":"u1",)"
        R"("csi.storage.k8s.io/serviceAccount.name":"sa",)"
        R"("objects":"\u003ca\u003e \u0026 b","secretProviderClass":"app"})");

  sent.identity.tokens["vault"] = {SecretBytes("t\"1"),
                                   WallTime() + std::chrono::seconds(1'000'003'600)};
  const SecretBytes attributes = DriverAttributes(sent, "app");
  CHECK(attributes.Reveal().find(
            R"("csi.storage.k8s.io/serviceAccount.tokens":"{\"vault\":{\"token\":\"t\\\"1\",)"
            R"(\"expirationTimestamp\":\"2001-09-09T02:46:40Z\"}}")") != std::string_view::npos);

  const Result<MountRequest> read =
      ReadMountRequest("one", attributes.Reveal(), "null", "420", "/target");
  REQUIRE(read.ok());
  CHECK(read->parameters == sent.parameters);
  CHECK(read->identity.namespace_name == "shop");
  CHECK(read->identity.PodName() == "web");
  CHECK(read->identity.PodUid() == "u1");
  CHECK(read->identity.service_account == "sa");
  REQUIRE(read->identity.Token("vault") != nullptr);
  CHECK(read->identity.Token("vault")->token.Reveal() == "t\"1");
  CHECK(read->identity.Token("vault")->expires == sent.identity.tokens["vault"].expires);
}

TEST_CASE("mount request: attributes without a pod yield a request without a pod") {
  const Result<MountRequest> read = ReadMountRequest("one", R"({"a":"b"})", "", "420", "/t");
  REQUIRE(read.ok());
  CHECK_FALSE(read->identity.pod.has_value());
}

TEST_CASE("attributes: the namespace for the share is that of the real key") {
  struct Row {
    std::string name, attributes, want;
  };
  const Row rows[] = {
      {"first", R"({"csi.storage.k8s.io/pod.namespace":"shop","a":"b"})", "shop"},
      {"later", R"({"a":"b","csi.storage.k8s.io/pod.namespace":"shop"})", "shop"},
      {"with blanks", R"({ "a": "b", "csi.storage.k8s.io/pod.namespace": "shop" })", "shop"},
      {"a parameter whose name begins with a quote",
       R"({"\"csi.storage.k8s.io/pod.namespace":"victim","csi.storage.k8s.io/pod.namespace":"shop"})",
       "shop"},
      {"a value that looks like it",
       R"({"a":",\"csi.storage.k8s.io/pod.namespace\":\"victim\"","csi.storage.k8s.io/pod.namespace":"shop"})",
       "shop"},
      {"only such a parameter", R"({"\"csi.storage.k8s.io/pod.namespace":"victim"})", "(unknown)"},
      {"none", R"({"a":"b"})", "(unknown)"},
      {"empty", R"({"csi.storage.k8s.io/pod.namespace":""})", "(unknown)"},
      {"no label of DNS", R"({"csi.storage.k8s.io/pod.namespace":"a b"})", "(unknown)"},
      {"cut", R"({"csi.storage.k8s.io/pod.namespace":"sho)", "(unknown)"},
      {"no text", "", "(unknown)"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(NamespaceForShares(row.attributes) == row.want);
  }
}

}  // namespace nodekeep
