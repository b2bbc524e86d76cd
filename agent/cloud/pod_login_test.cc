#include "agent/cloud/pod_login.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>

#include "tests/fakes/fake_http_client.h"

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace nodekeep {
namespace {

constexpr const char* kAssumed =
    "<AssumeRoleWithWebIdentityResponse><Credentials><AccessKeyId>ASIAPOD</AccessKeyId>"
    "<SecretAccessKey>podsecret</SecretAccessKey><SessionToken>podsession</SessionToken>"
    "<Expiration>2026-01-31T12:00:00Z</Expiration></Credentials></"
    "AssumeRoleWithWebIdentityResponse>";
constexpr const char* kPool =
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q";
constexpr const char* kGke =
    "identitynamespace:shop.svc.id.goog:https://container.googleapis.com/v1/projects/shop/"
    "locations/europe-west1/clusters/one";
constexpr const char* kImpersonate =
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
    "app%40p.iam.gserviceaccount.com:";
constexpr const char* kFederated = R"({"access_token":"federated","expires_in":3599})";

const SecretBytes& PodToken() {
  static const SecretBytes token("pod-jwt");
  return token;
}

template <typename Environment>
Environment Of(const std::string& variable = "", const std::string& value = "") {
  return Environment::From(
      [&](const std::string& name) { return name == variable ? value : std::string(); });
}

template <typename T>
std::string MessageOf(const Result<T>& result) {
  return result.ok() ? "(ok)" : result.error().message();
}

}  // namespace

TEST_CASE("pod login: AWS credentials of a role come from the region's STS") {
  struct Row {
    std::string name, variable, value, region, want;
  };
  const Row rows[] = {
      {"no region", "", "", "", "https://sts.amazonaws.com/"},
      {"the agent's region", "AWS_REGION", "us-west-2", "", "https://sts.us-west-2.amazonaws.com/"},
      {"the class's region first", "AWS_REGION", "us-west-2", "eu-west-1",
       "https://sts.eu-west-1.amazonaws.com/"},
      {"the operator's endpoint", "AWS_ENDPOINT_URL_STS", "https://vpce.example/", "eu-west-1",
       "https://vpce.example/"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeHttpClient http;
    http.On("POST", row.want, {FakeHttpClient::Respond(200, kAssumed)});
    Result<AwsCredentials> credentials =
        AwsCredentialsForPod({}, http, Of<AwsEnvironment>(row.variable, row.value),
                             {"arn:aws:iam::1:role/app", row.region}, PodToken());
    REQUIRE(MessageOf(credentials) == "(ok)");
    CHECK(credentials->access_key_id == "ASIAPOD");
    CHECK_THAT(http.Requests().at(0).body, ContainsSubstring("&WebIdentityToken=pod-jwt&"));
  }
}

TEST_CASE("pod login: Azure exchanges the token for one of the tenant's application") {
  FakeHttpClient http;
  http.On("POST", "https://login.example/tenant/oauth2/v2.0/token",
          {FakeHttpClient::Respond(200, R"({"access_token":"entra","expires_in":3599})")});
  const AzurePodLogin login{"tenant", "app", "https://login.example", "https://vault.azure.net"};
  Result<CloudToken> token = AzureTokenForPod({}, http, Of<AzureEnvironment>(), login, PodToken());
  REQUIRE(MessageOf(token) == "(ok)");
  CHECK(token->token.Reveal() == "entra");
  CHECK_THAT(http.Requests().at(0).body,
             ContainsSubstring("client_id=app&") &&
                 ContainsSubstring("&client_assertion=pod-jwt") &&
                 ContainsSubstring("scope=https%3A%2F%2Fvault.azure.net%2F.default"));
}

TEST_CASE("pod login: Google exchanges the token, for GKE at a separate service") {
  for (const auto& [provider, url] : {std::pair{kPool, kGcpSts}, {kGke, kGkeSts}}) {
    INFO(provider);
    FakeHttpClient http;
    http.On("POST", url, {FakeHttpClient::Respond(200, kFederated)});
    Result<CloudToken> token =
        GcpAccessTokenForPod({}, http, Of<GcpEnvironment>(), {provider, ""}, PodToken());
    REQUIRE(MessageOf(token) == "(ok)");
    CHECK(token->token.Reveal() == "federated");
    CHECK_THAT(http.Requests().at(0).body, ContainsSubstring("pod-jwt"));
  }
}

TEST_CASE("pod login: a Google service account is impersonated with the federated token") {
  FakeHttpClient http;
  http.On("POST", kGcpSts, {FakeHttpClient::Respond(200, kFederated)});
  http.On("POST", std::string(kImpersonate) + "generateAccessToken",
          {FakeHttpClient::Respond(200, R"({"accessToken":"account",)"
                                        R"("expireTime":"2126-01-31T12:00:00Z"})")});
  http.On("POST", std::string(kImpersonate) + "generateIdToken",
          {FakeHttpClient::Respond(200, R"({"token":"h.p.s"})")});
  const GcpPodLogin login{kPool, "app@p.iam.gserviceaccount.com"};
  const GcpEnvironment environment = Of<GcpEnvironment>();
  Result<CloudToken> access = GcpAccessTokenForPod({}, http, environment, login, PodToken());
  REQUIRE(MessageOf(access) == "(ok)");
  CHECK(access->token.Reveal() == "account");
  Result<CloudToken> identity =
      GcpIdentityTokenForPod({}, http, environment, login, PodToken(), "somebody.example");
  REQUIRE(MessageOf(identity) == "(ok)");
  CHECK(identity->token.Reveal() == "h.p.s");
  CHECK(http.Requests().at(1).headers.at("authorization") == "Bearer federated");
  CHECK_THAT(http.Requests().back().body, ContainsSubstring(R"("audience":"somebody.example")"));
}

TEST_CASE("pod login: a refusal names the identity and the policy that must allow the pod") {
  FakeHttpClient http;
  http.On("", "*", {FakeHttpClient::Respond(403, "{}")});
  CHECK_THAT(MessageOf(AwsCredentialsForPod({}, http, Of<AwsEnvironment>(),
                                            {"arn:aws:iam::1:role/app", ""}, PodToken())),
             StartsWith("role \"arn:aws:iam::1:role/app\" on behalf of the pod: ") &&
                 ContainsSubstring("trust policy"));
  CHECK_THAT(MessageOf(AzureTokenForPod({}, http, Of<AzureEnvironment>(),
                                        {"tenant", "app", "https://a", "https://b"}, PodToken())),
             StartsWith("application \"app\" on behalf of the pod: ") &&
                 ContainsSubstring("federated credential"));
  CHECK_THAT(
      MessageOf(GcpAccessTokenForPod({}, http, Of<GcpEnvironment>(), {kPool, ""}, PodToken())),
      StartsWith("provider \"" + std::string(kPool) + "\" on behalf of the pod: ") &&
          ContainsSubstring("must trust"));
}

TEST_CASE("pod login: a transient error does not mention the trust policy") {
  FakeHttpClient http;
  http.On("", "*", {FakeHttpClient::Respond(503, "")});
  const std::string message = MessageOf(AwsCredentialsForPod(
      {}, http, Of<AwsEnvironment>(), {"arn:aws:iam::1:role/app", ""}, PodToken()));
  CHECK_THAT(message, StartsWith("role ") && !ContainsSubstring("trust policy"));
}

TEST_CASE("pod login: the audience of a Google provider is its name, for GKE the pool") {
  CHECK(GcpPodAudience(kPool) == kPool);
  CHECK(GcpPodAudience(kGke) == "shop.svc.id.goog");
}

TEST_CASE("pod login: the syntax of identity values of a class is checked") {
  CHECK(IsAwsRegion("eu-west-1"));
  CHECK(IsAwsRoleArn("arn:aws-cn:iam::1:role/path/app"));
  CHECK(IsAzureId("11111111-2222-3333-4444-555555555555"));
  CHECK(IsAzureId("tenant.example"));
  CHECK(IsGcpProvider(kPool));
  CHECK(IsGcpProvider(kGke));
  CHECK(IsGcpServiceAccount("app@p.iam.gserviceaccount.com"));
  for (const char* text : {"", "evil.example/", "EU-WEST-1", "-a", "a-", "a b"}) {
    INFO(text);
    CHECK_FALSE(IsAwsRegion(text));
  }
  for (const char* text : {"", "app", "arn:aws:iam::1:user/app", "arn:aws:iam::1:role/"}) {
    INFO(text);
    CHECK_FALSE(IsAwsRoleArn(text));
  }
  for (const char* text : {"", "..", "../x", "a b"}) {
    INFO(text);
    CHECK_FALSE(IsAzureId(text));
  }
  for (const char* text :
       {"", "//iam.googleapis.com/projects/1/x", "https://evil.example/", "identitynamespace:p"}) {
    INFO(text);
    CHECK_FALSE(IsGcpProvider(text));
  }
  for (const char* text : {"", "app", "@p", "app@", "a@b@c", "a b@c"}) {
    INFO(text);
    CHECK_FALSE(IsGcpServiceAccount(text));
  }
}

}  // namespace nodekeep
