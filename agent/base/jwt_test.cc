#include "agent/base/jwt.h"

#include <catch2/catch_test_macros.hpp>

#include "agent/base/codecs.h"

namespace nodekeep {
namespace {

std::string TokenWith(std::string_view payload) {
  std::string encoded = Base64UrlEncode(payload);
  encoded.erase(encoded.find_last_not_of('=') + 1);
  return "eyJhbGciOiJSUzI1NiJ9." + encoded + ".c2lnbmF0dXJl";
}

TEST_CASE("jwt: the claims of a bound service account token are read") {
  const Result<JwtClaims> claims = ReadJwtClaims(TokenWith(R"({
      "aud":["vault"],"exp":1900000000,"iat":1700000000,"iss":"https://kubernetes.default.svc",
      "kubernetes.io":{"namespace":"shop","node":{"name":"n1","uid":"u0"},
        "pod":{"name":"web-0","uid":"u1"},"serviceaccount":{"name":"web","uid":"u2"}},
      "sub":"system:serviceaccount:shop:web"})"));
  REQUIRE(claims.ok());
  CHECK(claims->namespace_ == "shop");
  CHECK(claims->service_account == "web");
  CHECK(claims->service_account_uid == "u2");
  CHECK(claims->pod_uid == "u1");
  CHECK(claims->subject == "system:serviceaccount:shop:web");
  REQUIRE(claims->expires.has_value());
  CHECK(FormatTime(*claims->expires) == "2030-03-17T17:46:40.000Z");
}

TEST_CASE("jwt: the claims of a token stored in a Secret are read") {
  const Result<JwtClaims> claims = ReadJwtClaims(TokenWith(R"({
      "iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"shop",
      "kubernetes.io/serviceaccount/service-account.name":"web",
      "kubernetes.io/serviceaccount/service-account.uid":"u2",
      "sub":"system:serviceaccount:shop:web"})"));
  REQUIRE(claims.ok());
  CHECK(claims->namespace_ == "shop");
  CHECK(claims->service_account == "web");
  CHECK(claims->service_account_uid == "u2");
  CHECK(claims->pod_uid.empty());
  CHECK_FALSE(claims->expires.has_value());
}

TEST_CASE("jwt: claims of the wrong shape are absent") {
  for (std::string_view payload :
       {"{}", R"({"sub":1,"exp":"soon","kubernetes.io":[]})",
        R"({"kubernetes.io":{"pod":"p","serviceaccount":{"uid":7}},"exp":-5})", R"({"exp":1e300})",
        R"({"exp":18446744073709551616})"}) {
    INFO(payload);
    const Result<JwtClaims> claims = ReadJwtClaims(TokenWith(payload));
    REQUIRE(claims.ok());
    CHECK(claims->subject.empty());
    CHECK(claims->pod_uid.empty());
    CHECK(claims->service_account_uid.empty());
    CHECK_FALSE(claims->expires.has_value());
  }
}

TEST_CASE("jwt: an expiry with a fraction is truncated to the second") {
  const Result<JwtClaims> claims = ReadJwtClaims(TokenWith(R"({"exp":1900000000.9})"));
  REQUIRE(claims.ok());
  CHECK(*claims->expires == WallTime(std::chrono::seconds(1'900'000'000)));
}

TEST_CASE("jwt: a malformed token is refused without quoting it") {
  struct Row {
    std::string name, token, want;
  };
  const Row rows[] = {
      {"empty", "", "three parts"},
      {"opaque", "hunter2", "three parts"},
      {"two parts", "hunter2.hunter2", "three parts"},
      {"four parts", "a.b.c.hunter2", "three parts"},
      {"not base64", "a.hunter2*.c", "base64url"},
      {"not json", "a." + Base64UrlEncode("hunter2") + ".c", "JSON object"},
      {"a list", TokenWith("[\"hunter2\"]"), "JSON object"},
      {"an empty payload", "a..c", "JSON object"},
      {"an encrypted token has five parts", "a.b.c.d.e", "three parts"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Result<JwtClaims> claims = ReadJwtClaims(row.token);
    REQUIRE_FALSE(claims.ok());
    CHECK(claims.error().code() == ErrorCode::kInvalid);
    CHECK(claims.error().message().find(row.want) != std::string::npos);
    CHECK(claims.error().message().find("hunter2") == std::string::npos);
  }
}

}  // namespace
}  // namespace nodekeep
