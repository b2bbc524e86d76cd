// Akeyless through the real core: with many access ids, gateways, pods and faults at once, each
// tenant gets only its own logins and bytes; and a node sends as few calls as possible.

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <latch>
#include <random>
#include <set>
#include <thread>

#include "agent/base/go_json.h"
#include "agent/base/json.h"
#include "agent/base/mutex.h"
#include "providers/akeyless/akeyless.h"
#include "tests/fakes/core.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep::akeyless {
namespace {

using Seen = FakeHttpClient::RecordedRequest;

constexpr int kTenants = 64;
constexpr int kRounds = 60;
constexpr int kPaths = 12;

std::string AccessId(int number) { return fmt::format("p-{:010}am", number); }

// Two accounts behind two gateways: the same access ids, keys and paths, other values.
class Gateways {
 public:
  explicit Gateways(double faults) : faults_(faults) {
    http.On("POST", "*", {[this](const Context&, const Seen& seen) -> Result<HttpResponse> {
              return Answer(seen);
            }});
  }

  static std::string Value(const std::string& gateway, const std::string& access_id,
                           const std::string& path) {
    return gateway + "|" + access_id + "|" + path;
  }

  FakeHttpClient http;

 private:
  static Result<HttpResponse> Reply(int status, const std::string& body) {
    HttpResponse response;
    response.status = status;
    response.body = SecretBytes(body);
    return response;
  }

  std::optional<Result<HttpResponse>> Fault(bool login) const {
    static std::atomic<unsigned> seed = 1;
    thread_local std::mt19937 engine(seed++);
    const double chance = std::uniform_real_distribution<double>(0, 1)(engine) / faults_;
    if (chance < 0.02) return Error(ErrorCode::kTransient, "cut");
    if (chance < 0.04) return Reply(500, R"({"error":"internal server error"})");
    if (chance < 0.05) return Reply(502, "<html>");
    if (chance < 0.06) return Reply(429, R"({"error":"slow down"})");
    if (chance < 0.07) return Reply(200, R"({"token":"t-of-some)");
    if (!login && chance < 0.10) return Reply(401, R"({"error":"credentials have expired"})");
    if (!login && chance < 0.11) return Reply(401, R"({"error":"UnauthorizedAccess"})");
    return std::nullopt;
  }

  // "https://<gateway>.test/<command>"; a token is "t-<gateway>|<access id>".
  Result<HttpResponse> Answer(const Seen& seen) const {
    const std::string rest = seen.url.substr(std::string("https://").size());
    const std::string gateway = rest.substr(0, rest.find('.'));
    const std::string command = rest.substr(rest.find('/') + 1);
    if (faults_ > 0) {
      if (auto fault = Fault(command == "auth")) return *std::move(fault);
    }
    const Json body = *ParseJson(seen.body);
    const auto text = [&](std::string_view member) {
      return TextOf(Find(body, {member})).value_or("");
    };
    if (command == "auth") {
      const std::string id = text("access-id");
      if (text("access-key") != "key of " + id) return Reply(401, R"({"error":"refused"})");
      return Reply(200, fmt::format(R"({{"token":"t-{}|{}"}})", gateway, id));
    }
    // A token of one gateway is invalid at the other.
    const std::string token = text("token");
    if (!token.starts_with("t-" + gateway + "|")) return Reply(401, R"({"error":"foreign"})");
    const std::string id = token.substr(3 + gateway.size());
    const auto described = [](const std::string& name) {
      return fmt::format(R"({{"item_name":"{}","item_type":"STATIC_SECRET","last_version":1}})",
                         name);
    };
    if (command == "describe-item") return Reply(200, described(text("name")));
    if (command == "list-items") {
      std::string items;
      for (int i = 0; i < kPaths; ++i) {
        items += (i ? "," : "") + described("/app/p" + std::to_string(i));
      }
      return Reply(200, R"({"items":[)" + items + "]}");
    }
    std::string values;
    for (const Json& member : Find(body, {"names"})->array_range()) {
      const std::string name = *TextOf(member);
      values += (values.empty() ? "" : ",") + GoJsonString(name) + ":" +
                GoJsonString(Value(gateway, id, name));
    }
    return Reply(200, "{" + values + "}");
  }

  const double faults_;  // 1 = about one call in nine
};

struct Tenant {
  std::string gateway, access_id;

