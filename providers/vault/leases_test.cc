#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "providers/vault/test_mount.h"

using Catch::Matchers::ContainsSubstring;
using namespace std::chrono_literals;

namespace nodekeep::vault {
namespace {

const Lease kLease{"database/creds/app/abc", 1h, true};

Attributes TwoNamespaces() {
  return {{"vaultNamespace", "team"}, {"nodekeep/authNamespace", "login"}};
}

}  // namespace

TEST_CASE("vault: a token is renewed in its login namespace and keeps its sharing") {
  TestMount vault(TwoNamespaces());
  vault.http.On("POST", "https://vault:8200/v1/auth/token/renew-self",
                {FakeHttpClient::Respond(200, R"({"auth":{"client_token":"hvs.test-token",
                    "lease_duration":1800,"renewable":true}})")});
  Credential credential = TestMount::credential();
  credential.sharing = Sharing::kServiceAccount;
  credential.service_account_uid = "sa-uid-1";
  Result<Credential> renewed = vault.provider.backend->lease_client()->RenewCredential(
      Context(), vault.options(), credential);
  REQUIRE(MessageOf(renewed) == "(ok)");
  CHECK(renewed->lifetime == 30min);
  CHECK(renewed->expires == vault.clock.Now() + 30min);
  CHECK(renewed->sharing == Sharing::kServiceAccount);
  CHECK(renewed->service_account_uid == "sa-uid-1");
  const FakeHttpClient::RecordedRequest seen = vault.http.Requests().at(0);
  CHECK(seen.headers.at("x-vault-token") == "hvs.test-token");
  CHECK(seen.headers.at("x-vault-namespace") == "login");
}

TEST_CASE("vault: a token that cannot be renewed is an error that leads to a new login") {
  struct Row {
    std::string name;
    int status;
    std::string body, code;
  };
  const Row rows[] = {
      {"expired", 403, R"({"errors":["permission denied"]})", "denied"},
      {"a batch token", 400, R"({"errors":["batch tokens cannot be renewed"]})", "invalid"},
      {"the server is down", 503, "", "transient"},
      {"no auth", 200, "{}", "invalid"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TestMount vault;
    vault.http.On("", "*", {FakeHttpClient::Respond(row.status, row.body)});
    Result<Credential> renewed = vault.provider.backend->lease_client()->RenewCredential(
        Context(), vault.options(), TestMount::credential());
    CHECK(row.code == CodeOf(renewed));
    CHECK_THAT(MessageOf(renewed), ContainsSubstring("failed to renew the login: "));
  }
}

TEST_CASE("vault: a login is revoked, a configured token is not") {
  TestMount ours(TwoNamespaces());
  ours.http.On("POST", "https://vault:8200/v1/auth/token/revoke-self",
               {FakeHttpClient::Respond(204, "")});
  CHECK(MessageOf(ours.provider.backend->lease_client()->RevokeCredential(
            Context(), ours.options(), TestMount::credential())) == "(ok)");
  CHECK(ours.http.Requests().at(0).headers.at("x-vault-namespace") == "login");

  TestMount given(Attributes{{"nodekeep/auth", "token"}});
  CHECK(given.provider.backend->lease_client()
            ->RevokeCredential(Context(), given.options(), TestMount::credential())
            .ok());
  CHECK(given.http.Requests().empty());
}

TEST_CASE("vault: a lease is renewed for its former lifetime and may get less") {
  TestMount vault(TwoNamespaces());
  vault.http.On("POST", "https://vault:8200/v1/sys/leases/renew",
                {FakeHttpClient::Respond(200, R"({"lease_id":"database/creds/app/abc",
                    "lease_duration":600,"renewable":false,"data":null})")});
  Result<Lease> renewed = vault.provider.backend->lease_client()->RenewLease(
      Context(), vault.options(), TestMount::credential(), kLease);
  REQUIRE(MessageOf(renewed) == "(ok)");
  CHECK(renewed->id == kLease.id);
  CHECK(renewed->lifetime == 10min);
  CHECK_FALSE(renewed->renewable);
  const FakeHttpClient::RecordedRequest seen = vault.http.Requests().at(0);
  CHECK(seen.body == R"({"increment":3600,"lease_id":"database/creds/app/abc"})");
  CHECK(seen.headers.at("x-vault-namespace") == "team");
}

TEST_CASE("vault: a lease that is gone is not found, one that may not be renewed is denied") {
  struct Row {
    std::string name;
    int status;
    std::string body, code;
  };
  const Row rows[] = {
      {"gone", 400, R"({"errors":["lease not found"]})", "not_found"},
      {"not renewable", 400, R"({"errors":["lease is not renewable"]})", "invalid"},
      {"not allowed", 403, R"({"errors":["permission denied"]})", "denied"},
      {"not an API reply", 200, "<html>", "transient"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TestMount vault;
    vault.http.On("", "*", {FakeHttpClient::Respond(row.status, row.body)});
    Result<Lease> renewed = vault.provider.backend->lease_client()->RenewLease(
        Context(), vault.options(), TestMount::credential(), kLease);
    CHECK(row.code == CodeOf(renewed));
    CHECK_THAT(MessageOf(renewed),
               ContainsSubstring("failed to renew lease \"database/creds/app/abc\": "));
  }
}

TEST_CASE("vault: a lease is revoked by its id in the body") {
  TestMount vault(TwoNamespaces());
  vault.http.On("POST", "https://vault:8200/v1/sys/leases/revoke",
                {FakeHttpClient::Respond(204, ""), FakeHttpClient::Respond(403, "")});
  const auto revoke = [&] {
    return vault.provider.backend->lease_client()->RevokeLease(Context(), vault.options(),
                                                               TestMount::credential(), kLease);
  };
  CHECK(MessageOf(revoke()) == "(ok)");
  CHECK(vault.http.Requests().at(0).body == R"({"lease_id":"database/creds/app/abc"})");
  CHECK(vault.http.Requests().at(0).headers.at("x-vault-namespace") == "team");
  CHECK(CodeOf(revoke()) == "denied");
}

}  // namespace nodekeep::vault
