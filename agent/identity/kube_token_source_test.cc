#include "agent/identity/kube_token_source.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "agent/base/codecs.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep {
namespace {

using Http = FakeHttpClient;

constexpr char kUrl[] = "https://kube.test/api/v1/namespaces/shop/serviceaccounts/web/token";

KubeConnection Connection() {
  KubeConnection connection;
  connection.server = "https://kube.test";
  return connection;
}

struct Fixture {
  Fixture() {
    identity.namespace_name = "shop";
    identity.pod = {"web-0", "uid-7"};
    identity.service_account = "web";
  }

  Result<ServiceAccountToken> Request(const std::string& audience) {
    return KubeTokenSource(client).Request(Context(), identity, audience);
  }

  FakeHttpClient http;
  FakeClock clock;
  FakeRng rng;
  KubeClient client{http, Connection(), clock, rng, {.retry = {.attempts = 1}}};
  Identity identity;
};

}  // namespace

TEST_CASE("token request: the token is for the audience and bound to the pod") {
  struct Row {
    std::string name, audience, want;
  };
  const Row rows[] = {
      {"an audience", "vault", R"("audiences":["vault"])"},
      {"the cluster's default", "", R"("audiences":[])"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    const std::string jwt = "e30." + Base64UrlEncode(R"({"exp":1700000000})") + ".sig";
    fixture.http.On("POST", kUrl, {Http::Respond(201, R"({"status":{"token":")" + jwt + R"("}})")});
    Result<ServiceAccountToken> token = fixture.Request(row.audience);
    REQUIRE(token.ok());
    CHECK(token->token.Reveal() == jwt);
    CHECK(token->expires == WallTime(std::chrono::seconds(1700000000)));
    CHECK(fixture.http.Requests().at(0).body ==
          R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{)" + row.want +
              R"(,"boundObjectRef":{"apiVersion":"v1","kind":"Pod","name":"web-0","uid":"uid-7"})"
              R"(,"expirationSeconds":900}})");
  }
}

TEST_CASE("token request: an error names the missing permission or object") {
  struct Row {
    std::string name;
    int status;
    std::string body;
    ErrorCode code;
    std::string want;
  };
  const Row rows[] = {
      {"no permission", 403,
       R"({"kind":"Status","reason":"Forbidden","message":"serviceaccounts \"web\" is forbidden"})",
       ErrorCode::kDenied,
       "403 Forbidden: serviceaccounts \"web\" is forbidden: the agent's ClusterRole needs the "
       "verb "
       "create on serviceaccounts/token"},
      {"gone", 404, R"({"kind":"Status","reason":"NotFound","message":"pods \"web-0\" not found"})",
       ErrorCode::kNotFound, "not found: the service account or the pod is gone"},
      {"another pod of that name", 409,
       R"({"kind":"Status","reason":"Conflict","message":"the UID does not match"})",
       ErrorCode::kConflict, "the pod was replaced by another of the same name"},
      {"the agent's own credential", 401,
       R"({"kind":"Status","reason":"Unauthorized","message":"Unauthorized"})",
       ErrorCode::kAuthExpired, "the agent's own credential for the API server is not accepted"},
      {"outage", 503, R"({"kind":"Status","reason":"ServiceUnavailable","message":"down"})",
       ErrorCode::kTransient, "503 ServiceUnavailable: down"},
      {"no token in the response", 201, R"({"status":{}})", ErrorCode::kInternal,
       "the response has no status.token"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.http.On("POST", kUrl, {Http::Respond(row.status, row.body)});
    Result<ServiceAccountToken> token = fixture.Request("vault");
    REQUIRE_FALSE(token.ok());
    INFO(token.error().message());
    CHECK(token.error().code() == row.code);
    CHECK(token.error().message().starts_with(
        "kubernetes: POST /api/v1/namespaces/shop/serviceaccounts/web/token: "));
    CHECK(token.error().message().ends_with(row.want));
  }
}

TEST_CASE("token request: a request without namespace or service account is not sent") {
  for (std::string Identity::*field : {&Identity::namespace_name, &Identity::service_account}) {
    Fixture fixture;
    (fixture.identity.*field).clear();
    Result<ServiceAccountToken> token = fixture.Request("vault");
    REQUIRE_FALSE(token.ok());
    CHECK(token.error().code() == ErrorCode::kPrecondition);
    CHECK(fixture.http.Count() == 0);
  }
}

TEST_CASE("token request: without a pod the token is not bound to an object") {
  Fixture fixture;
  fixture.identity.pod.reset();
  fixture.http.On("POST", kUrl, {Http::Respond(201, R"({"status":{"token":"t"}})")});
  REQUIRE(fixture.Request("vault").ok());
  CHECK(fixture.http.Requests().at(0).body.find("boundObjectRef") == std::string::npos);
}

TEST_CASE("token request: names cannot change the path") {
  Fixture fixture;
  fixture.identity.namespace_name = "../../x?y";
  fixture.http.On("POST", "https://kube.test/*", {Http::Respond(404, "")});
  CHECK_FALSE(fixture.Request("vault").ok());
  CHECK(fixture.http.Requests().at(0).url ==
        "https://kube.test/api/v1/namespaces/..%2F..%2Fx%3Fy/serviceaccounts/web/token");
}

}  // namespace nodekeep
