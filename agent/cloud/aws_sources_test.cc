#include "agent/cloud/aws_sources.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/fakes/fake_http_client.h"

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace nodekeep {
namespace {

constexpr const char* kSts = "https://sts.eu-west-1.amazonaws.com/";
constexpr const char* kPodIdentity = "http://169.254.170.23/v1/credentials";
constexpr const char* kMetadataToken = "http://169.254.169.254/latest/api/token";
constexpr const char* kMetadataRoles =
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/";

// The format of STS.
constexpr const char* kStsAnswer =
    R"(<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/app/nodekeep</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIAEXAMPLE</AccessKeyId>
      <SecretAccessKey>wJalr/K7MDENG+bPx</SecretAccessKey>
      <SessionToken>AQoDYXdz//==</SessionToken>
      <Expiration>2026-01-31T12:00:00Z</Expiration>
    </Credentials>
  </AssumeRoleResult>
</AssumeRoleResponse>)";
constexpr const char* kEndpointAnswer =
    R"({"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIAEXAMPLE",)"
    R"("SecretAccessKey":"wJalr/K7MDENG+bPx","Token":"AQoDYXdz//==",)"
    R"("Expiration":"2026-01-31T12:00:00Z"})";

AwsRole ExampleRole() {
  AwsRole role;
  role.arn = "arn:aws:iam::1:role/app";
  role.session_name = "nodekeep";
  role.sts_url = kSts;
  role.region = "eu-west-1";
  return role;
}

void CheckExample(const Result<AwsCredentials>& got) {
  INFO((got.ok() ? "" : got.error().message()));
  REQUIRE(got.ok());
  CHECK(got->access_key_id == "ASIAEXAMPLE");
  CHECK(got->secret_access_key.Reveal() == "wJalr/K7MDENG+bPx");
  CHECK(got->session_token.Reveal() == "AQoDYXdz//==");
  CHECK(got->expires == *ParseTime("2026-01-31T12:00:00Z"));
}

TEST_CASE("aws: the host of a service follows the region's partition") {
  struct Row {
    std::string region, want;
  };
  for (const Row& row : {Row{"", "https://sts.amazonaws.com/"},
                         Row{"eu-west-1", "https://sts.eu-west-1.amazonaws.com/"},
                         Row{"us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com/"},
                         Row{"cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn/"},
                         Row{"us-iso-east-1", "https://sts.us-iso-east-1.c2s.ic.gov/"},
                         Row{"us-isob-east-1", "https://sts.us-isob-east-1.sc2s.sgov.gov/"}}) {
    CHECK(AwsServiceUrl("sts", row.region) == row.want);
  }
}

TEST_CASE("aws: a web identity token is exchanged for a role's credentials, unsigned") {
  FakeHttpClient http;
  http.On("POST", kSts, {FakeHttpClient::Respond(200, kStsAnswer)});
  CheckExample(AssumeRoleWithWebIdentity({}, http, ExampleRole(), SecretBytes("h.p.s")));
  const FakeHttpClient::RecordedRequest seen = http.Requests().at(0);
  CHECK(seen.body ==
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&"
        "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fapp&RoleSessionName=nodekeep&"
        "WebIdentityToken=h.p.s&DurationSeconds=3600");
  CHECK(seen.headers.at("content-type") == "application/x-www-form-urlencoded");
  CHECK_FALSE(seen.headers.contains("authorization"));
  CHECK_FALSE(seen.bypass_proxy);
}

TEST_CASE("aws: a role is assumed with a signed request") {
  FakeHttpClient http;
  http.On("POST", kSts, {FakeHttpClient::Respond(200, kStsAnswer)});
  AwsRole role = ExampleRole();
  role.external_id = "ext";
  AwsCredentials credentials;
  credentials.access_key_id = "AKIDEXAMPLE";
  credentials.secret_access_key = SecretBytes("secret");
  credentials.session_token = SecretBytes("session");
  CheckExample(AssumeRole({}, http, role, credentials, *ParseTime("2025-01-02T03:04:05Z")));
  const FakeHttpClient::RecordedRequest seen = http.Requests().at(0);
  CHECK_THAT(seen.body, StartsWith("Action=AssumeRole&") && ContainsSubstring("&ExternalId=ext&"));
  CHECK_THAT(
      seen.headers.at("authorization"),
      StartsWith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250102/eu-west-1/sts/aws4_request, "
                 "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "));
  CHECK(seen.headers.at("x-amz-security-token") == "session");
}

