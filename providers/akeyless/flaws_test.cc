// Known flaws of the upstream provider (docs/protocol/secret-provider-class.md, "akeyless flaws"),
// each checked not to happen here: our provider in the core, on a scripted gateway.

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <string>
#include <vector>

#include "agent/base/codecs.h"
#include "agent/base/json.h"
#include "agent/base/mutex.h"
#include "providers/akeyless/akeyless.h"
#include "tests/fakes/core.h"
#include "tests/fakes/fake_http_client.h"
#include "tests/fakes/temp_dir.h"
#include "tests/fakes/together.h"

namespace nodekeep::akeyless {
namespace {

using Attributes = std::map<std::string, std::string>;
using std::chrono::minutes;

std::string Refused(std::string_view words) { return fmt::format(R"({{"error":"{}"}})", words); }

// Gateways by host. At each, access id "p-<x>" logs in with the key "key of p-<x>", or with any
// service account token, and can read its own items.
class Gateways {
 public:
  explicit Gateways(FakeHttpClient& http) {
    http.On("POST", "https://*",
            {[this](const Context&, const FakeHttpClient::RecordedRequest& seen) {
              return Answer(seen);
            }});
  }

  void Put(const std::string& host, const std::string& access_id, const std::string& name,
           const std::string& value) {
    MutexLock lock(mutex_);
    values_[host + " " + access_id][name] = value;
  }

 private:
  static Result<HttpResponse> Reply(int status, const std::string& body) {
    HttpResponse response;
    response.status = status;
    response.body = SecretBytes(body);
    return response;
  }

  static std::string Member(const Json& body, std::string_view name) {
    return TextOf(Find(body, {name})).value_or("");
  }

  Result<HttpResponse> Answer(const FakeHttpClient::RecordedRequest& seen) {
    Result<Json> body = ParseJson(seen.body);
    if (!body.ok()) return Reply(400, Refused("no JSON"));
    const std::string url = seen.url.substr(std::string("https://").size());
    const std::string host = url.substr(0, url.find('/'));
    const std::string command = url.substr(url.find('/') + 1);
    MutexLock lock(mutex_);
    if (command == "auth") return LogIn(host, *body);
    const std::string token = Member(*body, "token");
    auto own = values_.find(token.starts_with("t-") ? token.substr(2) : "");
    if (own == values_.end() || !own->first.starts_with(host + " ")) {
      return Reply(401, Refused("InvalidCredentials"));
    }
    return Read(command, *body, own->second);
  }

  // The token encodes host and access id.
  static Result<HttpResponse> LogIn(const std::string& host, const Json& body) {
    const std::string access_id = Member(body, "access-id");
    const bool good = Member(body, "access-type") == "k8s"
                          ? !Member(body, "k8s-service-account-token").empty()
                          : Member(body, "access-key") == "key of " + access_id;
    if (!good) return Reply(401, Refused("AuthenticationFailed"));
    return Reply(200, fmt::format(R"({{"token":"t-{} {}"}})", host, access_id));
  }

  static std::string Described(const std::string& name) {
    return fmt::format(R"({{"item_name":"{}","item_type":"STATIC_SECRET","last_version":1}})",
                       name);
  }

  static Result<HttpResponse> Read(const std::string& command, const Json& body,
                                   const std::map<std::string, std::string>& values) {
    if (command == "describe-item") {
      const std::string name = Member(body, "name");
      if (name.starts_with("/denied")) return Reply(401, Refused("UnauthorizedAccess"));
      if (!values.contains(name)) return Reply(404, Refused("failed to get item: NotFound"));
      return Reply(200, Described(name));
    }
    std::string text;
    if (command == "list-items") {
      for (const auto& [name, value] : values) {
        if (!name.starts_with(Member(body, "path"))) continue;
        text += (text.empty() ? "" : ",") + Described(name);
      }
      return Reply(200, R"({"items":[)" + text + "]}");
    }
    if (command != "get-secret-value") return Reply(404, Refused("no such command"));
    for (const Json& name : Find(body, {"names"})->array_range()) {
      auto found = values.find(TextOf(name).value_or(""));
      if (found == values.end()) return Reply(404, Refused("NotFound"));
      text += fmt::format(R"({}"{}":"{}")", text.empty() ? "" : ",", found->first, found->second);
    }
    return Reply(200, "{" + text + "}");
  }

  Mutex mutex_;
  std::map<std::string, std::map<std::string, std::string>> values_;  // guarded by mutex_
};

struct Bench {
  explicit Bench(AkeylessSettings settings = {})
      : provider(MakeAkeylessProvider(std::move(settings), http, clock)), core(clock) {}

