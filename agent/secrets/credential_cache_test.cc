#include "agent/secrets/credential_cache.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <future>
#include <numeric>
#include <set>
#include <string>
#include <thread>

#include "tests/fakes/core.h"
#include "tests/fakes/together.h"

namespace nodekeep {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

Error Down() { return Error(ErrorCode::kTransient, "connection refused"); }
Error No() { return Error(ErrorCode::kDenied, "403 permission denied"); }

struct Bench {
  explicit Bench(CoreOptions options = {}) : core(clock, std::move(options)) {}

  ReadPlanPtr Plan(const std::string& pod, const std::string& ns = "shop",
                   const std::string& account = "web", const std::string& sa_uid = "-",
                   const std::string& login = "fake") {
    return FakePlan(backend, "a", MakeIdentity(ns, pod, account, sa_uid), {{"login", login}})->read;
  }
  Result<SessionPtr> Get(const ReadPlanPtr& plan, std::size_t* logins = nullptr) {
    std::size_t count = 0;
    Result<SessionPtr> session =
        core.credentials.Get(Context(), plan, logins == nullptr ? count : *logins);
    return session;
  }
  std::string TokenOf(const ReadPlanPtr& plan) {
    Result<SessionPtr> session = Get(plan);
    if (!session.ok())
      return std::string("no: ") + std::string(ErrorCodeName(session.error().code()));
    return std::string((*session)->Open()->token.Reveal());
  }

  FakeClock clock;
  std::shared_ptr<FakeProvider> backend = std::make_shared<FakeProvider>(clock);
  Core core;
};

}  // namespace

TEST_CASE("logins: an expired pod token is not sent; a login that is still valid is used") {
  Bench bench;
  bench.backend->SetLoginLifetime(seconds(100), false);
  const auto plan_with_token = [&](Duration lifetime) {
    auto plan = CopyOf(*bench.Plan("web-1"));
    plan->audiences = {"vault"};
    plan->identity.tokens["vault"] = {SecretBytes("t"), bench.clock.Wall() + lifetime};
    return ReadPlanPtr(std::move(plan));
  };
  const ReadPlanPtr expired = plan_with_token(-seconds(1));
  const Result<SessionPtr> refused = bench.Get(expired);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == ErrorCode::kTransient);
  CHECK(refused.error().message().find("audience \"vault\" has expired at ") != std::string::npos);
  CHECK(bench.backend->logins() == 0);

  const ReadPlanPtr good = plan_with_token(seconds(50));
  CHECK(bench.Get(good).ok());
  bench.clock.Advance(seconds(95));  // login due for replacement but valid; pod token expired
  CHECK(bench.Get(good).ok());
  CHECK(bench.backend->logins() == 1);
  bench.clock.Advance(seconds(10));
  CHECK_FALSE(bench.Get(good).ok());
  CHECK(bench.backend->logins() == 1);
}

TEST_CASE("logins: concurrent pods of one service account share one login") {
  Bench bench;
  bench.backend->Close();
  constexpr std::size_t kPods = 110;
  std::vector<std::string> tokens(kPods);
  std::vector<std::size_t> logins(kPods, 0);
  auto pods = RunConcurrently(kPods, [&](std::size_t i) {
    auto session = bench.Get(bench.Plan("web-" + std::to_string(i)), &logins[i]);
    if (session.ok()) tokens[i] = (*session)->Open()->token.Reveal();
  });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.backend->Open();
  pods.clear();
  CHECK(bench.backend->logins() == 1);
  CHECK(std::set<std::string>(tokens.begin(), tokens.end()) == std::set<std::string>{"token-1"});
  CHECK(std::accumulate(logins.begin(), logins.end(), std::size_t{0}) == 1);
}

TEST_CASE("logins: a login without pod identity is shared by all pods with the same credentials") {
  Bench bench;
  bench.backend->SetSharing(Sharing::kPod);
  const auto plan = [&](const std::string& pod, const std::string& digest) {
    auto options = std::make_shared<FakeOptions>();
    options->digest = digest;
    options->sends_pod_token = false;
    auto made = std::make_shared<ReadPlan>();
    made->identity = MakeIdentity("ns-of-" + pod, pod, "account-of-" + pod);
    made->login_keys = LoginKeysOf("fake", *options, made->identity);
    made->route = {"fake", bench.backend, options, Policy()};
    return made;
  };
  constexpr std::size_t kPods = 20;
  std::vector<std::string> tokens(kPods);
  auto pods = RunConcurrently(kPods, [&](std::size_t i) {
    tokens[i] = bench.TokenOf(plan("web-" + std::to_string(i), "d1"));
  });
  pods.clear();
  CHECK(bench.backend->logins() == 1);
  CHECK(std::set<std::string>(tokens.begin(), tokens.end()).size() == 1);
  CHECK(bench.TokenOf(plan("web-1", "d2")) == "token-2");
}