TEST_CASE("aws: an STS response without credentials is an error") {
  for (const std::string body : {"", "<AssumeRoleResponse/>", "{}"}) {
    FakeHttpClient http;
    http.On("POST", kSts, {FakeHttpClient::Respond(200, body)});
    Result<AwsCredentials> got =
        AssumeRoleWithWebIdentity({}, http, ExampleRole(), SecretBytes("h.p.s"));
    REQUIRE_FALSE(got.ok());
    CHECK(got.error().code() == ErrorCode::kTransient);
    CHECK(got.error().message() == "AssumeRoleWithWebIdentity: the answer has no credentials");
  }
}

TEST_CASE("aws: a refused web identity token is never in the error") {
  FakeHttpClient http;
  http.On("POST", kSts,
          {FakeHttpClient::Respond(400,
                                   "<ErrorResponse><Error><Code>InvalidIdentityToken</Code>"
                                   "<Message>No provider, token h.p.s</Message></Error>"
                                   "</ErrorResponse>")});
  Result<AwsCredentials> got =
      AssumeRoleWithWebIdentity({}, http, ExampleRole(), SecretBytes("h.p.s"));
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().code() == ErrorCode::kDenied);
  CHECK_THAT(got.error().message(), StartsWith("AssumeRoleWithWebIdentity: HTTP status 400 "
                                               "InvalidIdentityToken: ") &&
                                        !ContainsSubstring("h.p.s"));
}

TEST_CASE("aws: the pod identity agent gets the unchanged token, without a proxy") {
  FakeHttpClient http;
  http.On("GET", kPodIdentity, {FakeHttpClient::Respond(200, kEndpointAnswer)});
  CheckExample(ContainerCredentials({}, http, kEksPodIdentity, SecretBytes("h.p.s")));
  const FakeHttpClient::RecordedRequest seen = http.Requests().at(0);
  CHECK(seen.headers.at("authorization") == "h.p.s");
  CHECK(seen.bypass_proxy);
  CHECK(seen.timeout <= std::chrono::seconds(5));
}

TEST_CASE("aws: a token is sent off the node only by https") {
  struct Row {
    std::string url;
    bool allowed;
  };
  for (const Row& row :
       {Row{"http://169.254.170.2/v2/x", true}, Row{"http://[fd00:ec2::23]/v1/credentials", true},
        Row{"http://127.0.0.1:8080/x", true}, Row{"http://localhost/x", true},
        Row{"http://[::1]:80/x", true}, Row{"https://credentials.example/x", true},
        Row{"http://credentials.example/x", false}, Row{"http://169.254.169.254/x", false},
        Row{"http://127.0.0.1.example/x", false}, Row{"http://127.evil.example/x", false},
        Row{"http://169.254.170.2@evil.example/x", false}, Row{"ftp://127.0.0.1/x", false},
        Row{"/v1/credentials", false}}) {
    INFO(row.url);
    FakeHttpClient http;
    http.On("GET", "*", {FakeHttpClient::Respond(200, kEndpointAnswer)});
    Result<AwsCredentials> got = ContainerCredentials({}, http, row.url, SecretBytes("h.p.s"));
    CHECK(got.ok() == row.allowed);
    CHECK(http.Requests().size() == (row.allowed ? 1 : 0));
    if (!got.ok()) CHECK(got.error().code() == ErrorCode::kInvalid);
  }
}

TEST_CASE("aws: a missing pod identity association is named in the error") {
  FakeHttpClient http;
  http.On("GET", kPodIdentity, {FakeHttpClient::Respond(404, "")});
  Result<AwsCredentials> got =
      ContainerCredentials({}, http, kEksPodIdentity, SecretBytes("h.p.s"));
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().code() == ErrorCode::kNotFound);
  CHECK_THAT(got.error().message(),
             StartsWith("no pod identity association for this service account: "));
}

