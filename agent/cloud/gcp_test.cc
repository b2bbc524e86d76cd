#include "agent/cloud/gcp.h"

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

constexpr const char* kMetadata =
    "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/";
constexpr const char* kTokenUri = "https://oauth2.googleapis.com/token";
constexpr const char* kImpersonate =
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
    "app%40p.iam.gserviceaccount.com:";
constexpr const char* kFederated = R"({"access_token":"federated","expires_in":3599})";

GcpEnvironment Of(const std::string& credentials_file, const std::string& metadata_host = "") {
  return GcpEnvironment::From([&](const std::string& name) {
    if (name == "GOOGLE_APPLICATION_CREDENTIALS") return credentials_file;
    if (name == "GCE_METADATA_HOST") return metadata_host;
    return std::string();
  });
}

Json BodyOf(const FakeHttpClient::RecordedRequest& seen) {
  Result<Json> json = ParseJson(seen.body);
  REQUIRE(json.ok());
  return *json;
}

std::string MessageOf(const Result<CloudToken>& result) {
  return result.ok() ? "(ok)" : result.error().message();
}

std::string KeyFile(const std::string& pem, const std::string& token_uri = kTokenUri) {
  Json key(jsoncons::json_object_arg);
  key["type"] = "service_account";
  key["client_email"] = "app@p.iam.gserviceaccount.com";
  key["private_key_id"] = "kid-1";
  key["private_key"] = pem;
  key["token_uri"] = token_uri;
  return std::string(GoJson(key).Reveal());
}

std::string ExternalFile(const std::string& source, const std::string& more = "") {
  return R"({"type":"external_account","audience":"//iam.googleapis.com/projects/1/x",)"
         R"("subject_token_type":"urn:ietf:params:oauth:token-type:jwt",)"
         R"("token_url":"https://sts.googleapis.com/v1/token",)" +
         more + R"("credential_source":)" + source + "}";
}

std::string Impersonation(const std::string& host = "iamcredentials.googleapis.com") {
  return R"("service_account_impersonation_url":"https://)" + host +
         R"(/v1/projects/-/serviceAccounts/app@p.iam.gserviceaccount.com:generateAccessToken",)";
}

TEST_CASE("gcp: the metadata server returns an access token, without a proxy") {
  FakeHttpClient http;
  http.On("GET", std::string(kMetadata) + "token",
          {FakeHttpClient::Respond(200, R"({"access_token":"ya29","expires_in":3000})")});
  Result<CloudToken> token = OwnGcpAccessToken({}, http, Of(""), WallTime());
  INFO(MessageOf(token));
  REQUIRE(token.ok());
  CHECK(token->token.Reveal() == "ya29");
  CHECK(token->lifetime == std::chrono::seconds(3000));
  CHECK(http.Requests().at(0).headers.at("metadata-flavor") == "Google");
  CHECK(http.Requests().at(0).bypass_proxy);
}

TEST_CASE("gcp: the metadata server returns an identity token for an audience") {
  FakeHttpClient http;
  http.On("GET",
          "http://127.0.0.1:8085/computeMetadata/v1/instance/service-accounts/default/"
          "identity?audience=https%3A%2F%2Fx%2Fy&format=full",
          {FakeHttpClient::Respond(200, "h.p.s\n")});
  Result<CloudToken> token =
      OwnGcpIdentityToken({}, http, Of("", "127.0.0.1:8085"), "https://x/y", WallTime());
  INFO(MessageOf(token));
  REQUIRE(token.ok());
  CHECK(token->token.Reveal() == "h.p.s");
}

