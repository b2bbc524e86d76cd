#include "agent/cloud/exchange.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/fakes/fake_http_client.h"

namespace nodekeep {
namespace {

constexpr const char* kUrl = "https://sts.example/";

Error Refused(int status, const std::string& body, FakeHttpClient::Headers headers = {}) {
  FakeHttpClient http;
  http.On("", kUrl, {FakeHttpClient::Respond(status, body, std::move(headers))});
  Result<SecretBytes> answer = Exchange({}, http, FormPost(kUrl, {}), "step");
  REQUIRE_FALSE(answer.ok());
  return answer.error();
}

TEST_CASE("exchange: errors contain the status and the service's code, never its message") {
  struct Row {
    std::string name;
    int status;
    std::string body;
    ErrorCode want;
    std::string text;
  };
  const std::string xml =
      "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>arn:aws:iam::123456789012:"
      "role/x</Message></Error></ErrorResponse>";
  const Row rows[] = {
      {"AWS", 403, fmt::format(fmt::runtime(xml), "AccessDenied"), ErrorCode::kDenied,
       "step: HTTP status 403 AccessDenied: the role's trust policy must allow this service "
       "account and audience"},
      {"AWS, an unknown code", 400, fmt::format(fmt::runtime(xml), "ValidationError"),
       ErrorCode::kInvalid, "step: HTTP status 400 ValidationError"},
      {"AWS, an expired token", 400, fmt::format(fmt::runtime(xml), "ExpiredTokenException"),
       ErrorCode::kAuthExpired,
       "step: HTTP status 400 ExpiredTokenException: the token is too old"},
      {"AWS, throttled", 400, fmt::format(fmt::runtime(xml), "Throttling"), ErrorCode::kThrottled,
       "step: HTTP status 400 Throttling"},
      {"AWS, issuer unreachable", 400, fmt::format(fmt::runtime(xml), "IDPCommunicationError"),
       ErrorCode::kTransient,
       "step: HTTP status 400 IDPCommunicationError: STS could not reach the cluster's issuer"},
      {"Entra", 400,
       R"({"error":"unauthorized_client","error_description":"AADSTS700016: Application with )"
       R"(identifier '11111111-2222' was not found in the directory 'Contoso'."})",
       ErrorCode::kDenied,
       "step: HTTP status 400 AADSTS700016: no such application in the tenant: is the client id "
       "right?"},
      {"Entra, a federated credential not yet in effect", 401,
       R"({"error":"invalid_client","error_description":"AADSTS70021: No matching federated"})",
       ErrorCode::kTransient,
       "step: HTTP status 401 AADSTS70021: no federated credential matches the token's issuer, "
       "subject and audience; a new one takes minutes to take effect"},
      {"OAuth", 400, R"({"error":"invalid_grant","error_description":"account x@y.z"})",
       ErrorCode::kDenied, "step: HTTP status 400 invalid_grant"},
      {"Google API", 403,
       R"({"error":{"code":403,"message":"x@y.z","status":"PERMISSION_DENIED"}})",
       ErrorCode::kDenied, "step: HTTP status 403 PERMISSION_DENIED"},
      {"a code that is text", 400, R"({"error":"no such user: 123456789012"})", ErrorCode::kInvalid,
       "step: HTTP status 400"},
      {"a page of a proxy", 502, "<html>Bad Gateway</html>", ErrorCode::kTransient,
       "step: HTTP status 502"},
      {"nothing", 404, "", ErrorCode::kNotFound, "step: HTTP status 404"},
      {"gone", 410, "", ErrorCode::kNotFound, "step: HTTP status 410"},
      {"busy", 429, "", ErrorCode::kThrottled, "step: HTTP status 429"},
      {"too slow", 408, "", ErrorCode::kTransient, "step: HTTP status 408"},
      {"a redirect, which is not followed", 302, "", ErrorCode::kInvalid, "step: HTTP status 302"},
      {"no identity", 401, "{}", ErrorCode::kDenied, "step: HTTP status 401"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Error error = Refused(row.status, row.body);
    CHECK(ErrorCodeName(error.code()) == ErrorCodeName(row.want));
    CHECK(error.message() == row.text);
  }
}

TEST_CASE("exchange: the service's Retry-After is in the error") {
  CHECK(Refused(429, "", {{"retry-after", "7"}}).retry_after() == std::chrono::seconds(7));
  CHECK_FALSE(Refused(429, "").retry_after().has_value());
}

TEST_CASE("exchange: a network error keeps its code and names the step") {
  FakeHttpClient http;
  http.On("", kUrl, {FakeHttpClient::Fail(ErrorCode::kTransient, "connection refused")});
  Result<SecretBytes> answer = Exchange({}, http, FormPost(kUrl, {}), "step");
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code() == ErrorCode::kTransient);
  CHECK(answer.error().message() == "step: connection refused");
}

TEST_CASE("exchange: a form is encoded, and empty parameters are left out") {
  const HttpRequest request =
      FormPost(kUrl, {{"a", "x y&z=/+~"}, {"nothing", ""}, {"b", "\xc3\xa4"}});
  CHECK(request.method == "POST");
  CHECK(request.body.Reveal() == "a=x%20y%26z%3D%2F%2B~&b=%C3%A4");
  CHECK_FALSE(request.bypass_proxy);
}

TEST_CASE("exchange: a metadata request bypasses the proxy and has a short timeout") {
  const HttpRequest request = MetadataGet("http://169.254.169.254/x", std::chrono::seconds(1));
  CHECK(request.method == "GET");
  CHECK(request.bypass_proxy);
  CHECK(request.timeout == std::chrono::seconds(1));
}

TEST_CASE("exchange: a token has a lifetime, given as number or string") {
  struct Row {
    std::string name, body;
    std::chrono::seconds want;
  };
  const Row rows[] = {
      {"a number", R"({"access_token":"t","expires_in":3599})", std::chrono::seconds(3599)},
      {"text", R"({"access_token":"t","expires_in":"86399"})", std::chrono::seconds(86399)},
      {"absent", R"({"access_token":"t"})", std::chrono::seconds(0)},
      {"nonsense", R"({"access_token":"t","expires_in":-5})", std::chrono::seconds(0)},
      {"for ever", R"({"access_token":"t","expires_in":99999999999})", std::chrono::hours(7 * 24)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeHttpClient http;
    http.On("", kUrl, {FakeHttpClient::Respond(200, row.body)});
    Result<CloudToken> token = ExchangeForToken({}, http, FormPost(kUrl, {}), "step");
    REQUIRE(token.ok());
    CHECK(token->token.Reveal() == "t");
    CHECK(token->lifetime == row.want);
  }
}

TEST_CASE("exchange: a response without the requested value is a transient error") {
  for (const std::string body : {"", "<html>", "[]", "{}", R"({"access_token":7})"}) {
    INFO(body);
    FakeHttpClient http;
    http.On("", kUrl, {FakeHttpClient::Respond(200, body)});
    Result<CloudToken> token = ExchangeForToken({}, http, FormPost(kUrl, {}), "step");
    REQUIRE_FALSE(token.ok());
    CHECK(token.error().code() == ErrorCode::kTransient);
  }
}

TEST_CASE("exchange: the text of an XML element is found") {
  CHECK(XmlText("<a><b>x</b><b>y</b></a>", "b") == "x");
  CHECK(XmlText("<a><b>x", "b").empty());
  CHECK(XmlText("<bb>x</bb>", "b").empty());
  CHECK(XmlText("", "b").empty());
}

}  // namespace
}  // namespace nodekeep