TEST_CASE("aws: the instance's role is read with IMDSv2, without a proxy") {
  FakeHttpClient http;
  http.On("PUT", kMetadataToken, {FakeHttpClient::Respond(200, "imds-session")});
  http.On("GET", kMetadataRoles, {FakeHttpClient::Respond(200, "node-role\n")});
  http.On("GET", std::string(kMetadataRoles) + "node-role",
          {FakeHttpClient::Respond(200, kEndpointAnswer)});
  CheckExample(InstanceCredentials({}, http, kAwsInstanceMetadata));
  const auto seen = http.Requests();
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].headers.at("x-aws-ec2-metadata-token-ttl-seconds") == "21600");
  CHECK(seen[0].timeout == std::chrono::seconds(1));
  for (const auto& request : seen) CHECK(request.bypass_proxy);
  CHECK(seen[1].headers.at("x-aws-ec2-metadata-token") == "imds-session");
  CHECK(seen[2].headers.at("x-aws-ec2-metadata-token") == "imds-session");
}

TEST_CASE("aws: errors of the instance metadata service") {
  struct Row {
    std::string name;
    FakeHttpClient::Reply token, roles, role;
    ErrorCode want;
    std::string text;
  };
  const auto ok = FakeHttpClient::Respond(200, "x");
  const Row rows[] = {
      {"the hop limit is 1", FakeHttpClient::Fail(ErrorCode::kTransient, "timed out"), ok, ok,
       ErrorCode::kTransient, "hop limit 2"},
      {"not an EC2 instance", FakeHttpClient::Respond(404, ""), ok, ok, ErrorCode::kNotFound,
       "is this an EC2 instance"},
      {"IMDS off", FakeHttpClient::Respond(403, ""), ok, ok, ErrorCode::kDenied, "HTTP status 403"},
      {"no role", ok, FakeHttpClient::Respond(404, ""), ok, ErrorCode::kNotFound,
       "the instance has no role"},
      {"an empty list", ok, FakeHttpClient::Respond(200, "\n"), ok, ErrorCode::kNotFound,
       "the instance has no role"},
      {"the session has ended", ok, FakeHttpClient::Respond(401, ""), ok, ErrorCode::kDenied,
       "HTTP status 401"},
      {"a role that fails", ok, ok, FakeHttpClient::Respond(200, R"({"Code":"Failed"})"),
       ErrorCode::kTransient, "Failed"},
      {"an incomplete response", ok, ok, FakeHttpClient::Respond(200, R"({"Code":"Success"})"),
       ErrorCode::kTransient, "no credentials"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeHttpClient http;
    http.On("PUT", kMetadataToken, {row.token});
    http.On("GET", kMetadataRoles, {row.roles});
    http.On("GET", std::string(kMetadataRoles) + "x", {row.role});
    Result<AwsCredentials> got = InstanceCredentials({}, http, kAwsInstanceMetadata);
    REQUIRE_FALSE(got.ok());
    CHECK(ErrorCodeName(got.error().code()) == ErrorCodeName(row.want));
    CHECK_THAT(got.error().message(), ContainsSubstring(row.text));
  }
}

TEST_CASE("aws: keys of a profile are read from either kind of file") {
  const SecretBytes text(R"(
# of a person
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key=default/secret+x==

[profile work]
region = eu-west-1
aws_access_key_id=AKIDWORK
  aws_secret_access_key =  work
aws_session_token = session
; the end
[half]
aws_access_key_id=AKIDHALF
[sso]
sso_start_url = https://x
[chained]
role_arn = arn:aws:iam::1:role/x
source_profile = default)");
  struct Row {
    std::string profile, key_id, secret, session;
  };
  for (const Row& row : {Row{"default", "AKIDDEFAULT", "default/secret+x==", ""},
                         Row{"work", "AKIDWORK", "work", "session"}}) {
    Result<AwsCredentials> got = ProfileCredentials(text, row.profile);
    REQUIRE(got.ok());
    CHECK(got->access_key_id == row.key_id);
    CHECK(got->secret_access_key.Reveal() == row.secret);
    CHECK(got->session_token.Reveal() == row.session);
  }
  const auto message = [&](const std::string& profile) {
    return ProfileCredentials(text, profile).error().message();
  };
  CHECK(message("none") == "profile \"none\" is not there");
  CHECK(message("half") == "profile \"half\" has no keys");
  CHECK_THAT(message("sso"), ContainsSubstring("sso_start_url is not supported"));
  CHECK_THAT(message("chained"), ContainsSubstring("source_profile is not supported"));
}

}  // namespace
}  // namespace nodekeep
