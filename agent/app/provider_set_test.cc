#include "agent/app/provider_set.h"

#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/json.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"
#include "tests/fakes/fake_provider.h"

namespace nodekeep {
namespace {

using Kind = SettingKey::Kind;

// A build with two providers; one with the address "nowhere" cannot be created.
std::span<const ProviderEntry> FakeRegistry() {
  static constexpr SettingKey kOne[] = {
      {"address", "NODEKEEP_ONE_ADDRESS", Kind::kText, "https://one", "The server"}};
  static constexpr SettingKey kTwo[] = {
      {"address", "NODEKEEP_TWO_ADDRESS", Kind::kText, "https://two", "The server"}};
  static constexpr auto kMake = [](const SettingValues& values,
                                   ProviderServices services) -> Result<Provider> {
    if (values.at("address") == "nowhere") return Error(ErrorCode::kInvalid, "no such address");
    return ProviderOf(std::make_shared<FakeProvider>(services.clock));
  };
  static const ProviderEntry kEntries[] = {
      {"one", "", [] { return std::span<const SettingKey>(kOne); }, kMake},
      {"two", "", [] { return std::span<const SettingKey>(kTwo); }, kMake},
  };
  return kEntries;
}

struct Bench {
  explicit Bench(std::span<const ProviderEntry> its_registry) : registry(its_registry) {}

  Status Load(const std::string& text) {
    ConfigSources sources;
    sources.file = "nodekeep.yaml";
    sources.file_text = text;
    sources.host_name = "node";
    sources.providers = registry;
    Result<LoadedConfig> loaded = LoadConfig(sources);
    if (!loaded.ok()) return loaded.error();
    return providers.Configure(loaded->config, registry);
  }

  std::span<const ProviderEntry> registry;
  FakeHttpClient http;
  FakeClock clock;
  Logger log{LogLevel::kOff, LogFormat::kJson};
  SecretBytes version_key{"key"};
  ProviderSet providers{http, clock, log, version_key};
};

}  // namespace

TEST_CASE("provider set: a reload replaces those providers whose own settings changed") {
  constexpr char kBefore[] = "providers: {one: {address: https://a}}";
  struct Row {
    std::string name, after;
    bool one_stays, two_stays;
  };
  const Row rows[] = {
      {"nothing", kBefore, true, true},
      {"the log level", "{log: {level: debug}, providers: {one: {address: https://a}}}", true,
       true},
      {"a setting of one", "providers: {one: {address: https://b}}", false, true},
      {"a setting of two", "providers: {one: {address: https://a}, two: {address: https://c}}",
       true, false},
      {"a policy of one", "providers: {one: {address: https://a, policy: {refreshAfter: 7m}}}",
       false, true},
      {"the general policy", "{policy: {refreshAfter: 7m}, providers: {one: {address: https://a}}}",
       false, false},
      {"the other is disabled", "providers: {enabled: [one], one: {address: https://a}}", true,
       false},
      {"one cannot be created: nothing changes",
       "{providers: {one: {address: https://b}, two: {address: nowhere}}}", true, true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench(FakeRegistry());
    REQUIRE(bench.Load(kBefore).ok());
    const std::shared_ptr<const Provider> one = bench.providers.Find("one");
    const std::shared_ptr<const Provider> two = bench.providers.Find("two");
    REQUIRE((one != nullptr && two != nullptr));
    (void)bench.Load(row.after);
    CHECK((bench.providers.Find("one") == one) == row.one_stays);
    CHECK((bench.providers.Find("two") == two) == row.two_stays);
    CHECK(bench.providers.Find("one") != nullptr);
  }
}

TEST_CASE("provider set: a universal identity keeps its newest token over a reload") {
  Bench bench(ProviderRegistry());
  bench.http.On(
      "POST", "https://gw/uid-rotate-token",
      {FakeHttpClient::Respond(200, R"({"token":"u-2"})"), FakeHttpClient::Respond(200, "{}"),
       FakeHttpClient::Respond(401, R"({"error":"the first token has ended"})")});
  bench.http.On("POST", "https://gw/auth", {FakeHttpClient::Respond(200, R"({"token":"t-1"})")});
  SpcInput input;
  input.parameters = {{"akeylessGatewayURL", "https://gw"},
                      {"akeylessAccessID", "p-1"},
                      {"akeylessAccessType", "universal_identity"},
                      {"objects", "- {fileName: a, secretPath: /a}"}};
  Identity pod;
  pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-first");

  for (const char* level : {"info", "debug"}) {
    REQUIRE(
        bench.Load(fmt::format("{{log: {{level: {}}}, providers: {{enabled: [akeyless]}}}}", level))
            .ok());
    const std::shared_ptr<const Provider> provider = bench.providers.Find("akeyless");
    REQUIRE(provider != nullptr);
    Result<ParsedMount> mount = provider->spc->Parse(input);
    REQUIRE(mount.ok());
    REQUIRE(provider->backend->Authenticate(Context(), *mount->options, pod).ok());
  }
  std::vector<std::string> shown;
  for (const FakeHttpClient::RecordedRequest& seen : bench.http.Requests()) {
    if (seen.url.ends_with("/auth")) {
      shown.push_back(*TextOf(Find(*ParseJson(seen.body), {"uid-token"})));
    }
  }
  CHECK(shown == std::vector<std::string>{"u-2", "u-2"});
}

}  // namespace nodekeep
