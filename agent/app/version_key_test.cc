#include "agent/app/version_key.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "agent/base/codecs.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep {
namespace {

using Http = FakeHttpClient;

struct Bench {
  Result<SecretBytes> Ask() {
    KubeConnection connection;
    connection.server = "https://kube.test";
    KubeClient kube(http, std::move(connection), clock, rng, {.retry = {.attempts = 1}});
    return SharedVersionKey(Context(), kube, "system/versions");
  }

  FakeHttpClient http;
  FakeClock clock;
  FakeRng rng;
};

constexpr char kSecret[] = "https://kube.test/api/v1/namespaces/system/secrets/versions";
constexpr char kSecrets[] = "https://kube.test/api/v1/namespaces/system/secrets";

std::string Holding(const std::string& key) {
  return R"({"data":{"key":")" + Base64Encode(key) + R"("}})";
}

TEST_CASE("version key: the key in the Secret is used") {
  Bench bench;
  const std::string key(32, 'k');
  bench.http.On("GET", kSecret, {Http::Respond(200, Holding(key))});
  Result<SecretBytes> asked = bench.Ask();
  REQUIRE(asked.ok());
  CHECK(asked->Reveal() == key);
}

TEST_CASE("version key: the first node creates it, immutable, and uses the key that it sent") {
  Bench bench;
  bench.http.On("GET", kSecret, {Http::Respond(404, "{}")});
  bench.http.On("POST", kSecrets, {Http::Respond(201, "{}")});
  Result<SecretBytes> asked = bench.Ask();
  REQUIRE(asked.ok());
  CHECK(asked->size() == 32);
  const std::string body = bench.http.Requests().at(1).body;
  CHECK(body.find("\"key\":\"" + Base64Encode(asked->Reveal()) + "\"") != std::string::npos);
  CHECK(body.find("\"immutable\":true") != std::string::npos);
}

TEST_CASE("version key: two nodes that create it concurrently both use the first one") {
  Bench bench;
  const std::string key(32, 'f');
  bench.http.On("GET", kSecret, {Http::Respond(404, "{}"), Http::Respond(200, Holding(key))});
  bench.http.On("POST", kSecrets, {Http::Respond(409, "{}")});
  Result<SecretBytes> asked = bench.Ask();
  REQUIRE(asked.ok());
  CHECK(asked->Reveal() == key);
}

TEST_CASE("version key: a Secret without a usable key is an error that says what to do") {
  struct Row {
    std::string name, body;
  };
  const Row rows[] = {{"no data", "{}"},
                      {"empty", R"({"data":{"key":""}})"},
                      {"not base64", R"({"data":{"key":"!"}})"},
                      {"short", Holding("short")}};
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.http.On("GET", kSecret, {Http::Respond(200, row.body)});
    Result<SecretBytes> asked = bench.Ask();
    REQUIRE_FALSE(asked.ok());
    CHECK(asked.error().message().find("Secret system/versions: data.key") != std::string::npos);
    CHECK(asked.error().message().find("delete the Secret") != std::string::npos);
  }
}

TEST_CASE("version key: an error of the API server is returned") {
  Bench bench;
  bench.http.On("GET", kSecret, {Http::Respond(403, R"({"message":"no"})")});
  Result<SecretBytes> asked = bench.Ask();
  REQUIRE_FALSE(asked.ok());
  CHECK(asked.error().code() == ErrorCode::kDenied);
  CHECK(bench.http.Requests().size() == 1);
}

}  // namespace
}  // namespace nodekeep
