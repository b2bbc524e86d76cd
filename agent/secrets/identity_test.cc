#include "agent/secrets/identity.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {

TEST_CASE("pod tokens: each audience has its token and its expiry") {
  Result<std::map<std::string, ServiceAccountToken>> tokens = ParseServiceAccountTokens(SecretBytes(
      R"({"vault":{"token":"t1","expirationTimestamp":"2026-01-31T12:00:00Z"},)"
      R"("":{"token":"t2","expirationTimestamp":"later"},"x":{"token":"t3","more":1}})"));
  REQUIRE(tokens.ok());
  REQUIRE(tokens->size() == 3);
  CHECK(tokens->at("vault").token.Reveal() == "t1");
  CHECK(tokens->at("vault").expires == WallTime(std::chrono::seconds(1769860800)));
  CHECK(tokens->at("").token.Reveal() == "t2");
  // An expiry that cannot be parsed: the token is used until it is refused.
  CHECK(tokens->at("").expires == WallTime::max());
  CHECK(tokens->at("x").expires == WallTime::max());
}

TEST_CASE("pod tokens: empty text, null and an empty object mean no tokens") {
  struct Row {
    std::string name, text;
  };
  const Row rows[] = {{"absent", ""}, {"null", "null"}, {"empty object", "{}"}};
  for (const Row& row : rows) {
    INFO(row.name);
    auto tokens = ParseServiceAccountTokens(SecretBytes(row.text));
    REQUIRE(tokens.ok());
    CHECK(tokens->empty());
  }
}

TEST_CASE("pod tokens: malformed text is an error that does not quote it") {
  struct Row {
    std::string name, text, want;
  };
  const Row rows[] = {
      {"no JSON", "hunter2", ""},
      {"broken off", R"({"vault":{"token":"hunter2)", "unexpected end of JSON input"},
      {"a list", R"(["hunter2"])", "expected a JSON object by audience"},
      {"a text", R"("hunter2")", "expected a JSON object by audience"},
      {"an audience with a text", R"({"vault":"hunter2"})",
       "audience \"vault\" has no \"token\" string"},
      {"a token that is a number", R"({"vault":{"token":42}})",
       "audience \"vault\" has no \"token\" string"},
      {"an empty token", R"({"vault":{"token":"","hunter2":1}})",
       "audience \"vault\" has no \"token\" string"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto tokens = ParseServiceAccountTokens(SecretBytes(row.text));
    REQUIRE_FALSE(tokens.ok());
    CHECK(tokens.error().code() == ErrorCode::kInvalid);
    CHECK(tokens.error().message().find(row.want) != std::string::npos);
    CHECK(tokens.error().message().find("hunter2") == std::string::npos);
  }
}

TEST_CASE("pod identity: a clone is equal and independent") {
  Identity pod;
  pod.namespace_name = "shop";
  pod.pod = {"web-0", "uid-7"};
  pod.service_account = "web";
  pod.service_account_uid = "sa-uid";
  pod.service_account_annotations["role"] = "reader";
  pod.tokens["vault"] = {SecretBytes("t"), WallTime(std::chrono::seconds(5))};
  pod.credentials["user"] = SecretBytes("alice");
  const Identity copy = pod.Clone();
  pod.tokens["vault"].token.Wipe();
  pod.credentials.clear();

  CHECK(copy.namespace_name == "shop");
  CHECK(copy.PodName() == "web-0");
  CHECK(copy.PodUid() == "uid-7");
  CHECK(copy.service_account == "web");
  CHECK(copy.service_account_uid == "sa-uid");
  CHECK(copy.service_account_annotations.at("role") == "reader");
  REQUIRE(copy.Token("vault") != nullptr);
  CHECK(copy.Token("vault")->token.Reveal() == "t");
  CHECK(copy.Token("vault")->expires == WallTime(std::chrono::seconds(5)));
  CHECK(copy.Token("") == nullptr);
  CHECK(copy.credentials.at("user").Reveal() == "alice");
}

TEST_CASE("pod identity: Text is namespace and pod, or \"(no pod)\"") {
  Identity pod;
  CHECK(pod.Text() == "(no pod)");
  pod.namespace_name = "shop";
  pod.pod = {"web-0", ""};
  CHECK(pod.Text() == "shop/web-0");
}

}  // namespace nodekeep
