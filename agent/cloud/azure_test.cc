#include "agent/cloud/azure.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <map>

#include "agent/base/codecs.h"
#include "agent/base/json.h"
#include "tests/fakes/certificates.h"
#include "tests/fakes/fake_http_client.h"
#include "tests/fakes/temp_dir.h"

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace nodekeep {
namespace {

using Variables = std::map<std::string, std::string>;

constexpr const char* kTokenUrl = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token";
constexpr const char* kVault = "https://vault.azure.net";
constexpr const char* kMetadata = "http://169.254.169.254/metadata/identity/oauth2/token";
constexpr const char* kAnswer =
    R"({"token_type":"Bearer","expires_in":3599,"access_token":"entra"})";

AzureEnvironment Of(Variables variables) {
  return AzureEnvironment::From([variables = std::move(variables)](const std::string& name) {
    auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  });
}

EntraApplication ExampleApplication() {
  return {"https://login.microsoftonline.com/", "tenant", "app"};
}

TEST_CASE("azure: a federated token is the assertion of a client credentials grant") {
  FakeHttpClient http;
  http.On("POST", kTokenUrl, {FakeHttpClient::Respond(200, kAnswer)});
  Result<CloudToken> token =
      EntraTokenByAssertion({}, http, ExampleApplication(), kVault, SecretBytes("h.p.s"));
  REQUIRE(token.ok());
  CHECK(token->token.Reveal() == "entra");
  CHECK(token->lifetime == std::chrono::seconds(3599));
  CHECK(http.Requests().at(0).body ==
        "grant_type=client_credentials&client_id=app&"
        "scope=https%3A%2F%2Fvault.azure.net%2F.default&"
        "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&"
        "client_assertion=h.p.s");
}

TEST_CASE("azure: a client secret is sent unchanged") {
  FakeHttpClient http;
  http.On("POST", kTokenUrl, {FakeHttpClient::Respond(200, kAnswer)});
  REQUIRE(EntraTokenBySecret({}, http, ExampleApplication(), "https://management.azure.com/",
                             SecretBytes("a&b~"))
              .ok());
  CHECK(http.Requests().at(0).body ==
        "grant_type=client_credentials&client_id=app&"
        "scope=https%3A%2F%2Fmanagement.azure.com%2F.default&client_secret=a%26b~");
}

TEST_CASE("azure: an application without tenant or client id fails without a request") {
  struct Row {
    EntraApplication application;
    std::string want;
  };
  for (const Row& row :
       {Row{{"https://x", "", "app"}, "the tenant id is not set (environment AZURE_TENANT_ID)"},
        Row{{"https://x", "tenant", ""},
            "the client id is not set (environment AZURE_CLIENT_ID)"}}) {
    FakeHttpClient http;
    Result<CloudToken> token =
        EntraTokenByAssertion({}, http, row.application, kVault, SecretBytes("h.p.s"));
    REQUIRE_FALSE(token.ok());
    CHECK(token.error().message() == row.want);
    CHECK(http.Requests().empty());
  }
}

TEST_CASE("azure: the instance's identity is system-assigned or selected by id") {
  struct Row {
    ManagedIdentity identity;
    std::string want;
  };
  for (const Row& row :
       {Row{{"", ""}, ""}, Row{{"c i", ""}, "&client_id=c%20i"}, Row{{"", "o"}, "&object_id=o"}}) {
    FakeHttpClient http;
    http.On("GET", std::string(kMetadata) + "*",
            {FakeHttpClient::Respond(
                200, R"({"access_token":"msi","expires_in":"86399","expires_on":"1900000000"})")});
    Result<CloudToken> token = ManagedIdentityToken({}, http, Of({}), row.identity, kVault);
    REQUIRE(token.ok());
    CHECK(token->token.Reveal() == "msi");
    CHECK(token->lifetime == std::chrono::seconds(86399));
    const FakeHttpClient::RecordedRequest seen = http.Requests().at(0);
    CHECK(seen.url == std::string(kMetadata) +
                          "?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net" +
                          row.want);
    CHECK(seen.headers.at("metadata") == "true");
    CHECK(seen.bypass_proxy);
    CHECK(seen.timeout == std::chrono::seconds(5));
  }
}

TEST_CASE("azure: App Service has a separate identity endpoint") {
  FakeHttpClient http;
  http.On("GET", "*", {FakeHttpClient::Respond(200, R"({"access_token":"msi"})")});
  const AzureEnvironment environment =
      Of({{"IDENTITY_ENDPOINT", "http://127.0.0.1:41/msi/token"}, {"IDENTITY_HEADER", "header"}});
  REQUIRE(ManagedIdentityToken({}, http, environment, {}, kVault).ok());
  const FakeHttpClient::RecordedRequest seen = http.Requests().at(0);
  CHECK(seen.url ==
        "http://127.0.0.1:41/msi/token?api-version=2019-08-01&"
        "resource=https%3A%2F%2Fvault.azure.net");
  CHECK(seen.headers.at("x-identity-header") == "header");
  CHECK_FALSE(seen.headers.contains("metadata"));
}

TEST_CASE("azure: errors of the instance metadata service") {
  struct Row {
    std::string name;
    int status;
    ErrorCode want;
    std::string text;
  };
  const Row rows[] = {
      {"no such identity", 400, ErrorCode::kInvalid, "is the identity assigned to this machine?: "},
      {"being updated", 404, ErrorCode::kTransient, "instance metadata: HTTP status 404"},
      {"being updated, the other way", 410, ErrorCode::kTransient, "HTTP status 410"},
      {"busy", 429, ErrorCode::kThrottled, "HTTP status 429"},
      {"broken", 500, ErrorCode::kTransient, "HTTP status 500"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeHttpClient http;
    http.On("GET", "*", {FakeHttpClient::Respond(row.status, R"({"error":"invalid_request"})")});
    Result<CloudToken> token = ManagedIdentityToken({}, http, Of({}), {}, kVault);
    REQUIRE_FALSE(token.ok());
    CHECK(ErrorCodeName(token.error().code()) == ErrorCodeName(row.want));
    CHECK_THAT(token.error().message(), ContainsSubstring(row.text));
  }
}

TEST_CASE("azure: the cloud is the one named, else the machine's, else the public one") {
  struct Row {
    std::string name;
    Variables variables;
    FakeHttpClient::Reply metadata;
    std::string want;
    std::size_t asked;
  };
  const auto never = FakeHttpClient::Fail(ErrorCode::kTransient, "timed out");
  const Row rows[] = {
      {"AZURE_ENVIRONMENT",
       {{"AZURE_ENVIRONMENT", "AzureUSGovernmentCloud"}},
       never,
       "https://management.usgovcloudapi.net/",
       0},
      {"AZURE_ENVIRONMENT before AZURE_CLOUD",
       {{"AZURE_ENVIRONMENT", " AZURECHINACLOUD21Vianet "}, {"AZURE_CLOUD", "AzureCloud"}},
       never,
       "https://management.chinacloudapi.cn/",
       0},
      {"AZURE_CLOUD",
       {{"AZURE_CLOUD", "AzurePublicCloud"}},
       never,
       "https://management.azure.com/",
       0},
      {"the machine's",
       {},
       FakeHttpClient::Respond(200, R"({"compute":{"azEnvironment":"AzureUSGovernmentCloud"}})"),
       "https://management.usgovcloudapi.net/",
       1},
      {"no instance metadata", {}, never, "https://management.azure.com/", 1},
      {"a machine in another cloud",
       {},
       FakeHttpClient::Respond(200, R"({"compute":{"azEnvironment":"AzureStack"}})"),
       "https://management.azure.com/",
       1},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeHttpClient http;
    http.On("GET", "http://169.254.169.254/metadata/instance?api-version=2021-02-01&format=json",
            {row.metadata});
    Result<AzureCloud> cloud = OwnAzureCloud({}, http, Of(row.variables));
    REQUIRE(cloud.ok());
    CHECK(cloud->resource_manager == row.want);
    CHECK(http.Requests().size() == row.asked);
    if (row.asked > 0) CHECK(http.Requests().at(0).timeout == std::chrono::seconds(1));
  }
  FakeHttpClient http;
  Result<AzureCloud> none = OwnAzureCloud({}, http, Of({{"AZURE_CLOUD", "Mooncake"}}));
  REQUIRE_FALSE(none.ok());
  CHECK_THAT(none.error().message(), ContainsSubstring("\"Mooncake\" is none of AzureCloud"));
}

TEST_CASE("azure chain: the token comes from the first configured source") {
  const TempDir directory;
  const CertificatePair pair = MakeRsaPair("app");
  Variables variables = {
      {"AZURE_TENANT_ID", "tenant"},
      {"AZURE_CLIENT_ID", "app"},
      {"AZURE_CLIENT_SECRET", "secret"},
      {"AZURE_CLIENT_CERTIFICATE_PATH",
       directory.Write("pem", pair.key_pem + pair.certificate_pem)},
      {"AZURE_FEDERATED_TOKEN_FILE", directory.Write("token", "h.p.s\n")},
  };
  struct Step {
    std::string want, take_away;
  };
  for (const Step& step : {Step{"client_secret=secret", "AZURE_CLIENT_SECRET"},
                           Step{"client_assertion=ey", "AZURE_CLIENT_CERTIFICATE_PATH"},
                           Step{"client_assertion=h.p.s", "AZURE_FEDERATED_TOKEN_FILE"}}) {
    FakeHttpClient http;
    http.On("POST", kTokenUrl, {FakeHttpClient::Respond(200, kAnswer)});
    Result<CloudToken> token =
        OwnAzureToken({}, http, Of(variables), *AzureCloud::Find("AzureCloud"), kVault, WallTime());
    INFO((token.ok() ? "" : token.error().message()));
    REQUIRE(token.ok());
    CHECK_THAT(http.Requests().at(0).body, ContainsSubstring(step.want));
    variables.erase(step.take_away);
  }
  FakeHttpClient http;
  http.On("GET", std::string(kMetadata) + "*", {FakeHttpClient::Respond(200, kAnswer)});
  REQUIRE(OwnAzureToken({}, http, Of(variables), *AzureCloud::Find("AzureCloud"), kVault, {}).ok());
  CHECK_THAT(http.Requests().at(0).url, ContainsSubstring("&client_id=app"));
}

TEST_CASE("azure chain: the authority is the environment's, else the cloud's") {
  FakeHttpClient http;
  http.On("POST", "*", {FakeHttpClient::Respond(200, kAnswer)});
  Variables variables = {
      {"AZURE_TENANT_ID", "t"}, {"AZURE_CLIENT_ID", "app"}, {"AZURE_CLIENT_SECRET", "s"}};
  const AzureCloud cloud = *AzureCloud::Find("AzureUSGovernment");
  REQUIRE(OwnAzureToken({}, http, Of(variables), cloud, kVault, {}).ok());
  variables["AZURE_AUTHORITY_HOST"] = "https://login.example/";
  REQUIRE(OwnAzureToken({}, http, Of(variables), cloud, kVault, {}).ok());
  CHECK(http.Requests().at(0).url == "https://login.microsoftonline.us/t/oauth2/v2.0/token");
  CHECK(http.Requests().at(1).url == "https://login.example/t/oauth2/v2.0/token");
}

TEST_CASE("azure chain: a configured source that fails never falls back to the machine") {
  const TempDir directory;
  const std::string token = directory.Write("token", "h.p.s");
  const std::string bad_pem = directory.Write("pem", "no key");
  struct Row {
    std::string name;
    Variables variables;
    std::string want;
  };
  const Row rows[] = {
      {"a wrong secret",
       {{"AZURE_CLIENT_SECRET", "s"}},
       "Azure token by AZURE_CLIENT_SECRET: Entra token request: HTTP status 401 AADSTS7000215: "},
      {"a file without a certificate",
       {{"AZURE_CLIENT_CERTIFICATE_PATH", bad_pem}},
       "Azure token by AZURE_CLIENT_CERTIFICATE_PATH: there is no PEM certificate"},
      {"a missing token file",
       {{"AZURE_FEDERATED_TOKEN_FILE", directory / "gone"}},
       "Azure token by workload identity (AZURE_FEDERATED_TOKEN_FILE): read \""},
      {"an empty token file",
       {{"AZURE_FEDERATED_TOKEN_FILE", directory.Write("empty", " \n")}},
       "Azure token by workload identity (AZURE_FEDERATED_TOKEN_FILE): read \""},
      {"an unknown federation",
       {{"AZURE_FEDERATED_TOKEN_FILE", token}},
       "Azure token by workload identity (AZURE_FEDERATED_TOKEN_FILE): Entra token request: "},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeHttpClient http;
    http.On("POST", "*",
            {FakeHttpClient::Respond(401, R"({"error":"invalid_client","error_description":)"
                                          R"("AADSTS7000215: Invalid client secret h.p.s"})")});
    Variables variables = row.variables;
    variables["AZURE_TENANT_ID"] = "tenant";
    variables["AZURE_CLIENT_ID"] = "app";
    Result<CloudToken> got =
        OwnAzureToken({}, http, Of(variables), *AzureCloud::Find("AzureCloud"), kVault, {});
    REQUIRE_FALSE(got.ok());
    CHECK_THAT(got.error().message(), StartsWith(row.want) && !ContainsSubstring("h.p.s"));
    CHECK(http.Count("169.254.169.254") == 0);
  }
}

TEST_CASE("azure: a certificate assertion names the token endpoint and is valid for 10 minutes") {
  const CertificatePair pair = MakeRsaPair("app");
  Result<SecretBytes> assertion = EntraCertificateAssertion(
      ExampleApplication(), SecretBytes(pair.certificate_pem + pair.key_pem),
      *ParseTime("2025-01-02T03:04:05Z"));
  REQUIRE(assertion.ok());
  const std::string_view text = assertion->Reveal();
  const std::string_view payload = text.substr(text.find('.') + 1);
  Result<SecretBytes> claims_text = Base64UrlDecode(payload.substr(0, payload.find('.')));
  REQUIRE(claims_text.ok());
  Result<Json> claims = ParseJson(claims_text->Reveal());
  REQUIRE(claims.ok());
  CHECK(TextOf(Find(*claims, {"aud"})) == kTokenUrl);
  CHECK(TextOf(Find(*claims, {"iss"})) == "app");
  CHECK(TextOf(Find(*claims, {"sub"})) == "app");
  CHECK(TextOf(Find(*claims, {"jti"})).value_or("").size() == 32);
  CHECK(IntOf(Find(*claims, {"nbf"})) == 1735787045);
  CHECK(IntOf(Find(*claims, {"exp"})) == 1735787645);
}

}  // namespace
}  // namespace nodekeep
