#include "providers/akeyless/factory.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "providers/akeyless/akeyless.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep::akeyless {
namespace {

struct Bench {
  // The key in the first login of a provider made in that environment; "" = no login was sent.
  std::string FirstKey(std::map<std::string, std::string> variables) {
    SettingValues values;
    for (const SettingKey& key : SettingsKeys()) values[std::string(key.name)] = key.default_text;
    values["gatewayUrl"] = "https://gw";
    values["accessId"] = "p-1";
    values["accessType"] = "access_key";
    Result<Provider> provider =
        Make(values, {http, clock, log, Policy(), SecretBytes("key"),
                      [&](const std::string& name) { return variables[name]; }});
    REQUIRE(provider.ok());
    SpcInput input;
    input.parameters["objects"] = "- {fileName: a, secretPath: /a}";
    Result<ParsedMount> mount = provider->spc->Parse(input);
    REQUIRE(mount.ok());
    http.On("POST", "https://gw/auth", {FakeHttpClient::Respond(200, R"({"token":"t-1"})")});
    const std::size_t before = http.Count();
    Result<Credential> login =
        provider->backend->Authenticate(Context(), *mount->options, Identity());
    if (http.Count() == before) return "";
    REQUIRE(login.ok());
    const std::string body = http.Requests().back().body;
    const std::string start = R"("access-key":")";
    const std::size_t at = body.find(start) + start.size();
    return body.substr(at, body.find('"', at) - at);
  }

  FakeHttpClient http;
  FakeClock clock;
  Logger log{LogLevel::kOff, LogFormat::kJson};
};

}  // namespace

TEST_CASE("akeyless: of the environment, AKEYLESS_ACCESS_KEY wins over CREDENTIALS") {
  Bench bench;
  CHECK(bench.FirstKey({{"AKEYLESS_ACCESS_KEY", "one"}, {"CREDENTIALS", "two"}}) == "one");
  CHECK(bench.FirstKey({{"CREDENTIALS", "two"}}) == "two");
  CHECK(bench.FirstKey({{"AKEYLESS_ACCESS_KEY", ""}, {"CREDENTIALS", "two"}}) == "two");
  CHECK(bench.FirstKey({}).empty());
}

TEST_CASE("akeyless: by default no token of the agent and no foreign gateway is configured") {
  std::size_t found = 0;
  for (const SettingKey& key : SettingsKeys()) {
    if (key.name != "serviceAccountTokenFile" && key.name != "nodeIdentityGateways") continue;
    ++found;
    CHECK(key.default_text == std::string_view());
  }
  CHECK(found == 2);
  CHECK(AkeylessSettings().service_account_token_file.empty());
  CHECK(AkeylessSettings().node_identity_gateways.empty());
}

TEST_CASE("akeyless: no setting of the node holds a credential") {
  for (const SettingKey& key : SettingsKeys()) {
    INFO(key.name);
    CHECK(key.environment != "AKEYLESS_ACCESS_KEY");
    CHECK(key.environment != "CREDENTIALS");
    CHECK(key.environment != "AKEYLESS_UID_INIT_TOKEN");
  }
}

}  // namespace nodekeep::akeyless
