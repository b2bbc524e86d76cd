#include "providers/vault/factory.h"

#include <catch2/catch_test_macros.hpp>

#include "providers/vault/options.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep::vault {
namespace {

TEST_CASE("vault: the node's settings apply to every class without its own") {
  SettingValues values;
  for (const SettingKey& key : SettingsKeys()) values[std::string(key.name)] = key.default_text;
  values["address"] = "https://bao:8200";
  values["namespace"] = "team";
  values["authMount"] = "k8s";
  values["caPem"] = "-----BEGIN CERTIFICATE-----";
  values["tlsServerName"] = "bao.internal";

  FakeHttpClient http;
  FakeClock clock;
  Logger log(LogLevel::kError, LogFormat::kText);
  Result<Provider> provider =
      Make(values, {http, clock, log, Policy(), SecretBytes("version key")});
  REQUIRE(provider.ok());
  SpcInput input;
  input.parameters = {{"roleName", "app"},
                      {"objects", "- {objectName: a, secretPath: secret/data/a, secretKey: k}"}};
  Result<ParsedMount> mount = provider->spc->Parse(input);
  REQUIRE(mount.ok());
  const auto& options = static_cast<const Options&>(*mount->options);
  CHECK(options.Endpoint() == "https://bao:8200#team");
  CHECK(options.mount == "k8s");
  CHECK(options.tls->ca_pem == "-----BEGIN CERTIFICATE-----");
  CHECK(options.tls->server_name == "bao.internal");
}

TEST_CASE("vault: nullValues is refuse or text") {
  SettingValues values;
  for (const SettingKey& key : SettingsKeys()) values[std::string(key.name)] = key.default_text;
  FakeHttpClient http;
  FakeClock clock;
  Logger log(LogLevel::kError, LogFormat::kText);
  SpcInput input;
  input.parameters = {{"roleName", "app"},
                      {"objects", "- {objectName: a, secretPath: secret/data/a, secretKey: k}"}};
  for (const auto& [text, want] :
       {std::pair{"refuse", NullValues::kRefuse}, {"text", NullValues::kText}}) {
    values["nullValues"] = text;
    Result<Provider> provider =
        Make(values, {http, clock, log, Policy(), SecretBytes("version key")});
    REQUIRE(provider.ok());
    CHECK(provider->spc->Parse(input)->projections.at(0).nulls == want);
  }
  values["nullValues"] = "yes";
  const Result<Provider> provider =
      Make(values, {http, clock, log, Policy(), SecretBytes("version key")});
  REQUIRE_FALSE(provider.ok());
  CHECK(provider.error().message() == "nullValues: \"yes\" is unknown; use refuse or text");
}

TEST_CASE("vault: unixSockets lists addresses of sockets") {
  SettingValues values;
  for (const SettingKey& key : SettingsKeys()) values[std::string(key.name)] = key.default_text;
  FakeHttpClient http;
  FakeClock clock;
  Logger log(LogLevel::kError, LogFormat::kText);
  const auto make = [&](const std::string& sockets) {
    values["unixSockets"] = sockets;
    return Make(values, {http, clock, log, Policy(), SecretBytes("version key")});
  };
  CHECK(make("unix:///run/a.sock, unix:///run/b.sock").ok());
  for (const std::string bad : {"/run/a.sock", "unix://a.sock", "https://vault", "*"}) {
    INFO(bad);
    const Result<Provider> provider = make(bad);
    REQUIRE_FALSE(provider.ok());
    CHECK(provider.error().message() == "unixSockets: \"" + bad + "\" is not unix:///path");
  }
}

}  // namespace
}  // namespace nodekeep::vault