TEST_CASE("gcp: errors of the metadata server") {
  struct Row {
    std::string name;
    FakeHttpClient::Reply reply;
    ErrorCode want;
    std::string text;
  };
  const Row rows[] = {
      {"not there", FakeHttpClient::Fail(ErrorCode::kTransient, "could not resolve host"),
       ErrorCode::kTransient,
       "Google token by metadata, because GOOGLE_APPLICATION_CREDENTIALS is not set: metadata "
       "server: could not resolve host"},
      {"no service account", FakeHttpClient::Respond(404, "not found"), ErrorCode::kNotFound,
       "Google token by metadata, because GOOGLE_APPLICATION_CREDENTIALS is not set: this machine "
       "or pod has no service account: metadata server: HTTP status 404"},
      {"empty", FakeHttpClient::Respond(200, ""), ErrorCode::kTransient,
       "Google token by metadata, because GOOGLE_APPLICATION_CREDENTIALS is not set: metadata "
       "server: the answer is not a token"},
      {"a page of something else", FakeHttpClient::Respond(200, "<html>hello world</html>"),
       ErrorCode::kTransient,
       "Google token by metadata, because GOOGLE_APPLICATION_CREDENTIALS is not set: metadata "
       "server: the answer is not a token"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeHttpClient http;
    http.On("GET", "*", {row.reply});
    Result<CloudToken> token = OwnGcpIdentityToken({}, http, Of(""), "a", WallTime());
    REQUIRE_FALSE(token.ok());
    CHECK(ErrorCodeName(token.error().code()) == ErrorCodeName(row.want));
    CHECK(token.error().message() == row.text);
  }
}

TEST_CASE("gcp: a token is exchanged for a federated one") {
  FakeHttpClient http;
  http.On("POST", kGcpSts, {FakeHttpClient::Respond(200, kFederated)});
  GcpFederation federation;
  federation.audience = "//iam.googleapis.com/projects/1/x";
  Result<CloudToken> token = ExchangeForGcpToken({}, http, federation, SecretBytes("h.p.s"));
  REQUIRE(token.ok());
  CHECK(token->token.Reveal() == "federated");
  CHECK(http.Requests().at(0).body ==
        R"({"audience":"//iam.googleapis.com/projects/1/x",)"
        R"("grant_type":"urn:ietf:params:oauth:grant-type:token-exchange",)"
        R"("requested_token_type":"urn:ietf:params:oauth:token-type:access_token",)"
        R"("scope":"https://www.googleapis.com/auth/cloud-platform","subject_token":"h.p.s",)"
        R"("subject_token_type":"urn:ietf:params:oauth:token-type:jwt"})");
}

TEST_CASE("gcp: a service account is impersonated through its delegates") {
  FakeHttpClient http;
  http.On("POST", std::string(kImpersonate) + "generateAccessToken",
          {FakeHttpClient::Respond(200, R"({"accessToken":"ya29","expireTime":"x"})")});
  http.On("POST", std::string(kImpersonate) + "generateIdToken",
          {FakeHttpClient::Respond(200, R"({"token":"h.p.s"})")});
  GcpServiceAccount account;
  account.email = "app@p.iam.gserviceaccount.com";
  account.delegates = {"a@p", "b@p"};
  Result<CloudToken> access =
      ImpersonateForAccessToken({}, http, account, SecretBytes("federated"));
  REQUIRE(access.ok());
  CHECK(access->token.Reveal() == "ya29");
  CHECK(access->lifetime == std::chrono::hours(1));
  Result<CloudToken> identity =
      ImpersonateForIdentityToken({}, http, account, SecretBytes("federated"), "akeyless.io");
  REQUIRE(identity.ok());
  CHECK(identity->token.Reveal() == "h.p.s");
  const auto seen = http.Requests();
  CHECK(seen.at(0).headers.at("authorization") == "Bearer federated");
  CHECK(seen.at(0).body ==
        R"({"delegates":["projects/-/serviceAccounts/a@p","projects/-/serviceAccounts/b@p"],)"
        R"("lifetime":"3600s","scope":["https://www.googleapis.com/auth/cloud-platform"]})");
  CHECK(seen.at(1).body ==
        R"({"audience":"akeyless.io","delegates":["projects/-/serviceAccounts/a@p",)"
        R"("projects/-/serviceAccounts/b@p"],"includeEmail":true})");
}

TEST_CASE("gcp: the error of a refused impersonation names the role to grant") {
  FakeHttpClient http;
  http.On("POST", "*",
          {FakeHttpClient::Respond(403, R"({"error":{"code":403,"status":"PERMISSION_DENIED"}})")});
  GcpServiceAccount account;
  account.email = "app@p";
  Result<CloudToken> token = ImpersonateForAccessToken({}, http, account, SecretBytes("federated"));
  REQUIRE_FALSE(token.ok());
  CHECK(token.error().code() == ErrorCode::kDenied);
  CHECK(token.error().message() ==
        "grant roles/iam.serviceAccountTokenCreator or roles/iam.workloadIdentityUser on the "
        "service account: generateAccessToken for app@p: HTTP status 403 PERMISSION_DENIED");
}

TEST_CASE("gcp: a service account's key signs requests for access and identity tokens") {
  const TempDir directory;
  const std::string file = directory.Write("key.json", KeyFile(MakeRsaPair("app").key_pem));
  FakeHttpClient http;
  http.On("POST", kTokenUri,
          {FakeHttpClient::Respond(200, R"({"access_token":"ya29","expires_in":3599})"),
           FakeHttpClient::Respond(200, R"({"id_token":"h.p.s"})")});
  const WallTime now = *ParseTime("2025-01-02T03:04:05Z");
  Result<CloudToken> access = OwnGcpAccessToken({}, http, Of(file), now);
  INFO(MessageOf(access));
  REQUIRE(access.ok());
  CHECK(access->token.Reveal() == "ya29");
  Result<CloudToken> identity = OwnGcpIdentityToken({}, http, Of(file), "akeyless.io", now);
  INFO(MessageOf(identity));
  REQUIRE(identity.ok());
  CHECK(identity->token.Reveal() == "h.p.s");

  const std::string common =
      R"("aud":"https://oauth2.googleapis.com/token","exp":1735790645,"iat":1735787045,)"
      R"("iss":"app@p.iam.gserviceaccount.com",)";
  const std::string want[] = {
      "{" + common + R"("scope":"https://www.googleapis.com/auth/cloud-platform",)" +
          R"("sub":"app@p.iam.gserviceaccount.com"})",
      "{" + common + R"("sub":"app@p.iam.gserviceaccount.com","target_audience":"akeyless.io"})"};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string body = http.Requests().at(i).body;
    const std::string start =
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    REQUIRE_THAT(body, StartsWith(start));
    const std::string assertion = body.substr(start.size());
    const std::size_t dot = assertion.find('.');
    CHECK(Base64UrlDecode(assertion.substr(0, dot))->Reveal() ==
          R"({"alg":"RS256","kid":"kid-1","typ":"JWT"})");
    CHECK(Base64UrlDecode(assertion.substr(dot + 1, assertion.rfind('.') - dot - 1))->Reveal() ==
          want[i]);
  }
}

TEST_CASE("gcp: an external_account token is exchanged, with impersonation if the file sets it") {
  const TempDir directory;
  const std::string token = directory.Write("token", "h.p.s\n");
  const std::string nested = directory.Write("nested", R"({"id":"h.p.s"})");
  struct Row {
    std::string name, file;
    std::size_t calls;
  };
  const Row rows[] = {
      {"plain", ExternalFile(R"({"file":")" + token + R"("})"), 1},
      {"the token in JSON",
       ExternalFile(R"({"file":")" + nested +
                    R"(","format":{"type":"json","subject_token_field_name":"id"}})"),
       1},
      {"with impersonation", ExternalFile(R"({"file":")" + token + R"("})", Impersonation()), 2},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeHttpClient http;
    http.On("POST", kGcpSts, {FakeHttpClient::Respond(200, kFederated)});
    http.On("POST", std::string(kImpersonate) + "generateAccessToken",
            {FakeHttpClient::Respond(200, R"({"accessToken":"ya29"})")});
    Result<CloudToken> got =
        OwnGcpAccessToken({}, http, Of(directory.Write("adc.json", row.file)), WallTime());
    INFO(MessageOf(got));
    REQUIRE(got.ok());
    CHECK(got->token.Reveal() == (row.calls == 1 ? "federated" : "ya29"));
    CHECK(http.Requests().size() == row.calls);
    CHECK(TextOf(Find(BodyOf(http.Requests().at(0)), {"subject_token"})) == "h.p.s");
  }
}

