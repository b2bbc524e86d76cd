#include "agent/cloud/aws_environment.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <map>

#include "tests/fakes/fake_http_client.h"
#include "tests/fakes/temp_dir.h"

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace nodekeep {
namespace {

using Variables = std::map<std::string, std::string>;

AwsEnvironment Of(Variables variables) {
  return AwsEnvironment::From([variables = std::move(variables)](const std::string& name) {
    auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  });
}

constexpr const char* kStsAnswer =
    "<AccessKeyId>FROMSTS</AccessKeyId><SecretAccessKey>s</SecretAccessKey>";

std::string EndpointAnswer(const std::string& key_id) {
  return R"({"AccessKeyId":")" + key_id + R"(","SecretAccessKey":"s","Token":"t"})";
}

// A network in which every source returns credentials.
void AnswerAll(FakeHttpClient& http) {
  http.On("POST", "https://sts.*", {FakeHttpClient::Respond(200, kStsAnswer)});
  http.On("GET", "http://169.254.170.*",
          {FakeHttpClient::Respond(200, EndpointAnswer("FROMCONTAINER"))});
  http.On("PUT", "http://169.254.169.254/*", {FakeHttpClient::Respond(200, "session")});
  http.On("GET", [](std::string_view url) { return url.ends_with("security-credentials/"); },
          {FakeHttpClient::Respond(200, "role")});
  http.On("GET", "http://169.254.169.254/*",
          {FakeHttpClient::Respond(200, EndpointAnswer("FROMINSTANCE"))});
}

TEST_CASE("aws chain: credentials come from the first configured source") {
  const TempDir directory;
  const std::string token = directory.Write("token", "h.p.s\n");
  const std::string files =
      directory.Write("credentials",
                      "[default]\naws_access_key_id=FROMFILE\naws_secret_access_key=s\n"
                      "[named]\naws_access_key_id=FROMNAMED\naws_secret_access_key=s\n");
  Variables variables = {
      {"AWS_ACCESS_KEY_ID", "FROMENVIRONMENT"},
      {"AWS_SECRET_ACCESS_KEY", "s"},
      {"AWS_ROLE_ARN", "arn"},
      {"AWS_WEB_IDENTITY_TOKEN_FILE", token},
      {"AWS_SHARED_CREDENTIALS_FILE", files},
      {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"},
      {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token},
  };
  struct Step {
    std::string want;
    std::vector<std::string> take_away;
  };
  for (const Step& step :
       {Step{"FROMENVIRONMENT", {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}},
        Step{"FROMSTS", {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"}},
        Step{"FROMFILE", {"AWS_SHARED_CREDENTIALS_FILE"}},
        Step{"FROMCONTAINER", {"AWS_CONTAINER_CREDENTIALS_FULL_URI"}}, Step{"FROMINSTANCE", {}}}) {
    FakeHttpClient http;
    AnswerAll(http);
    Result<AwsCredentials> got = OwnAwsCredentials({}, http, Of(variables));
    INFO((got.ok() ? "" : got.error().message()));
    REQUIRE(got.ok());
    CHECK(got->access_key_id == step.want);
    for (const std::string& name : step.take_away) variables.erase(name);
  }
  FakeHttpClient http;
  Result<AwsCredentials> named = OwnAwsCredentials(
      {}, http, Of({{"AWS_SHARED_CREDENTIALS_FILE", files}, {"AWS_PROFILE", "named"}}));
  REQUIRE(named.ok());
  CHECK(named->access_key_id == "FROMNAMED");
}

TEST_CASE("aws chain: a configured source that fails never falls back to the node's role") {
  const TempDir directory;
  const std::string token = directory.Write("token", "h.p.s");
  const std::string files = directory.Write("credentials", "[default]\nsso_session=x\n");
  const std::string huge = directory.Write("huge", std::string((1u << 20) + 1, '\n'));
  // Reading a directory fails for every user, including root.
  for (const char* name : {"home-1/.aws/credentials", "home-2/.aws/config"}) {
    std::filesystem::create_directories(directory / name);
  }
  struct Row {
    std::string name;
    Variables variables;
    std::string want;
  };
  const Row rows[] = {
      {"half a key",
       {{"AWS_ACCESS_KEY_ID", "A"}},
       "AWS credentials from the environment: only one"},
      {"no role",
       {{"AWS_WEB_IDENTITY_TOKEN_FILE", token}},
       "AWS credentials from web identity: AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is "
       "not"},
      {"no token file",
       {{"AWS_ROLE_ARN", "arn"}},
       "AWS credentials from web identity: AWS_ROLE_ARN is set, but AWS_WEB_IDENTITY_TOKEN_FILE is "
       "not"},
      {"a missing token file",
       {{"AWS_ROLE_ARN", "arn"}, {"AWS_WEB_IDENTITY_TOKEN_FILE", directory / "gone"}},
       "AWS credentials from web identity: read \"" + directory / "gone" + "\": No such file"},
      {"STS refuses",
       {{"AWS_ROLE_ARN", "arn"}, {"AWS_WEB_IDENTITY_TOKEN_FILE", token}},
       "AWS credentials from web identity: AssumeRoleWithWebIdentity: HTTP status 403"},
      {"a missing profile",
       {{"AWS_PROFILE", "other"}, {"AWS_SHARED_CREDENTIALS_FILE", files}},
       "AWS credentials from shared files: " + files + ": profile \"other\" is not there"},
      {"an unsupported profile",
       {{"AWS_SHARED_CREDENTIALS_FILE", files}},
       "AWS credentials from shared files: " + files + ": profile \"default\": sso_session is not"},
      {"a missing credentials file",
       {{"AWS_SHARED_CREDENTIALS_FILE", directory / "gone"}},
       "AWS credentials from shared files: AWS_SHARED_CREDENTIALS_FILE: read \"" +
           directory / "gone" + "\": No such file"},
      {"a credentials file that is too large",
       {{"AWS_SHARED_CREDENTIALS_FILE", huge}},
       "AWS credentials from shared files: AWS_SHARED_CREDENTIALS_FILE: read \"" + huge +
           "\": larger than 1 MiB"},
      {"a missing configuration file",
       {{"AWS_CONFIG_FILE", directory / "gone"}},
       "AWS credentials from shared files: AWS_CONFIG_FILE: read \"" + directory / "gone" +
           "\": No such file"},
      {"a default credentials file that cannot be read",
       {{"HOME", directory / "home-1"}},
       "AWS credentials from shared files: read \"" + directory / "home-1/.aws/credentials" +
           "\": Is a directory"},
      {"a default configuration file that cannot be read",
       {{"HOME", directory / "home-2"}},
       "AWS credentials from shared files: read \"" + directory / "home-2/.aws/config" +
           "\": Is a directory"},
      {"the container endpoint refuses",
       {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"}},
       "AWS credentials from the container endpoint: container credentials: HTTP status 403"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeHttpClient http;
    http.On("", "http://169.254.169.254/*", {FakeHttpClient::Respond(200, "never")});
    http.On("", "*", {FakeHttpClient::Respond(403, "")});
    Result<AwsCredentials> got = OwnAwsCredentials({}, http, Of(row.variables));
    REQUIRE_FALSE(got.ok());
    CHECK_THAT(got.error().message(), StartsWith(row.want) && !ContainsSubstring("h.p.s"));
    CHECK(http.Count("169.254.169.254") == 0);
  }
}

TEST_CASE("aws chain: default files that do not exist are not a source") {
  const TempDir directory;
  const std::string file = directory.Write("file", "");
  for (const std::string& home : {directory.path(), directory / "gone", file}) {
    INFO(home);
    FakeHttpClient http;
    AnswerAll(http);
    Result<AwsCredentials> got = OwnAwsCredentials({}, http, Of({{"HOME", home}}));
    INFO((got.ok() ? "" : got.error().message()));
    REQUIRE(got.ok());
    CHECK(got->access_key_id == "FROMINSTANCE");
  }
}

TEST_CASE("aws chain: without configuration and instance, the error names all that is not set") {
  FakeHttpClient http;
  http.On("", "*", {FakeHttpClient::Fail(ErrorCode::kTransient, "connection timed out")});
  Result<AwsCredentials> got = OwnAwsCredentials({}, http, Of({}));
  REQUIRE_FALSE(got.ok());
  CHECK_THAT(got.error().message(), StartsWith("AWS credentials from the instance, because ") &&
                                        ContainsSubstring("AWS_ACCESS_KEY_ID") &&
                                        ContainsSubstring("AWS_WEB_IDENTITY_TOKEN_FILE") &&
                                        ContainsSubstring("AWS_CONTAINER_CREDENTIALS_FULL_URI") &&
                                        ContainsSubstring("connection timed out"));

  Result<AwsCredentials> off =
      OwnAwsCredentials({}, http, Of({{"AWS_EC2_METADATA_DISABLED", "true"}}));
  REQUIRE_FALSE(off.ok());
  CHECK(off.error().code() == ErrorCode::kPrecondition);
  CHECK(http.Requests().size() == 1);
}

TEST_CASE("aws chain: STS is called in the region, or at the endpoint from the environment") {
  const TempDir directory;
  const std::string token = directory.Write("token", "h.p.s");
  struct Row {
    std::string name;
    Variables variables;
    std::string want;
  };
  const Row rows[] = {
      {"no region", {}, "https://sts.amazonaws.com/"},
      {"AWS_REGION",
       {{"AWS_REGION", "eu-west-1"}, {"AWS_DEFAULT_REGION", "us-east-2"}},
       "https://sts.eu-west-1.amazonaws.com/"},
      {"AWS_DEFAULT_REGION",
       {{"AWS_DEFAULT_REGION", "us-east-2"}},
       "https://sts.us-east-2.amazonaws.com/"},
      {"an endpoint of its own",
       {{"AWS_ENDPOINT_URL_STS", "http://127.0.0.1:5000"}, {"AWS_ENDPOINT_URL", "http://other"}},
       "http://127.0.0.1:5000"},
      {"one endpoint for all", {{"AWS_ENDPOINT_URL", "http://other"}}, "http://other"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeHttpClient http;
    http.On("POST", "*", {FakeHttpClient::Respond(200, kStsAnswer)});
    Variables variables = row.variables;
    variables["AWS_ROLE_ARN"] = "arn";
    variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = token;
    REQUIRE(OwnAwsCredentials({}, http, Of(variables)).ok());
    CHECK(http.Requests().at(0).url == row.want);
    CHECK_THAT(http.Requests().at(0).body, ContainsSubstring("RoleSessionName=nodekeep&"));
  }
}

TEST_CASE("aws chain: a token file is read at each call") {
  const TempDir directory;
  const AwsEnvironment environment =
      Of({{"AWS_ROLE_ARN", "arn"}, {"AWS_WEB_IDENTITY_TOKEN_FILE", directory.Write("t", "one")}});
  FakeHttpClient http;
  http.On("POST", "*", {FakeHttpClient::Respond(200, kStsAnswer)});
  REQUIRE(OwnAwsCredentials({}, http, environment).ok());
  directory.Replace("t", "two\n");
  REQUIRE(OwnAwsCredentials({}, http, environment).ok());
  CHECK_THAT(http.Requests().at(0).body, ContainsSubstring("WebIdentityToken=one&"));
  CHECK_THAT(http.Requests().at(1).body, ContainsSubstring("WebIdentityToken=two&"));
}

TEST_CASE("aws chain: the metadata endpoint is configurable") {
  CHECK(Of({}).metadata_endpoint == "http://169.254.169.254");
  CHECK(Of({{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6"}}).metadata_endpoint ==
        "http://[fd00:ec2::254]");
  CHECK(Of({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338/"}}).metadata_endpoint ==
        "http://127.0.0.1:1338");
}

}  // namespace
}  // namespace nodekeep