  MountPlanPtr Plan(const Provider& provider, const std::string& pod,
                    const std::set<std::string>& names) const {
    std::string objects;
    for (const std::string& name : names) {
      objects += "- {fileName: " + name + ", secretPath: /app/" + name + "}\n";
    }
    return *MakePlan(provider, "akeyless",
                     {{"akeylessGatewayURL", "https://" + gateway + ".test"},
                      {"akeylessAccessID", access_id},
                      {"akeylessAccessKey", "key of " + access_id},
                      {"nodekeep/refreshAfter", "2s"},
                      {"objects", objects}},
                     // All of one namespace and service account: only the credentials differ.
                     MakeIdentity("shop", pod, "web"));
  }
};

struct Tally {
  std::atomic<int> served = 0, stale = 0, failed = 0, foreign = 0;
};

void AskInALoop(Core& core, FakeClock& clock, const Provider& provider, const Tenant& tenant,
                unsigned number, Tally& tally) {
  std::mt19937 engine(number);
  for (int round = 0; round < kRounds; ++round) {
    std::set<std::string> names;
    for (int i = 0; i < 4; ++i) names.insert("p" + std::to_string(engine() % kPaths));
    const MountPlanPtr plan = tenant.Plan(provider, "pod-" + std::to_string(engine() % 8), names);
    Result<Bundle> bundle = core.Fetch(plan, Context(clock.Now() + std::chrono::seconds(60), {}));
    if (engine() % 100 == 0) core.cache.Flush();
    if (engine() % 50 == 0) {
      for (const SessionPtr& session : core.credentials.Sessions()) {
        if (engine() % 10 == 0) core.credentials.Drop(*session);
      }
    }
    if (!bundle.ok()) {
      ++tally.failed;
      continue;
    }
    ++tally.served;
    if (bundle->report.stale > 0) ++tally.stale;
    for (const std::string& name : names) {
      if (ContentsOf(*bundle, name) !=
          Gateways::Value(tenant.gateway, tenant.access_id, "/app/" + name)) {
        ++tally.foreign;
      }
    }
  }
}

}  // namespace

TEST_CASE("isolation: 64 Akeyless tenants at two gateways are served their own bytes only") {
  FakeClock clock;
  Gateways gateways(1);
  AkeylessSettings settings;
  settings.policy.refresh_after_min = Duration::zero();  // so that gateways are asked often
  const Provider provider = MakeAkeylessProvider(std::move(settings), gateways.http, clock);
  Tally tally;
  {
    Core core(clock, {.cache_bytes = 128 << 10, .remember_denial = std::chrono::seconds(1)});
    std::jthread time([&](std::stop_token stop) {
      Mutex mutex;
      std::condition_variable_any never;
      MutexLock lock(mutex);
      while (!stop.stop_requested()) {
        never.wait_for(lock, stop, std::chrono::milliseconds(1), [] { return false; });
        clock.Advance(std::chrono::milliseconds(50));
      }
    });
    std::latch start(kTenants);
    std::vector<std::jthread> callers;
    for (int i = 0; i < kTenants; ++i) {
      callers.emplace_back([&, i] {
        const Tenant tenant{i % 2 == 0 ? "east" : "west", AccessId(i / 2)};
        start.arrive_and_wait();
        AskInALoop(core, clock, provider, tenant, static_cast<unsigned>(i), tally);
      });
    }
    callers.clear();
  }
  CHECK(tally.foreign == 0);
  INFO("served " << tally.served << ", of these stale " << tally.stale << ", failed "
                 << tally.failed);
  CHECK(tally.served > kTenants * kRounds / 2);
  CHECK(tally.failed > 0);
}

// Per access id: one login, one list-items that describes all its items of the folder (there is no
// other call for more than one), one get-secret-value that reads them.
TEST_CASE("storm: 110 pods with 10 Akeyless secrets over 5 access ids cost 15 calls") {
  FakeClock clock;
  Gateways gateways(0);
  const Provider provider = MakeAkeylessProvider(AkeylessSettings(), gateways.http, clock);
  Core core(clock);
  std::set<std::string> names;
  for (int i = 0; i < 10; ++i) names.insert("p" + std::to_string(i));
  constexpr int kPods = 110;
  std::atomic<int> served = 0;
  {
    std::latch start(kPods);
    std::vector<std::jthread> pods;
    for (int pod = 0; pod < kPods; ++pod) {
      pods.emplace_back([&, pod] {
        const Tenant tenant{"east", AccessId(pod % 5)};
        const MountPlanPtr plan = tenant.Plan(provider, "pod-" + std::to_string(pod), names);
        start.arrive_and_wait();
        Result<Bundle> bundle = core.Fetch(plan);
        if (bundle.ok() && bundle->files.size() == names.size()) ++served;
      });
    }
  }
  CHECK(served == kPods);
  CHECK(gateways.http.Count("/auth") == 5);
  CHECK(gateways.http.Count("/list-items") == 5);
  CHECK(gateways.http.Count("/get-secret-value") == 5);
  CHECK(gateways.http.Count() == 15);
}

}  // namespace nodekeep::akeyless
