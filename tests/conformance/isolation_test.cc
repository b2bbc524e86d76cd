// No pod is ever served another tenant's bytes, whatever fails meanwhile.
//
// Many pods of many tenants fetch the same paths at once through the real core. A value consists of
// the path and the name of the token's tenant, so each served value identifies its tenant.
// Meanwhile the backend fails, stalls, rejects tokens and throttles; the cache is too small, is
// flushed and re-keyed; logins are dropped and renewed; and the clock advances.

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <latch>
#include <random>
#include <thread>

#include "agent/base/mutex.h"
#include "tests/fakes/core.h"

namespace nodekeep {
namespace {

constexpr int kTenants = 64;
constexpr int kRounds = 200;
constexpr int kPaths = 12;

// The tenant whose rights a pod's requests have; the backend derives it from the pod's token.
struct Tenant {
  std::string name;
  Identity identity;
  Sharing sharing = Sharing::kServiceAccount;
  std::string proven_uid;  // the account uid that the backend reports
};

// Tenants that are easily confused: equal account names in different namespaces, accounts
// re-created with a new uid, pods of one account that must not share, pods without any token, and
// logins for which the backend reports an account other than the pod's.
std::vector<Tenant> MakeTenants() {
  std::vector<Tenant> tenants;
  for (int i = 0; i < kTenants; ++i) {
    const std::string ns = "ns-" + std::to_string(i % 4);
    const std::string group = std::to_string(i / 32);
    const std::string pod = "pod-" + std::to_string(i);
    Tenant tenant;
    switch (i % 8) {
      case 0:
      case 1:
      case 2:
      case 3:  // four pods share by account: (namespace, account, uid)
        tenant.identity = MakeIdentity(ns, pod, "app", "uid-" + ns + "-" + group);
        tenant.name = ns + "/app/" + group;
        break;
      case 4:  // the login's rules depend on the pod
        tenant.identity = MakeIdentity(ns, pod, "app", "uid-" + ns + "-podwise");
        tenant.name = pod;
        tenant.sharing = Sharing::kPod;
        break;
      case 5:  // the backend reports an account other than the pod's
        tenant.identity = MakeIdentity(ns, pod, "app", "uid-" + ns + "-liar");
        tenant.name = pod;
        tenant.proven_uid = "uid-of-another-account";
        break;
      case 6:  // no token, hence no account uid
        tenant.identity = MakeIdentity(ns, pod, "app", "");
        tenant.name = pod;
        break;
      default:  // the same pod name in other namespaces
        tenant.identity = MakeIdentity("alone-" + std::to_string(i), "pod", "app", "same-uid");
        tenant.name = "alone-" + std::to_string(i);
    }
    if (tenant.proven_uid.empty()) tenant.proven_uid = tenant.identity.service_account_uid;
    tenants.push_back(std::move(tenant));
  }
  return tenants;
}

std::string IdentityKey(const Identity& identity) {
  return identity.Text() + "/" + identity.PodUid() + "/" + identity.service_account_uid;
}

// Random numbers that select the faults; one engine per thread.
double Chance() {
  static std::atomic<unsigned> seed = 1;
  thread_local std::mt19937 engine(seed++);
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

std::optional<Error> SomeFault(const Context& context, const Clock& clock) {
  const double chance = Chance();
  if (chance < 0.03) return Error(ErrorCode::kTransient, "cut");
  if (chance < 0.05) {
    return Error(ErrorCode::kThrottled, "patience").WithRetryAfter(std::chrono::milliseconds(1));
  }
  if (chance < 0.07) return Error(ErrorCode::kAuthExpired, "stale token");
  if (chance < 0.08) return Error(ErrorCode::kDenied, "not now");
  if (chance < 0.10) return Error(ErrorCode::kNotFound, "gone for a moment");
  if (chance < 0.15) {
    if (Status slept = Sleep(context, clock, std::chrono::milliseconds(1)); !slept.ok()) {
      return slept.error();
    }
  }
  if (chance < 0.25) std::this_thread::yield();
  return std::nullopt;
}

void Script(FakeProvider& backend, const Clock& clock, const std::vector<Tenant>& tenants) {
  std::map<std::string, const Tenant*> by_identity;
  for (const Tenant& tenant : tenants) by_identity[IdentityKey(tenant.identity)] = &tenant;
  backend.SetLoginHandler([&clock, by_identity](const Context& context,
                                                const Identity& identity) -> Result<Credential> {
    if (std::optional<Error> fault = SomeFault(context, clock)) return *fault;
    const Tenant& tenant = *by_identity.at(IdentityKey(identity));
    static std::atomic<int> number = 0;
    Credential credential;
    credential.token = SecretBytes(tenant.name + "#" + std::to_string(++number));
    credential.sharing = tenant.sharing;
    credential.service_account_uid = tenant.proven_uid;
    credential.lifetime = std::chrono::seconds(30);
    credential.expires = clock.Now() + credential.lifetime;
    credential.renewable = true;
    return credential;
  });
  backend.SetReader([&clock](const Context& context, const Credential& credential,
                             const Question& question) -> Result<Answer> {
    if (std::optional<Error> fault = SomeFault(context, clock)) return *fault;
    const std::string token(credential.token.Reveal());
    Answer answer;
    // The version is the same for every tenant and path: only the scope separates them.
    answer.version = "1";
    if (question.known_version == answer.version && Chance() < 0.5) {
      answer.unchanged = true;
      return answer;
    }
    answer.value = SecretBytes(token.substr(0, token.find('#')) + "|" + question.ref.path);
    if (Chance() < 0.05) answer.lifetime = std::chrono::seconds(3);
    return answer;
  });
}

// Changes the core's state from outside while it serves.
void Disturb(Core& core, FakeClock& clock) {
  const double chance = Chance();
  if (chance < 0.01) clock.Advance(std::chrono::seconds(5));
  if (chance < 0.005) core.cache.Flush();
  if (chance > 0.99) core.cache.RotateKey();
  if (chance > 0.98) {
    for (const SessionPtr& session : core.credentials.Sessions()) {
      if (Chance() < 0.1) core.credentials.Drop(*session);
    }
  }
  if (chance > 0.97 && chance < 0.975) {
    (void)core.fetcher.Refresh(Context(clock.Now() + std::chrono::seconds(30), {}),
                               [](const EntryKey&) { return Chance() < 0.2; });
  }
  if (chance > 0.96 && chance < 0.97) core.leases.Tick();
}

// Advances the fake clock, about fifty times as fast as real time, so that timed waits end.
void RunTime(std::stop_token stop, FakeClock& clock) {
  Mutex mutex;
  std::condition_variable_any never;
  MutexLock lock(mutex);
  while (!stop.stop_requested()) {
    never.wait_for(lock, stop, std::chrono::milliseconds(1), [] { return false; });
    clock.Advance(std::chrono::milliseconds(50));
  }
}

struct Tally {
  std::atomic<int> served = 0;
  std::atomic<int> stale = 0;
  std::atomic<int> failed = 0;
  std::atomic<int> foreign = 0;
  std::atomic<int> incomplete = 0;
};

void FetchInALoop(Core& core, FakeClock& clock, const std::shared_ptr<FakeProvider>& backend,
                  const Tenant& tenant, Tally& tally) {
  std::mt19937 engine(std::hash<std::string>()(IdentityKey(tenant.identity)));
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::string> paths;
    for (int i = 0; i < 4; ++i) {
      const std::string path = "p" + std::to_string(engine() % kPaths);
      if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
    }
    std::string objects;
    for (const std::string& path : paths) objects += (objects.empty() ? "" : ",") + path;
    const MountPlanPtr plan =
        FakePlan(backend, objects, tenant.identity.Clone(), {{"nodekeep/refreshAfter", "2s"}});
    const Context context(clock.Now() + std::chrono::seconds(60), {});
    Result<Bundle> bundle = core.Fetch(plan, context);
    Disturb(core, clock);
    if (!bundle.ok()) {
      ++tally.failed;
      continue;
    }
    ++tally.served;
    if (bundle->report.stale > 0) ++tally.stale;
    if (bundle->files.size() != paths.size()) ++tally.incomplete;
    for (const std::string& path : paths) {
      if (ContentsOf(*bundle, path) != tenant.name + "|" + path) ++tally.foreign;
    }
  }
}

}  // namespace

TEST_CASE("isolation: each of 64 concurrent tenants is served its own bytes only") {
  FakeClock clock;
  const std::vector<Tenant> tenants = MakeTenants();
  auto backend = std::make_shared<FakeProvider>(clock);
  backend->EnableLeases();
  Script(*backend, clock, tenants);
  Tally tally;
  {
    // The cache has room for a part of the entries only.
    Core core(clock, {.cache_bytes = 64 << 10, .remember_denial = std::chrono::seconds(1)});
    std::jthread time([&](std::stop_token stop) { RunTime(stop, clock); });
    std::latch start(kTenants);
    std::vector<std::jthread> callers;
    for (const Tenant& tenant : tenants) {
      callers.emplace_back([&] {
        start.arrive_and_wait();
        FetchInALoop(core, clock, backend, tenant, tally);
      });
    }
    callers.clear();
    core.leases.Drain();
  }
  CHECK(tally.foreign == 0);
  CHECK(tally.incomplete == 0);
  // The load must be meaningful: most requests are served, and faults did occur.
  INFO("served " << tally.served << ", of these stale " << tally.stale << ", failed "
                 << tally.failed << ", logins " << backend->logins() << ", reads "
                 << backend->reads());
  CHECK(tally.served > kTenants * kRounds / 2);
  CHECK(tally.failed > 0);
  CHECK(tally.stale > 0);
  CHECK(backend->logins() > kTenants);
}

}  // namespace nodekeep
