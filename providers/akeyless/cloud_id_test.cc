#include "providers/akeyless/cloud_id.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <map>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/base/json.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"
#include "tests/fakes/temp_dir.h"

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace nodekeep::akeyless {
namespace {

constexpr const char* kEntraToken = R"({"access_token":"entra","expires_in":3599})";
constexpr const char* kAssumed =
    "<AssumeRoleWithWebIdentityResponse><Credentials><AccessKeyId>ASIAPOD</AccessKeyId>"
    "<SecretAccessKey>podsecret</SecretAccessKey><SessionToken>podsession</SessionToken>"
    "<Expiration>2026-01-31T12:00:00Z</Expiration></Credentials></"
    "AssumeRoleWithWebIdentityResponse>";

// The decoded content of an AWS cloud-id.
struct Quoted {
  std::string method, url, body;
  std::map<std::string, std::string> headers;
};

std::string Decoded(std::string_view text) {
  Result<SecretBytes> bytes = Base64Decode(text);
  REQUIRE(bytes.ok());
  return std::string(bytes->Reveal());
}

Json ParsedJson(const std::string& text) {
  Result<Json> json = ParseJson(text);
  REQUIRE(json.ok());
  return *json;
}

Quoted Unpack(const Result<SecretBytes>& cloud_id) {
  INFO((cloud_id.ok() ? "" : cloud_id.error().message()));
  REQUIRE(cloud_id.ok());
  const Json outer = ParsedJson(Decoded(cloud_id->Reveal()));
  REQUIRE(outer.size() == 4);
  Quoted quoted;
  quoted.method = outer["sts_request_method"].as<std::string>();
  quoted.url = Decoded(outer["sts_request_url"].as<std::string>());
  quoted.body = Decoded(outer["sts_request_body"].as<std::string>());
  const Json headers = ParsedJson(Decoded(outer["sts_request_headers"].as<std::string>()));
  for (const auto& member : headers.object_range()) {
    REQUIRE(member.value().size() == 1);
    quoted.headers[std::string(member.key())] = member.value()[0].as<std::string>();
  }
  return quoted;
}

AwsCredentials ExampleCredentials(const std::string& session_token = "") {
  AwsCredentials credentials;
  credentials.access_key_id = "AKIDEXAMPLE";
  credentials.secret_access_key = SecretBytes("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
  credentials.session_token = SecretBytes(session_token);
  return credentials;
}

WallTime ExampleTime() { return *ParseTime("2025-01-02T03:04:05Z"); }

// Builders over a scripted network and environment.
struct Machine {
  FakeHttpClient http;
  FakeClock clock;
  std::map<std::string, std::string> environment;

  CloudIds Ids() {
    return CloudIds(http, clock, [this](const std::string& name) {
      auto found = environment.find(name);
      return found == environment.end() ? std::string() : found->second;
    });
  }
};

TEST_CASE("cloud-id: aws_iam is byte for byte the published example") {
  struct Row {
    std::string name, session_token;
    std::size_t size;
    std::string digest;
  };
  // docs/protocol/akeyless-api.md, "Cloud id of AWS"; the signatures within were cross-checked with
  // botocore 1.43.11.
  const Row rows[] = {
      {"key of a user", "", 844,
       "6ba9e3c3b0d97c0e51241845950f32fd4787b5d5003d97bb35576e226513dc56"},
      {"credentials of a role", "SESSIONTOKENEXAMPLE", 964,
       "b33fb2fabeaafc81ae8bc1da9252307e174ab5d87ec2b533d832a219b2a6459c"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<SecretBytes> cloud_id =
        AwsCloudId(ExampleCredentials(row.session_token), "https://sts.eu-west-1.amazonaws.com/",
                   "eu-west-1", ExampleTime());
    REQUIRE(cloud_id.ok());
    CHECK(cloud_id->size() == row.size);
    CHECK(Sha256Hex(cloud_id->Reveal()) == row.digest);
  }
}

TEST_CASE("cloud-id: aws_iam quotes a request that is never sent") {
  Machine machine;
  machine.environment = {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                         {"AWS_SECRET_ACCESS_KEY", "sesame-open"}};
  const Result<SecretBytes> cloud_id = machine.Ids().Aws({}, {});
  const Quoted quoted = Unpack(cloud_id);
  CHECK(machine.http.Requests().empty());
  CHECK(quoted.method == "POST");
  CHECK(quoted.url == "https://sts.amazonaws.com/");
  CHECK(quoted.body == "Action=GetCallerIdentity&Version=2011-06-15");
  CHECK(quoted.headers.size() == 3);
  CHECK(quoted.headers.at("Content-Type") == "application/x-www-form-urlencoded");
  CHECK(quoted.headers.contains("X-Amz-Date"));
  CHECK_THAT(quoted.headers.at("Authorization"),
             ContainsSubstring("/us-east-1/sts/aws4_request, "
                               "SignedHeaders=content-length;content-type;host;x-amz-date,"));
  CHECK(Decoded(cloud_id->Reveal()).find("sesame-open") == std::string::npos);
}

TEST_CASE("cloud-id: aws_iam signs for the global host by default, except in other partitions") {
  struct Row {
    std::string name, environment_region, sts_region, sts_url, want_url, want_region;
  };
  const Row rows[] = {
      {"nothing set", "", "", "", "https://sts.amazonaws.com/", "us-east-1"},
      {"the pod's own region changes nothing", "eu-west-1", "", "", "https://sts.amazonaws.com/",
       "us-east-1"},
      {"China", "cn-north-1", "", "", "https://sts.cn-north-1.amazonaws.com.cn/", "cn-north-1"},
      {"US government", "us-gov-west-1", "", "", "https://sts.us-gov-west-1.amazonaws.com/",
       "us-gov-west-1"},
      {"a given region", "", "eu-west-1", "", "https://sts.eu-west-1.amazonaws.com/", "eu-west-1"},
      {"a given host", "", "eu-west-1", "https://vpce-1.sts.example", "https://vpce-1.sts.example/",
       "eu-west-1"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Machine machine;
    machine.environment = {{"AWS_ACCESS_KEY_ID", "A"},
                           {"AWS_SECRET_ACCESS_KEY", "s"},
                           {"AWS_REGION", row.environment_region}};
    AwsIdentity identity;
    identity.sts_region = row.sts_region;
    identity.sts_url = row.sts_url;
    const Quoted quoted = Unpack(machine.Ids().Aws({}, identity));
    CHECK(quoted.url == row.want_url);
    CHECK_THAT(quoted.headers.at("Authorization"),
               ContainsSubstring("/" + row.want_region + "/sts/aws4_request"));
  }
}

TEST_CASE("cloud-id: a pod's aws_iam is the role for its own token, not the node's identity") {
  Machine machine;
  machine.environment = {{"AWS_ACCESS_KEY_ID", "AKIDNODE"},
                         {"AWS_SECRET_ACCESS_KEY", "node"},
                         {"AWS_REGION", "eu-west-1"}};
  machine.http.On("POST", "https://sts.eu-west-1.amazonaws.com/",
                  {FakeHttpClient::Respond(200, kAssumed)});
  const SecretBytes token("pod-jwt");
  AwsIdentity identity;
  identity.role_arn = "arn:aws:iam::1:role/app";
  identity.pod_token = &token;
  const Quoted quoted = Unpack(machine.Ids().Aws({}, identity));
  CHECK_THAT(quoted.headers.at("Authorization"), ContainsSubstring("Credential=ASIAPOD/"));
  CHECK(quoted.headers.at("X-Amz-Security-Token") == "podsession");
  CHECK_THAT(machine.http.Requests().at(0).body,
             ContainsSubstring("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fapp&") &&
                 ContainsSubstring("&WebIdentityToken=pod-jwt&"));
}

TEST_CASE("cloud-id: a pod's role is requested in the given region, and signed as configured") {
  struct Row {
    std::string name;
    std::map<std::string, std::string> environment;
    AwsIdentity identity;
    std::string want_asked, want_signed, want_region;
  };
  const Row rows[] = {
      {"nothing is said",
       {},
       {},
       "https://sts.amazonaws.com/",
       "https://sts.amazonaws.com/",
       "us-east-1"},
      {"the class's region before the agent's",
       {{"AWS_REGION", "us-west-2"}},
       {"", "", "", "eu-west-1", nullptr},
       "https://sts.eu-west-1.amazonaws.com/",
       "https://sts.amazonaws.com/",
       "us-east-1"},
      {"another partition signs at home",
       {},
       {"", "", "", "cn-north-1", nullptr},
       "https://sts.cn-north-1.amazonaws.com.cn/",
       "https://sts.cn-north-1.amazonaws.com.cn/",
       "cn-north-1"},
      {"a region to sign for does not change the STS that issues the role",
       {},
       {"eu-west-3", "", "", "", nullptr},
       "https://sts.amazonaws.com/",
       "https://sts.eu-west-3.amazonaws.com/",
       "eu-west-3"},
      {"an endpoint is signed for and never called",
       {},
       {"eu-west-3", "https://sts.internal.example", "", "", nullptr},
       "https://sts.amazonaws.com/",
       "https://sts.internal.example/",
       "eu-west-3"},
      {"the operator's endpoint is called",
       {{"AWS_ENDPOINT_URL_STS", "https://vpce.example/"}},
       {"", "", "", "eu-west-1", nullptr},
       "https://vpce.example/",
       "https://sts.amazonaws.com/",
       "us-east-1"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Machine machine;
    machine.environment = row.environment;
    machine.http.On("POST", "*", {FakeHttpClient::Respond(200, kAssumed)});
    const SecretBytes token("pod-jwt");
    AwsIdentity identity = row.identity;
    identity.role_arn = "arn:aws:iam::1:role/app";
    identity.pod_token = &token;
    const Quoted quoted = Unpack(machine.Ids().Aws({}, identity));
    REQUIRE(machine.http.Requests().size() == 1);
    CHECK(machine.http.Requests().at(0).url == row.want_asked);
    CHECK(quoted.url == row.want_signed);
    CHECK_THAT(quoted.headers.at("Authorization"),
               ContainsSubstring("/" + row.want_region + "/sts/aws4_request"));
  }
}

TEST_CASE("cloud-id: a cloud's refusal of a pod names the identity and the fix") {
  Machine machine;
  machine.environment = {{"AZURE_CLOUD", "AzureCloud"}};
  machine.http.On("", "*", {FakeHttpClient::Respond(403, "{}")});
  const SecretBytes token("pod-jwt");
  AwsIdentity aws;
  aws.role_arn = "arn:aws:iam::1:role/app";
  aws.pod_token = &token;
  CHECK_THAT(
      machine.Ids().Aws({}, aws).error().message(),
      StartsWith("cloud-id for aws_iam: role \"arn:aws:iam::1:role/app\" on behalf of the pod: ") &&
          ContainsSubstring("trust policy"));
  AzureIdentity azure;
  azure.client_id = "app";
  azure.pod_token = &token;
  CHECK_THAT(machine.Ids().Azure({}, azure).error().message(),
             ContainsSubstring("set nodekeep/azureTenantID in the class, or AZURE_TENANT_ID"));
  azure.tenant_id = "tenant";
  CHECK_THAT(machine.Ids().Azure({}, azure).error().message(),
             StartsWith("cloud-id for azure_ad: application \"app\" on behalf of the pod: ") &&
                 ContainsSubstring("federated credential"));
  GcpIdentity gcp;
  gcp.provider = "//iam.googleapis.com/projects/1/x";
  gcp.pod_token = &token;
  CHECK_THAT(machine.Ids().Gcp({}, gcp).error().message(),
             StartsWith("cloud-id for gcp: provider \"//iam.googleapis.com/projects/1/x\" on "
                        "behalf of the pod: ") &&
                 ContainsSubstring("must trust"));
}

TEST_CASE("cloud-id: a refused pod does not fall back to the node's identity") {
  Machine machine;
  machine.environment = {{"AWS_ACCESS_KEY_ID", "AKIDNODE"}, {"AWS_SECRET_ACCESS_KEY", "node"},
                         {"AZURE_TENANT_ID", "tenant"},     {"AZURE_CLIENT_ID", "node"},
                         {"AZURE_CLIENT_SECRET", "node"},   {"AZURE_CLOUD", "AzureCloud"}};
  machine.http.On("", "*", {FakeHttpClient::Respond(403, "{}")});
  const SecretBytes token("pod-jwt");
  AwsIdentity aws;
  aws.pod_token = &token;
  AzureIdentity azure;
  azure.client_id = "app";
  azure.pod_token = &token;
  GcpIdentity gcp;
  gcp.pod_token = &token;
  CHECK_FALSE(machine.Ids().Aws({}, aws).ok());
  CHECK_FALSE(machine.Ids().Azure({}, azure).ok());
  CHECK_FALSE(machine.Ids().Gcp({}, gcp).ok());
  CHECK(machine.http.Requests().size() == 3);
  for (const auto& seen : machine.http.Requests()) {
    CHECK_THAT(seen.body, ContainsSubstring("pod-jwt"));
  }
}

TEST_CASE("cloud-id: azure_ad is the access token for the resource manager, encoded") {
  struct Row {
    std::string name, cloud, url, scope;
  };
  const Row rows[] = {
      {"public", "AzurePublicCloud", "https://login.microsoftonline.com/tenant/oauth2/v2.0/token",
       "https%3A%2F%2Fmanagement.azure.com%2F.default"},
      {"US government", "AzureUSGovernmentCloud",
       "https://login.microsoftonline.us/tenant/oauth2/v2.0/token",
       "https%3A%2F%2Fmanagement.usgovcloudapi.net%2F.default"},
      {"China", " azurechinacloud ", "https://login.chinacloudapi.cn/tenant/oauth2/v2.0/token",
       "https%3A%2F%2Fmanagement.chinacloudapi.cn%2F.default"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Machine machine;
    machine.environment = {{"AZURE_ENVIRONMENT", row.cloud},
                           {"AZURE_TENANT_ID", "tenant"},
                           {"AZURE_CLIENT_ID", "app"},
                           {"AZURE_CLIENT_SECRET", "s"}};
    machine.http.On("POST", row.url, {FakeHttpClient::Respond(200, kEntraToken)});
    Result<SecretBytes> cloud_id = machine.Ids().Azure({}, {});
    REQUIRE(cloud_id.ok());
    CHECK(cloud_id->Reveal() == "ZW50cmE=");
    CHECK_THAT(machine.http.Requests().at(0).body, ContainsSubstring("&scope=" + row.scope));
  }
}

TEST_CASE("cloud-id: azure_ad with an object id requests that identity from the metadata service") {
  Machine machine;
  machine.environment = {{"AZURE_CLOUD", "AzureCloud"}, {"AZURE_CLIENT_ID", "unused"}};
  machine.http.On("GET",
                  "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&"
                  "resource=https%3A%2F%2Fmanagement.azure.com%2F&object_id=oid",
                  {FakeHttpClient::Respond(200, kEntraToken)});
  AzureIdentity identity;
  identity.object_id = "oid";
  Result<SecretBytes> cloud_id = machine.Ids().Azure({}, identity);
  REQUIRE(cloud_id.ok());
  CHECK(cloud_id->Reveal() == "ZW50cmE=");
  CHECK(machine.http.Requests().at(0).headers.at("metadata") == "true");
}

TEST_CASE("cloud-id: a pod's azure_ad exchanges its own token for its own application") {
  Machine machine;
  machine.environment = {{"AZURE_CLOUD", "AzureCloud"}, {"AZURE_TENANT_ID", "tenant"}};
  machine.http.On("POST", "*", {FakeHttpClient::Respond(200, kEntraToken)});
  const SecretBytes token("pod-jwt");
  AzureIdentity identity;
  identity.client_id = "app";
  identity.pod_token = &token;
  REQUIRE(machine.Ids().Azure({}, identity).ok());
  identity.tenant_id = "other";
  REQUIRE(machine.Ids().Azure({}, identity).ok());
  const auto seen = machine.http.Requests();
  CHECK(seen.at(0).url == "https://login.microsoftonline.com/tenant/oauth2/v2.0/token");
  CHECK(seen.at(1).url == "https://login.microsoftonline.com/other/oauth2/v2.0/token");
  CHECK_THAT(seen.at(0).body,
             ContainsSubstring("client_id=app&") && ContainsSubstring("&client_assertion=pod-jwt"));
}

TEST_CASE("cloud-id: gcp is the identity token for the audience, encoded") {
  struct Row {
    std::string audience, want;
  };
  for (const Row& row :
       {Row{"", "akeyless.io"}, Row{"https://team.example/x", "https%3A%2F%2Fteam.example%2Fx"}}) {
    Machine machine;
    machine.http.On("GET",
                    "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/"
                    "default/identity?audience=" +
                        row.want + "&format=full",
                    {FakeHttpClient::Respond(200, "h.p.s")});
    GcpIdentity identity;
    identity.audience = row.audience;
    Result<SecretBytes> cloud_id = machine.Ids().Gcp({}, identity);
    REQUIRE(cloud_id.ok());
    CHECK(cloud_id->Reveal() == "aC5wLnM=");
  }
}

TEST_CASE("cloud-id: a pod's gcp is exchanged and impersonated with its own token") {
  Machine machine;
  machine.http.On("POST", "https://sts.googleapis.com/v1/token",
                  {FakeHttpClient::Respond(200, R"({"access_token":"fed","expires_in":3600})")});
  machine.http.On("POST",
                  "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
                  "app%40p.iam.gserviceaccount.com:generateIdToken",
                  {FakeHttpClient::Respond(200, R"({"token":"h.p.s"})")});
  const SecretBytes token("pod-jwt");
  GcpIdentity identity;
  identity.provider = "//iam.googleapis.com/projects/1/x";
  identity.service_account = "app@p.iam.gserviceaccount.com";
  identity.pod_token = &token;
  Result<SecretBytes> cloud_id = machine.Ids().Gcp({}, identity);
  REQUIRE(cloud_id.ok());
  CHECK(cloud_id->Reveal() == "aC5wLnM=");
  CHECK(machine.http.Requests().at(1).headers.at("authorization") == "Bearer fed");
  CHECK_THAT(machine.http.Requests().at(1).body, ContainsSubstring(R"("audience":"akeyless.io")"));
}

TEST_CASE("cloud-id: gcp uses the endpoints that the operator has set") {
  Machine machine;
  machine.environment = {
      {"GAIA_TOKEN_EXCHANGE_ENDPOINT", "https://sts-x.p.googleapis.com/v1/token"},
      {"CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", "https://iam-x.p.googleapis.com/"}};
  machine.http.On("POST", "https://sts-x.p.googleapis.com/v1/token",
                  {FakeHttpClient::Respond(200, R"({"access_token":"fed","expires_in":3600})")});
  machine.http.On("POST",
                  "https://iam-x.p.googleapis.com/v1/projects/-/serviceAccounts/"
                  "app%40p.iam.gserviceaccount.com:generateIdToken",
                  {FakeHttpClient::Respond(200, R"({"token":"h.p.s"})")});
  const SecretBytes token("pod-jwt");
  GcpIdentity identity;
  identity.provider = "//iam.googleapis.com/projects/1/x";
  identity.service_account = "app@p.iam.gserviceaccount.com";
  identity.pod_token = &token;
  CHECK(machine.Ids().Gcp({}, identity).ok());
}

TEST_CASE("cloud-id: an error names type, source and fix") {
  Machine machine;
  machine.http.On("", "*", {FakeHttpClient::Fail(ErrorCode::kTransient, "no route to host")});
  CHECK_THAT(machine.Ids().Aws({}, {}).error().message(),
             StartsWith("cloud-id for aws_iam: AWS credentials from the instance, because ") &&
                 ContainsSubstring("AWS_ROLE_ARN") && ContainsSubstring("no route to host"));
  CHECK_THAT(machine.Ids().Azure({}, {}).error().message(),
             StartsWith("cloud-id for azure_ad: Azure token by managed identity, because ") &&
                 ContainsSubstring("AZURE_FEDERATED_TOKEN_FILE"));
  CHECK_THAT(machine.Ids().Gcp({}, {}).error().message(),
             StartsWith("cloud-id for gcp: Google token by metadata, because ") &&
                 ContainsSubstring("GOOGLE_APPLICATION_CREDENTIALS"));
}

}  // namespace
}  // namespace nodekeep::akeyless