TEST_CASE("gcp: the identity token of a federation is that of the impersonated service account") {
  const TempDir directory;
  const std::string source = R"({"file":")" + directory.Write("token", "h.p.s") + R"("})";
  FakeHttpClient http;
  http.On("POST", kGcpSts, {FakeHttpClient::Respond(200, kFederated)});
  http.On("POST", std::string(kImpersonate) + "generateIdToken",
          {FakeHttpClient::Respond(200, R"({"token":"i.d.t"})")});
  Result<CloudToken> token = OwnGcpIdentityToken(
      {}, http, Of(directory.Write("adc.json", ExternalFile(source, Impersonation()))),
      "akeyless.io", WallTime());
  INFO(MessageOf(token));
  REQUIRE(token.ok());
  CHECK(token->token.Reveal() == "i.d.t");
  CHECK_THAT(MessageOf(OwnGcpIdentityToken(
                 {}, http, Of(directory.Write("adc.json", ExternalFile(source))), "a", WallTime())),
             ContainsSubstring("name a service account in service_account_impersonation_url"));
}

TEST_CASE("gcp: unsupported credentials files are refused without a request") {
  const TempDir directory;
  const std::string token = directory.Write("token", "h.p.s");
  const std::string pem = MakeRsaPair("app").key_pem;
  const std::string source = R"({"file":")" + token + R"("})";
  struct Row {
    std::string name, file, want;
  };
  const Row rows[] = {
      {"not JSON", "secret", "is not a JSON object"},
      {"a user's", R"({"type":"authorized_user"})",
       "credentials of type \"authorized_user\" are not supported"},
      {"a key sent elsewhere", KeyFile(pem, "https://evil.example/token"),
       "token_uri: https://evil.example:443 is not an https host of googleapis.com"},
      {"a key sent in clear", KeyFile(pem, "http://oauth2.googleapis.com/token"),
       "is not an https host of googleapis.com"},
      {"a key sent to a lookalike", KeyFile(pem, "https://evilgoogleapis.com/token"),
       "is not an https host of googleapis.com"},
      {"no key", KeyFile("none"), "the private key is not an unencrypted RSA key in PEM"},
      {"a program", ExternalFile(R"({"executable":{"command":"/bin/sh"}})"),
       "only a credential_source.file is supported"},
      {"a URL", ExternalFile(R"({"url":"http://169.254.169.254/x"})"),
       "only a credential_source.file is supported"},
      {"impersonation elsewhere", ExternalFile(source, Impersonation("evil.example")),
       "external_account: https://evil.example:443 is not an https host"},
      {"a missing token file", ExternalFile(R"({"file":"/nonexistent/token"})"),
       "read \"/nonexistent/token\""},
      {"a token without its field",
       ExternalFile(R"({"file":")" + token + R"(","format":{"subject_token_field_name":"id"}})"),
       "has no \"id\""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeHttpClient http;
    Result<CloudToken> got =
        OwnGcpAccessToken({}, http, Of(directory.Write("adc.json", row.file)), WallTime());
    REQUIRE_FALSE(got.ok());
    CHECK(got.error().code() == ErrorCode::kInvalid);
    CHECK_THAT(got.error().message(),
               StartsWith("Google token by GOOGLE_APPLICATION_CREDENTIALS: ") &&
                   ContainsSubstring(row.want) && !ContainsSubstring("h.p.s"));
    CHECK(http.Requests().empty());
  }
  FakeHttpClient http;
  CHECK_THAT(MessageOf(OwnGcpAccessToken({}, http, Of(directory / "gone"), WallTime())),
             StartsWith("Google token by GOOGLE_APPLICATION_CREDENTIALS: read \""));
}

}  // namespace
}  // namespace nodekeep
