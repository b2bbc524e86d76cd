#include "agent/cloud/sigv4.h"

#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "agent/base/digest.h"

namespace nodekeep {
namespace {

AwsCredentials ExampleCredentials() {
  AwsCredentials credentials;
  credentials.access_key_id = "AKIDEXAMPLE";
  credentials.secret_access_key = SecretBytes("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
  return credentials;
}

std::string HeaderOf(const HttpRequest& request, std::string_view name) {
  for (const HttpHeader& header : request.headers) {
    if (header.name == name) return std::string(header.value.Reveal());
  }
  return "";
}

struct Vector {
  std::string name;
  std::string method;
  std::string target;  // path and query
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string signed_headers;
  std::string signature;
};

// The cases of the AWS Signature Version 4 test suite that need no normalized path: key
// AKIDEXAMPLE, us-east-1, service "service", 2015-08-30T12:36:00Z, host example.amazonaws.com.
const std::vector<Vector>& TestSuite() {
  const std::string unreserved =
      "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const std::string plain = "host;x-amz-date";
  const std::string with_header = "host;my-header1;x-amz-date";
  static const std::vector<Vector> suite = {
      {"get-vanilla",
       "GET",
       "/",
       {},
       "",
       plain,
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-vanilla-query",
       "GET",
       "/?",
       {},
       "",
       plain,
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"no path at all",
       "GET",
       "",
       {},
       "",
       plain,
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-header-key-duplicate",
       "GET",
       "/",
       {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
       "",
       with_header,
       "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
      {"get-header-value-order",
       "GET",
       "/",
       {{"My-Header1", "value4"},
        {"My-Header1", "value1"},
        {"My-Header1", "value3"},
        {"My-Header1", "value2"}},
       "",
       with_header,
       "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
      {"get-header-value-trim",
       "GET",
       "/",
       {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
       "",
       "host;my-header1;my-header2;x-amz-date",
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
      {"get-unreserved",
       "GET",
       "/" + unreserved,
       {},
       "",
       plain,
       "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
      {"get-utf8",
       "GET",
       "/\xe1\x88\xb4",
       {},
       "",
       plain,
       "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
      {"get-vanilla-empty-query-key",
       "GET",
       "/?Param1=value1",
       {},
       "",
       plain,
       "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
      {"get-vanilla-query-order-key-case",
       "GET",
       "/?Param2=value2&Param1=value1",
       {},
       "",
       plain,
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"get-vanilla-query-unreserved",
       "GET",
       "/?" + unreserved + "=" + unreserved,
       {},
       "",
       plain,
       "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
      {"get-vanilla-utf8-query",
       "GET",
       "/?\xe1\x88\xb4=bar",
       {},
       "",
       plain,
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
      {"the same, encoded",
       "GET",
       "/?%E1%88%B4=bar",
       {},
       "",
       plain,
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
      {"post-vanilla",
       "POST",
       "/",
       {},
       "",
       plain,
       "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"post-header-key-sort",
       "POST",
       "/",
       {{"My-Header1", "value1"}},
       "",
       with_header,
       "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
      {"post-header-value-case",
       "POST",
       "/",
       {{"My-Header1", "VALUE1"}},
       "",
       with_header,
       "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
      {"post-vanilla-query",
       "POST",
       "/?Param1=value1",
       {},
       "",
       plain,
       "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
      {"post-x-www-form-urlencoded",
       "POST",
       "/",
       {{"Content-Type", "application/x-www-form-urlencoded"}},
       "Param1=value1",
       "content-type;host;x-amz-date",
       "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
      {"post-x-www-form-urlencoded-parameters",
       "POST",
       "/",
       {{"Content-Type", "application/x-www-form-urlencoded; charset=utf8"}},
       "Param1=value1",
       "content-type;host;x-amz-date",
       "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
  };
  return suite;
}

TEST_CASE("sigv4: signatures match the published test suite") {
  for (const Vector& vector : TestSuite()) {
    INFO(vector.name);
    HttpRequest request;
    request.method = vector.method;
    request.url = "https://example.amazonaws.com" + vector.target;
    for (const auto& [name, value] : vector.headers) {
      request.headers.push_back({name, SecretBytes(value)});
    }
    request.body = SecretBytes(vector.body);
    REQUIRE(SignV4(request, ExampleCredentials(), {"us-east-1", "service"},
                   *ParseTime("2015-08-30T12:36:00Z"))
                .ok());
    CHECK(HeaderOf(request, "X-Amz-Date") == "20150830T123600Z");
    CHECK(HeaderOf(request, "Authorization") ==
          "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
          "SignedHeaders=" +
              vector.signed_headers + ", Signature=" + vector.signature);
  }
}

TEST_CASE("sigv4: each step matches the ListUsers example of the documentation") {
  HttpRequest request;
  request.url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
  request.headers.push_back(
      {"Content-Type", SecretBytes("application/x-www-form-urlencoded; charset=utf-8")});
  REQUIRE(SignV4(request, ExampleCredentials(), {"us-east-1", "iam"},
                 *ParseTime("2015-08-30T12:36:00Z"))
              .ok());
  CHECK(HeaderOf(request, "Authorization") ==
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");

  request.headers.pop_back();
  Result<CanonicalRequest> canonical = CanonicalRequestOf(request);
  REQUIRE(canonical.ok());
  CHECK(Sha256Hex(canonical->text.Reveal()) ==
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59");
}

TEST_CASE("sigv4: a session token is sent and signed") {
  HttpRequest request;
  request.method = "POST";
  request.url = "https://example.amazonaws.com/";
  AwsCredentials credentials = ExampleCredentials();
  // The suite's post-sts-header-before.
  credentials.session_token = SecretBytes(
      "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSP"
      "fIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT"
      "7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlz"
      "m8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==");
  REQUIRE(SignV4(request, credentials, {"us-east-1", "service"}, *ParseTime("2015-08-30T12:36:00Z"))
              .ok());
  CHECK(HeaderOf(request, "X-Amz-Security-Token") == credentials.session_token.Reveal());
  CHECK(HeaderOf(request, "Authorization") ==
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date;x-amz-security-token, "
        "Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead");
}

TEST_CASE("sigv4: the host is signed with its port, a path encoded once more than it is sent") {
  HttpRequest request;
  request.url = "http://127.0.0.1:5000/a%20b/c?x=1#fragment";
  Result<CanonicalRequest> canonical = CanonicalRequestOf(request);
  REQUIRE(canonical.ok());
  CHECK(canonical->text.Reveal() ==
        "GET\n/a%2520b/c\nx=1\nhost:127.0.0.1:5000\n\nhost\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("sigv4: an invalid URL is refused") {
  HttpRequest request;
  request.url = "sts.amazonaws.com";
  Status done = SignV4(request, ExampleCredentials(), {"us-east-1", "sts"}, WallTime());
  REQUIRE_FALSE(done.ok());
  CHECK(done.error().code() == ErrorCode::kInvalid);
}

}  // namespace
}  // namespace nodekeep