TEST_CASE("logins: a login for which the backend may have checked the pod is made per pod") {
  Bench bench;
  bench.backend->SetSharing(Sharing::kPod);
  constexpr std::size_t kPods = 20;
  std::vector<std::string> scopes(kPods), tokens(kPods);
  auto pods = RunConcurrently(kPods, [&](std::size_t i) {
    auto session = bench.Get(bench.Plan("web-" + std::to_string(i)));
    if (!session.ok()) return;
    scopes[i] = (*session)->scope;
    tokens[i] = (*session)->Open()->token.Reveal();
  });
  pods.clear();
  CHECK(bench.backend->logins() == kPods);
  CHECK(std::set<std::string>(scopes.begin(), scopes.end()).size() == kPods);
  CHECK(std::set<std::string>(tokens.begin(), tokens.end()).size() == kPods);
}

TEST_CASE("logins: pods share a login only if account, namespace, uid and role are equal") {
  struct Row {
    std::string name, ns, account, sa_uid, login;
    bool shares;
  };
  const Row rows[] = {
      {"the same account", "shop", "web", "-", "fake", true},
      {"the same name, re-created", "shop", "web", "new uid", "fake", false},
      {"no uid known", "shop", "web", "", "fake", false},
      {"another namespace", "blog", "web", "-", "fake", false},
      {"another account", "shop", "db", "-", "fake", false},
      {"another role", "shop", "web", "-", "fake role=admin", false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    REQUIRE(bench.TokenOf(bench.Plan("web-1")) == "token-1");
    const ReadPlanPtr other = bench.Plan("web-2", row.ns, row.account, row.sa_uid, row.login);
    CHECK(bench.core.credentials.KnownScopes(other->login_keys).size() == (row.shares ? 1 : 0));
    CHECK(bench.TokenOf(other) == (row.shares ? "token-1" : "token-2"));
  }
}

TEST_CASE("logins: a login is shared only if the reply proves the pod's own service account") {
  struct Row {
    std::string name;
    Sharing sharing;
    std::string proven_uid;
    bool shared;
  };
  const Row rows[] = {
      {"proven", Sharing::kServiceAccount, "uid-of-web", true},
      {"another account proven", Sharing::kServiceAccount, "uid-of-db", false},
      {"no account proven", Sharing::kServiceAccount, "", false},
      {"the pod was checked", Sharing::kPod, "uid-of-web", false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.backend->SetLoginHandler([&](const Context&, const Identity& identity) {
      Credential credential;
      credential.token = SecretBytes("token of " + identity.PodName());
      credential.sharing = row.sharing;
      credential.service_account_uid = row.proven_uid;
      return credential;
    });
    CHECK(bench.TokenOf(bench.Plan("web-1")) == "token of web-1");
    CHECK(bench.TokenOf(bench.Plan("web-2")) == (row.shared ? "token of web-1" : "token of web-2"));
    CHECK((*bench.Get(bench.Plan("web-1")))->scope.ends_with("pod=web-1/uid-of-web-1") ==
          !row.shared);
  }
}

TEST_CASE("logins: a shared login is no longer shared once a reply may depend on the pod") {
  Bench bench;
  bench.backend->SetLoginLifetime(minutes(10), false);
  CHECK(bench.TokenOf(bench.Plan("web-1")) == "token-1");
  bench.clock.Advance(minutes(11));
  bench.backend->SetSharing(Sharing::kPod);
  CHECK(bench.TokenOf(bench.Plan("web-1")) == "token-2");
  CHECK(bench.core.credentials.KnownScopes(bench.Plan("web-2")->login_keys).empty());
  CHECK(bench.TokenOf(bench.Plan("web-2")) == "token-3");
}

TEST_CASE("logins: after a login that is not shared, no pod gets the old shared one") {
  Bench bench({.retry = {.attempts = 1}});
  bench.backend->SetLoginLifetime(minutes(10), false);
  REQUIRE(bench.TokenOf(bench.Plan("web-1")) == "token-1");
  bench.clock.Advance(seconds(570));  // its last tenth: it works, and a new one is made
  bench.backend->SetSharing(Sharing::kPod);
  CHECK(bench.TokenOf(bench.Plan("web-1")) == "token-2");
  CHECK(bench.core.credentials.Sessions().size() == 1);
  bench.backend->FailLoginsAlways(Down());
  CHECK(bench.TokenOf(bench.Plan("web-2")) == "no: transient");
}

TEST_CASE("logins: a session keeps no pod token, and its own token only sealed") {
  Bench bench;
  Identity identity = MakeIdentity("shop", "web-1", "web");
  identity.tokens["vault"].token = SecretBytes("token of the pod");
  std::weak_ptr<const ReadPlan> watched;
  SessionPtr session;
  {
    const ReadPlanPtr plan = FakePlan(bench.backend, "a", std::move(identity))->read;
    watched = plan;
    session = *bench.Get(plan);
  }
  CHECK(watched.expired());
  CHECK(session->credential.token.empty());
  CHECK(session->token.bytes.find("token-1") == std::string::npos);
  CHECK(session->Open()->token.Reveal() == "token-1");
}

TEST_CASE("logins: a login is reused until the last tenth of its lifetime, then replaced") {
  struct Row {
    std::string name;
    Duration lifetime, age;
    std::string want;
  };
  const Row rows[] = {
      {"half its lifetime", minutes(100), minutes(50), "token-1"},
      {"just before the last tenth", minutes(100), minutes(90) - Duration(1), "token-1"},
      {"in the last tenth", minutes(100), minutes(90), "token-2"},
      {"expired", minutes(100), minutes(200), "token-2"},
      {"never expires", Duration::zero(), minutes(60 * 24 * 365), "token-1"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.backend->SetLoginLifetime(row.lifetime, false);
    CHECK(bench.TokenOf(bench.Plan("web-1")) == "token-1");
    bench.clock.Advance(row.age);
    bench.clock.JumpWall(-minutes(12345));
    CHECK(bench.TokenOf(bench.Plan("web-2")) == row.want);
  }
}

TEST_CASE("logins: the old login is used while the backend is down, but not after a refusal") {
  struct Row {
    std::string name;
    Error error;
    Duration age;
    std::string want;
  };
  const Row rows[] = {
      {"login endpoint down", Down(), minutes(95), "token-1"},
      {"login endpoint down, the old one expired", Down(), minutes(101), "no: transient"},
      {"login refused", No(), minutes(95), "no: denied"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.backend->SetLoginLifetime(minutes(100), false);
    CHECK(bench.TokenOf(bench.Plan("web-1")) == "token-1");
    bench.clock.Advance(row.age);
    bench.backend->FailLoginsAlways(row.error);
    CHECK(bench.TokenOf(bench.Plan("web-1")) == row.want);
  }
}

TEST_CASE("logins: all waiters for a new login fall back to the old one together") {
  Bench bench;
  bench.backend->SetLoginLifetime(minutes(100), false);
  CHECK(bench.TokenOf(bench.Plan("web-0")) == "token-1");
  bench.clock.Advance(minutes(95));
  bench.backend->Close();
  bench.backend->FailLoginsAlways(Down());
  std::vector<std::string> tokens(12);
  auto pods = RunConcurrently(tokens.size(), [&](std::size_t i) {
    tokens[i] = bench.TokenOf(bench.Plan("web-" + std::to_string(i)));
  });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.backend->Open();
  pods.clear();
  for (const std::string& token : tokens) CHECK(token == "token-1");
}

TEST_CASE("logins: the wait for a slow new login is short while the old one works") {
  Bench bench;
  bench.backend->SetLoginLifetime(minutes(100), false);
  CHECK(bench.TokenOf(bench.Plan("web-1")) == "token-1");
  bench.clock.Advance(minutes(95));
  bench.backend->Close();
  std::string got;
  std::jthread pod([&] { got = bench.TokenOf(bench.Plan("web-1")); });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.clock.Advance(seconds(3));
  pod.join();
  CHECK(got == "token-1");
  bench.backend->Open();
  // The login continued; the next caller uses it.
  CHECK(bench.TokenOf(bench.Plan("web-1")) == "token-2");
  CHECK(bench.backend->logins() == 2);
}

TEST_CASE("logins: a slow new login is waited for if the old one expires meanwhile") {
  Bench bench;
  bench.backend->SetLoginLifetime(seconds(10), false);
  CHECK(bench.TokenOf(bench.Plan("web-1")) == "token-1");
  bench.clock.Advance(Duration(9500));
  bench.backend->Close();
  std::string got;
  std::jthread pod([&] { got = bench.TokenOf(bench.Plan("web-1")); });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.clock.Advance(seconds(3));
  bench.backend->Open();
  pod.join();
  CHECK(got == "token-2");
}

TEST_CASE("logins: a refusal is remembered briefly, an outage is not") {
  struct Row {
    std::string name;
    Error error;
    bool remembered;
  };
  const Row rows[] = {
      {"denied", No(), true},
      {"token expired", Error(ErrorCode::kAuthExpired, "401"), true},
      {"no such role", Error(ErrorCode::kInvalid, "400 invalid role"), true},
      {"no such mount", Error(ErrorCode::kNotFound, "404"), true},
      {"backend down", Down(), false},
      {"throttled", Error(ErrorCode::kThrottled, "429"), false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench({.retry = {.attempts = 1}});
    bench.backend->FailLoginsAlways(row.error);
    const ReadPlanPtr plan = bench.Plan("web-1");
    CHECK(bench.Get(plan).error().code() == row.error.code());
    CHECK(bench.Get(plan).error().code() == row.error.code());
    CHECK(bench.backend->logins() == (row.remembered ? 1 : 2));
    bench.clock.Advance(seconds(11));
    bench.backend->ClearFaults();
    CHECK(bench.TokenOf(plan) == "token-1");
  }
}

TEST_CASE("logins: a transient failure is retried within the same login") {
  Bench bench;
  bench.backend->FailLogins({Down(), Down()});
  CHECK(bench.TokenOf(bench.Plan("web-1")) == "token-1");
  CHECK(bench.backend->logins() == 3);
}

TEST_CASE("logins: one pod's refusal does not affect other pods of its account") {
  Bench bench;
  bench.backend->SetLoginHandler(
      [](const Context&, const Identity& identity) -> Result<Credential> {
        if (identity.PodName() == "web-bad")
          return Error(ErrorCode::kDenied, "its token is expired");
        Credential credential;
        credential.token = SecretBytes("token of " + identity.PodName());
        credential.sharing = Sharing::kServiceAccount;
        credential.service_account_uid = identity.service_account_uid;
        return credential;
      });
  bench.backend->Close();
  std::string bad, good;
  std::jthread first([&] { bad = bench.TokenOf(bench.Plan("web-bad")); });
  CHECK(bench.backend->AwaitWaiting(1));
  std::jthread second([&] { good = bench.TokenOf(bench.Plan("web-good")); });
  bench.backend->Open();
  first.join();
  second.join();
  CHECK(bad == "no: denied");
  CHECK(good == "token of web-good");
}

TEST_CASE("logins: three refused pods make their account count as refused, but no other") {
  Bench bench;
  bench.backend->FailLoginsAlways(No());
  constexpr std::size_t kPods = 40;
  std::vector<std::string> got(kPods);
  auto pods = RunConcurrently(kPods, [&](std::size_t i) {
    got[i] = bench.TokenOf(bench.Plan("web-" + std::to_string(i)));
  });
  pods.clear();
  for (const std::string& token : got) CHECK(token == "no: denied");
  CHECK(bench.backend->logins() == 3);
  bench.backend->ClearFaults();
  CHECK(bench.TokenOf(bench.Plan("web-99")) == "no: denied");
  CHECK(bench.TokenOf(bench.Plan("db-0", "shop", "db")) == "token-1");
  bench.clock.Advance(seconds(11));
  CHECK(bench.TokenOf(bench.Plan("web-99")) == "token-2");
}

TEST_CASE("logins: refusals count together only while they last") {
  struct Row {
    std::string name;
    Duration pause;    // after the second refusal
    std::string want;  // for a pod that was not refused
  };
  const Row rows[] = {
      {"the third in time", seconds(9), "no: denied"},
      {"the third after the end of the others", seconds(10), "token-1"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.backend->FailLogins({No(), No(), No()});
    CHECK(bench.TokenOf(bench.Plan("web-1")) == "no: denied");
    CHECK(bench.TokenOf(bench.Plan("web-2")) == "no: denied");
    bench.clock.Advance(row.pause);
    CHECK(bench.TokenOf(bench.Plan("web-3")) == "no: denied");
    CHECK(bench.TokenOf(bench.Plan("web-4")) == row.want);
  }
}

TEST_CASE("logins: an outage is returned to all waiters of the login") {
  Bench bench({.retry = {.attempts = 1}});
  bench.backend->Close();
  bench.backend->FailLoginsAlways(Down());
  std::vector<std::string> got(10);
  auto pods = RunConcurrently(got.size(), [&](std::size_t i) {
    got[i] = bench.TokenOf(bench.Plan("web-" + std::to_string(i)));
  });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.backend->Open();
  pods.clear();
  for (const std::string& token : got) CHECK(token == "no: transient");
}

TEST_CASE("logins: two volumes of one pod make one login, counted by one of them") {
  Bench bench;
  bench.backend->SetSharing(Sharing::kPod);
  bench.backend->Close();
  std::size_t logins[2] = {0, 0};
  auto volumes =
      RunConcurrently(2, [&](std::size_t i) { (void)bench.Get(bench.Plan("web-1"), &logins[i]); });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.backend->Open();
  volumes.clear();
  CHECK(bench.backend->logins() == 1);
  CHECK(logins[0] + logins[1] == 1);
}

TEST_CASE("logins: a caller gets its own deadline error; the login continues for the next caller") {
  Bench bench;
  bench.backend->Close();
  Result<SessionPtr> got = Error(ErrorCode::kInternal, "not asked");
  std::jthread pod([&] {
    std::size_t logins = 0;
    const Context context(bench.clock.Now() + seconds(5), {});
    got = bench.core.credentials.Get(context, bench.Plan("web-1"), logins);
  });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.clock.Advance(seconds(6));
  pod.join();
  REQUIRE(!got.ok());
  CHECK(got.error().code() == ErrorCode::kDeadlineExceeded);
  bench.backend->Open();
  CHECK(bench.TokenOf(bench.Plan("web-1")) == "token-1");
  CHECK(bench.backend->logins() == 1);
}

TEST_CASE("logins: Drop removes a login with all its renewals, but not a later login") {
  Bench bench;
  CHECK(bench.TokenOf(bench.Plan("web-1")) == "token-1");
  const SessionPtr first = *bench.Get(bench.Plan("web-1"));
  const SessionPtr renewed = bench.core.credentials.Replace(*first, *first->Open());
  CHECK(renewed->login == first->login);
  CHECK(renewed->number > first->number);
  CHECK((*bench.Get(bench.Plan("web-1")))->number == renewed->number);
  bench.core.credentials.Drop(*first);
  const SessionPtr second = *bench.Get(bench.Plan("web-1"));
  CHECK(second->login != first->login);
  bench.core.credentials.Drop(*renewed);
  CHECK((*bench.Get(bench.Plan("web-1")))->number == second->number);
}

TEST_CASE("logins: a renewal does not replace a newer login, but can be used") {
  Bench bench;
  const SessionPtr first = *bench.Get(bench.Plan("web-1"));
  bench.core.credentials.Drop(*first);
  const SessionPtr second = *bench.Get(bench.Plan("web-1"));
  const SessionPtr renewed = bench.core.credentials.Replace(*first, *first->Open());
  CHECK(renewed->Open()->token.Reveal() == "token-1");
  CHECK(bench.core.credentials.Find(second->scope)->number == second->number);
}

TEST_CASE("logins: DropUnused removes only a login that was not used again") {
  Bench bench;
  const SessionPtr session = *bench.Get(bench.Plan("web-1"));
  bench.clock.Advance(seconds(1));
  (void)bench.Get(bench.Plan("web-2"));
  CHECK(!bench.core.credentials.DropUnused(*session));
  bench.clock.Advance(seconds(1));
  const SessionPtr renewed = bench.core.credentials.Replace(*session, *session->Open());
  CHECK(!bench.core.credentials.DropUnused(*session));
  CHECK(bench.core.credentials.DropUnused(*renewed));
  CHECK(bench.core.credentials.Find(session->scope) == nullptr);
}

TEST_CASE("logins: ForgetExpired removes expired sessions") {
  Bench bench;
  bench.backend->SetLoginLifetime(minutes(10), false);
  (void)bench.Get(bench.Plan("web-1"));
  (void)bench.Get(bench.Plan("db-1", "shop", "db"));
  CHECK(bench.core.credentials.Sessions().size() == 2);
  bench.clock.Advance(minutes(11));
  bench.core.credentials.ForgetExpired();
  CHECK(bench.core.credentials.Sessions().empty());
}

TEST_CASE("logins: the destructor of a session's provider can lock the cache") {
  struct Row {
    std::string name;
    std::function<void(Bench&)> end;
  };
  const Row rows[] = {
      {"replaced by a login of the new provider",
       [](Bench& bench) { (void)bench.Get(bench.Plan("web-1")); }},
      {"no longer shared with the new provider",
       [](Bench& bench) {
         bench.backend->SetSharing(Sharing::kPod);
         (void)bench.Get(bench.Plan("web-1"));
       }},
      {"expired", [](Bench& bench) { bench.core.credentials.ForgetExpired(); }},
      {"forgotten",
       [](Bench& bench) {
         bench.core.credentials.Forget(
             bench.core.credentials.KnownScopes(bench.Plan("web-1")->login_keys));
       }},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    std::future<void> look;
    std::atomic<bool> free = false;
    Bench bench;
    // Its destructor waits for a thread that reads the cache, like a call in progress.
    std::shared_ptr<FakeProvider> old(new FakeProvider(bench.clock), [&](FakeProvider* provider) {
      look = std::async(std::launch::async, [&] { (void)bench.core.credentials.Sessions(); });
      free = look.wait_for(seconds(5)) == std::future_status::ready;
      delete provider;
    });
    old->SetLoginLifetime(minutes(10), false);
    std::swap(bench.backend, old);
    const std::weak_ptr<const Session> session = *bench.Get(bench.Plan("web-1"));
    std::swap(bench.backend, old);
    // The login flight may still hold a reference to either for a moment.
    while (session.use_count() > 1 || old.use_count() > 2) std::this_thread::yield();
    old.reset();
    CHECK_FALSE(look.valid());
    bench.clock.Advance(minutes(11));
    row.end(bench);
    CHECK(free);
  }
}

TEST_CASE("logins: a forgotten identity has no known scope until it logs in again") {
  Bench bench;
  const ReadPlanPtr plan = bench.Plan("web-1");
  CHECK(bench.core.credentials.KnownScopes(plan->login_keys).empty());
  (void)bench.Get(plan);
  const auto scopes = bench.core.credentials.KnownScopes(plan->login_keys);
  CHECK(scopes.size() == 1);
  bench.core.credentials.Forget(scopes);
  CHECK(bench.core.credentials.KnownScopes(plan->login_keys).empty());
  CHECK(bench.TokenOf(plan) == "token-2");
}

TEST_CASE("logins: a namespace with very many logins displaces its own, not those of others") {
  FakeClock clock;
  auto backend = std::make_shared<FakeProvider>(clock);
  FakeRng rng;
  Logger log(LogLevel::kOff, LogFormat::kText);
  MetricsRegistry registry;
  FetchMetrics metrics(registry);
  WorkerPool pool({});
  CredentialCache credentials(
      {.retry = {}, .max_session_bytes = 64 << 10, .max_table_bytes = 16 << 10}, pool, clock, rng,
      log, metrics);
  const auto plan_of = [&](const std::string& whose, const std::string& name) {
    return FakePlan(backend, "a", MakeIdentity(whose, name, name))->read;
  };
  std::size_t logins = 0;
  REQUIRE(credentials.Get(Context(), plan_of("quiet", "web"), logins).ok());
  for (int i = 0; i < 200; ++i) {
    REQUIRE(credentials.Get(Context(), plan_of("shop", "web-" + std::to_string(i)), logins).ok());
    clock.Advance(Duration(1));
  }
  CHECK(credentials.Sessions().size() > 5);
  CHECK(credentials.Sessions().size() < 100);
  CHECK(!credentials.KnownScopes(plan_of("shop", "web-199")->login_keys).empty());
  CHECK(credentials.KnownScopes(plan_of("shop", "web-0")->login_keys).empty());
  CHECK(!credentials.KnownScopes(plan_of("quiet", "web")->login_keys).empty());
  logins = 0;
  REQUIRE(credentials.Get(Context(), plan_of("quiet", "web"), logins).ok());
  CHECK(logins == 0);

  INFO("refusals as well");
  backend->FailLogins({No()});
  CHECK_FALSE(credentials.Get(Context(), plan_of("quiet", "refused"), logins).ok());
  backend->FailLoginsAlways(No());
  for (int i = 0; i < 200; ++i) {
    (void)credentials.Get(Context(), plan_of("shop", "bad-" + std::to_string(i)), logins);
  }
  backend->ClearFaults();
  CHECK_FALSE(credentials.Get(Context(), plan_of("quiet", "refused"), logins).ok());
  CHECK(credentials.Get(Context(), plan_of("shop", "bad-0"), logins).ok());
}

TEST_CASE("logins: what is kept of a pod is forgotten a day after its last request") {
  Bench bench;
  bench.backend->SetSharing(Sharing::kServiceAccount);
  const ReadPlanPtr asking = bench.Plan("asks", "shop", "one");
  const ReadPlanPtr silent = bench.Plan("silent", "shop", "two");
  (void)bench.Get(asking);
  (void)bench.Get(silent);
  const auto known = [&](const ReadPlanPtr& plan) {
    return bench.core.credentials.KnownScopes(plan->login_keys).size();
  };
  for (int hour = 0; hour < 24; ++hour) {
    bench.clock.Advance(minutes(60));
    bench.core.credentials.ForgetExpired();
    CHECK(known(asking) == 1);
  }
  CHECK(known(silent) == 0);
}

TEST_CASE("logins: a token too long to keep is refused") {
  Bench bench;
  bench.backend->SetLoginHandler([](const Context&, const Identity&) -> Result<Credential> {
    Credential credential;
    credential.token = SecretBytes(std::string(1 << 20, 't'));
    return credential;
  });
  Result<SessionPtr> session = bench.Get(bench.Plan("web-1"));
  REQUIRE_FALSE(session.ok());
  CHECK(session.error().code() == ErrorCode::kTooLarge);
  CHECK(session.error().message().size() < 200);
}

TEST_CASE("logins: a namespace does not wait for the login of another one") {
  Bench bench;
  const auto plan = [&](const std::string& pod) {
    auto options = std::make_shared<FakeOptions>();
    options->digest = "shared";
    options->sends_pod_token = false;
    auto made = std::make_shared<ReadPlan>();
    made->identity = MakeIdentity("ns-of-" + pod, pod, "web");
    made->login_keys = LoginKeysOf("fake", *options, made->identity);
    made->route = {"fake", bench.backend, options, Policy()};
    return made;
  };
  std::atomic<bool> hang = true;
  std::atomic<std::size_t> started = 0;
  bench.backend->SetLoginHandler([&](const Context& context,
                                     const Identity& identity) -> Result<Credential> {
    ++started;
    while (identity.namespace_name == "ns-of-slow" && hang && !context.stop().stop_requested()) {
      std::this_thread::yield();
    }
    Credential credential;
    credential.token = SecretBytes("t");
    return credential;
  });
  std::size_t logins = 0;
  {
    std::jthread slow([&] {
      std::size_t count = 0;
      (void)bench.core.credentials.Get(Context().WithNamespace("ns-of-slow"), plan("slow"), count);
    });
    while (started == 0) std::this_thread::yield();
    CHECK(
        bench.core.credentials.Get(Context().WithNamespace("ns-of-web"), plan("web"), logins).ok());
    hang = false;
  }
  CHECK(logins == 1);
}

TEST_CASE("logins: destruction cancels a login in progress") {
  auto bench = std::make_unique<Bench>();
  bench->backend->Close();
  Result<SessionPtr> got = Error(ErrorCode::kInternal, "not asked");
  std::stop_source leaving;
  std::jthread pod([&] {
    std::size_t logins = 0;
    got = bench->core.credentials.Get(Context(SteadyTime::max(), leaving.get_token()),
                                      bench->Plan("web-1"), logins);
  });
  CHECK(bench->backend->AwaitWaiting(1));
  leaving.request_stop();
  pod.join();
  REQUIRE(!got.ok());
  CHECK(got.error().code() == ErrorCode::kCancelled);
  const auto backend = bench->backend;
  bench.reset();  // cancels the login in progress and waits for it
  CHECK(backend.use_count() == 1);
}

}  // namespace nodekeep