  Result<Bundle> Mount(Attributes attributes, Identity pod = MakeIdentity("shop", "web-1", "web")) {
    attributes.try_emplace("akeylessGatewayURL", "https://gw");
    attributes.try_emplace("akeylessAccessType", "access_key");
    attributes.try_emplace("akeylessAccessID", "p-1");
    attributes.try_emplace("akeylessAccessKey", "key of p-1");
    attributes.try_emplace("objects", "- {fileName: a, secretPath: /a}");
    Result<MountPlanPtr> plan = MakePlan(provider, "akeyless", attributes, std::move(pod));
    if (!plan.ok()) return plan.error();
    return core.Fetch(*plan);
  }

  // The contents of file "a", or the error.
  std::string FileOf(const Result<Bundle>& bundle) const {
    return bundle.ok() ? ContentsOf(*bundle, "a") : bundle.error().message();
  }

  FakeClock clock;
  FakeHttpClient http;
  Gateways gateways{http};
  Provider provider;
  Core core;
};

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("akeyless: tenants that mount at once read only what is theirs") {
  Bench bench;
  constexpr std::size_t kTenants = 16, kPods = 64;
  const auto host = [](std::size_t tenant) { return tenant % 2 == 0 ? "gw-a" : "gw-b"; };
  for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
    bench.gateways.Put(host(tenant), fmt::format("p-{}", tenant), "/a",
                       fmt::format("secret of {}", tenant));
  }
  std::vector<std::string> got(kPods);
  auto pods = RunConcurrently(kPods, [&](std::size_t pod) {
    const std::size_t tenant = pod % kTenants;
    got[pod] = bench.FileOf(bench.Mount(
        {{"akeylessGatewayURL", fmt::format("https://{}", host(tenant))},
         {"akeylessAccessID", fmt::format("p-{}", tenant)},
         {"akeylessAccessKey", fmt::format("key of p-{}", tenant)}},
        MakeIdentity(fmt::format("tenant-{}", tenant), fmt::format("pod-{}", pod), "web")));
  });
  pods.clear();
  for (std::size_t pod = 0; pod < kPods; ++pod) {
    CHECK(got[pod] == fmt::format("secret of {}", pod % kTenants));
  }
  for (const FakeHttpClient::RecordedRequest& seen : bench.http.Requests()) {
    // A token, which here names its gateway, is never sent to another.
    const std::string other = Contains(seen.url, "gw-a") ? "t-gw-b" : "t-gw-a";
    CHECK_FALSE(Contains(seen.body, other));
  }
}

TEST_CASE("akeyless: a class that names its type makes one login, at the gateway only") {
  Bench bench;
  bench.gateways.Put("gw", "p-1", "/a", "v");
  CHECK(bench.FileOf(bench.Mount({})) == "v");
  CHECK(bench.http.Count("/auth") == 1);
  CHECK(bench.http.Count("https://gw/") == bench.http.Count());
}

TEST_CASE("akeyless: a refused login fails the mount, in the gateway's words") {
  Bench bench;
  bench.gateways.Put("gw", "p-1", "/a", "v");
  const std::string error = bench.FileOf(bench.Mount({{"akeylessAccessKey", "CANARY"}}));
  CHECK(Contains(error, "authentication failed https://gw"));
  CHECK(Contains(error, "AuthenticationFailed"));
  CHECK_FALSE(Contains(error, "CANARY"));
  CHECK(bench.http.Count("/auth") == 1);
  CHECK(bench.http.Count() == 1);  // nothing is read with another login's token
}

TEST_CASE("akeyless: an item that is missing or denied fails its mount alone") {
  Bench bench;
  bench.gateways.Put("gw", "p-1", "/a", "v");
  const std::string missing =
      bench.FileOf(bench.Mount({{"objects", "- {fileName: a, secretPath: /missing}"}}));
  CHECK(Contains(missing, "can't describe item: /missing"));
  CHECK(Contains(missing, "NotFound"));
  const std::string denied =
      bench.FileOf(bench.Mount({{"objects", "- {fileName: a, secretPath: /denied}"}}));
  CHECK(Contains(denied, "can't describe item: /denied"));
  CHECK(bench.FileOf(bench.Mount({})) == "v");
}

TEST_CASE("akeyless: a pod that is to log in as itself shows its own token") {
  TempDir directory;
  AkeylessSettings settings;
  settings.service_account_token_file = directory.Write("token", "token of the agent\n");
  settings.gateway = "https://gw";
  Bench bench(std::move(settings));
  bench.gateways.Put("gw", "p-1", "/a", "v");
  Attributes attributes = {{"akeylessAccessType", "k8s"}, {"akeylessK8sAuthConfigName", "c"}};
  Identity pod = MakeIdentity("shop", "web-1", "web");
  pod.tokens[""].token = SecretBytes("token of the pod");

  CHECK(bench.FileOf(bench.Mount(attributes, pod.Clone())) == "v");
  CHECK(Contains(bench.http.Requests()[0].body, Base64Encode("token of the agent")));
  attributes["akeylessAuthAs"] = "pod";
  CHECK(bench.FileOf(bench.Mount(attributes, pod.Clone())) == "v");
  std::vector<std::string> logins;
  for (const FakeHttpClient::RecordedRequest& seen : bench.http.Requests()) {
    if (Contains(seen.url, "/auth")) logins.push_back(seen.body);
  }
  REQUIRE(logins.size() == 2);  // values read as the agent are not shared with the pod
  CHECK(Contains(logins[1], Base64Encode("token of the pod")));
}

TEST_CASE("akeyless: a login outlives its mount, and is renewed before it expires") {
  Bench bench;
  bench.gateways.Put("gw", "p-1", "/a", "v");
  for (int i = 0; i < 4; ++i) {
    CHECK(bench.FileOf(bench.Mount({})) == "v");
    bench.clock.Advance(minutes(3));
  }
  CHECK(bench.http.Count("/auth") == 1);
  bench.clock.Advance(minutes(4));  // the vendor's tokens are valid for at least fifteen minutes
  CHECK(bench.FileOf(bench.Mount({})) == "v");
  CHECK(bench.http.Count("/auth") == 2);
}

TEST_CASE("akeyless: one item under two names is read once and written twice") {
  Bench bench;
  bench.gateways.Put("gw", "p-1", "/a", "v");
  bench.gateways.Put("gw", "p-1", "/b", "w");
  Result<Bundle> bundle = bench.Mount({{"objects",
                                        "- {fileName: z, secretPath: /a}\n"
                                        "- {fileName: m, secretPath: /b}\n"
                                        "- {fileName: a, secretPath: /a}\n"}});
  REQUIRE(bundle.ok());
  std::string files;
  for (const BundleFile& file : bundle->files) {
    files += fmt::format("{}={} ", file.path, file.contents.Reveal());
  }
  CHECK(files == "z=v m=w a=v ");
  std::string versions;
  for (const ObjectVersion& version : bundle->versions) {
    versions += fmt::format("{}={} ", version.id, version.version);
  }
  CHECK(versions == "z:/a=1 m:/b=1 a:/a=1 ");
  CHECK(bench.http.Count("/get-secret-value") == 1);
}

TEST_CASE("akeyless: a refused describe-item is reported as a refusal, not as an unknown type") {
  Bench bench;
  bench.gateways.Put("gw", "p-1", "/a", "v");
  const std::string error =
      bench.FileOf(bench.Mount({{"objects", "- {fileName: a, secretPath: /denied}"}}));
  CHECK(Contains(error, "can't describe item: /denied, error"));
  CHECK(Contains(error, "UnauthorizedAccess"));
  CHECK_FALSE(Contains(error, "unsupported item type"));
}

TEST_CASE("akeyless: ten static items cost three calls and not twenty-one") {
  Bench bench;
  std::string objects;
  for (int i = 0; i < 10; ++i) {
    bench.gateways.Put("gw", "p-1", fmt::format("/app/{}", i), fmt::format("v{}", i));
    objects += fmt::format("- {{fileName: f{}, secretPath: /app/{}}}\n", i, i);
  }
  Result<Bundle> bundle = bench.Mount({{"objects", objects}});
  REQUIRE(bundle.ok());
  CHECK(bundle->files.size() == 10);
  CHECK(bench.http.Count("/auth") == 1);
  CHECK(bench.http.Count("/list-items") == 1);
  CHECK(bench.http.Count("/get-secret-value") == 1);
  CHECK(bench.http.Count() == 3);

  // The next poll sends nothing; once the answers have aged, it checks for changes.
  bench.clock.Advance(minutes(1));
  REQUIRE(bench.Mount({{"objects", objects}}).ok());
  CHECK(bench.http.Count() == 3);
}

TEST_CASE("akeyless: the node's identity is shown to no gateway that only a class names") {
  AkeylessSettings settings;
  settings.access_key = std::make_shared<const SecretBytes>("key of p-1");
  settings.gateway = "https://gw";
  Bench bench(std::move(settings));
  bench.gateways.Put("gw", "p-1", "/a", "v");
  bench.gateways.Put("evil", "p-1", "/a", "x");
  CHECK(bench.FileOf(bench.Mount({{"akeylessAccessKey", ""}})) == "v");
  const std::size_t before = bench.http.Count();
  const std::string error = bench.FileOf(
      bench.Mount({{"akeylessAccessKey", ""}, {"akeylessGatewayURL", "https://evil"}}));
  CHECK(Contains(error, "withheld from \"https://evil"));
  CHECK(bench.http.Count() == before);
}

}  // namespace nodekeep::akeyless
