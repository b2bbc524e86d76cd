#include <catch2/catch_test_macros.hpp>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

constexpr std::string_view kPublic =
    R"({"kty":"OKP","crv":"Ed25519","x":"7UkoxijRwsbq6QM4kFmVYSlZJzpcY_k2NsFGFKyHN9E"})";
constexpr std::string_view kPrivate =
    R"({"kty":"OKP","crv":"Ed25519","x":"7UkoxijRwsbq6QM4kFmVYSlZJzpcY_k2NsFGFKyHN9E",)"
    R"("d":"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM"})";
// The generator of the curve: the key 1.
constexpr std::string_view kPoint =
    R"("kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",)"
    R"("y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU")";

TEST_CASE("a JSON web key becomes PEM") {
  const std::string point(kPoint);
  const FunctionRow rows[] = {
      {"jwkPublicKeyPem",
       {Text(kPublic)},
       "\"-----BEGIN PUBLIC KEY-----\n"
       "MCowBQYDK2VwAyEA7UkoxijRwsbq6QM4kFmVYSlZJzpcY/k2NsFGFKyHN9E=\n"
       "-----END PUBLIC KEY-----\n\""},
      {"jwkPrivateKeyPem",
       {Text(kPrivate)},
       "\"-----BEGIN PRIVATE KEY-----\n"
       "MC4CAQAwBQYDK2VwBCIEIAMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD\n"
       "-----END PRIVATE KEY-----\n\""},
      {"jwkPublicKeyPem",
       {Text("{" + point + "}")},
       "\"-----BEGIN PUBLIC KEY-----\n"
       "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
       "6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
       "-----END PUBLIC KEY-----\n\""},
      {"jwkPrivateKeyPem",
       {Text("{" + point + R"(,"d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"})")},
       "\"-----BEGIN PRIVATE KEY-----\n"
       "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAAAAAAAAAAAAAAAA\n"
       "AAAAAAAAAAAAAAAAAAAAAAAAAAGhRANCAARrF9Hy4SxCR/i85uVjpEDydwN9gS3r\n"
       "M6D0oTlF2JjClk/jQuL+Gn+bjufrSnwPnhYrzjNXazFezsu2QGg3v1H1\n"
       "-----END PRIVATE KEY-----\n\""},
  };
  CheckAll(rows);
}

TEST_CASE("a key of the other kind, of no known kind, or several keys are refused") {
  const std::string set = "{\"keys\":[" + std::string(kPublic) + "]}";
  const FunctionRow rows[] = {
      {"jwkPublicKeyPem", {Text(kPrivate)}, ""},
      {"jwkPrivateKeyPem", {Text(kPublic)}, ""},
      {"jwkPublicKeyPem", {Text(set)}, ""},
      {"jwkPublicKeyPem", {Text("")}, ""},
      {"jwkPublicKeyPem", {Text("[]")}, ""},
      {"jwkPublicKeyPem", {Text("{}")}, ""},
      {"jwkPrivateKeyPem", {Text(R"({"kty":"oct","k":"YWJj"})")}, ""},
      {"jwkPublicKeyPem", {Text(R"({"kty":"EC","crv":"P-999","x":"YQ","y":"YQ"})")}, ""},
  };
  for (const FunctionRow& row : rows) {
    INFO(row.arguments[0].text());
    CHECK(Outcome(row.name, row.arguments).starts_with("error: "));
  }
}

}  // namespace
}  // namespace nodekeep::go
