#include "agent/secrets/lease_keeper.h"

#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>
#include <thread>

#include "agent/base/mutex.h"
#include "tests/fakes/core.h"
#include "tests/fakes/temp_dir.h"
#include "tests/fakes/together.h"

namespace nodekeep {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Error Down() { return Error(ErrorCode::kTransient, "connection refused"); }
Error No() { return Error(ErrorCode::kDenied, "403 permission denied"); }

// The kubelet directories that are visible to the agent.
class Directories {
 public:
  bool Has(const std::string& path) const {
    MutexLock lock(mutex_);
    return present_.contains(path);
  }
  void Add(const std::string& path) {
    MutexLock lock(mutex_);
    present_.insert(path);
  }
  void Remove(const std::string& path) {
    MutexLock lock(mutex_);
    present_.erase(path);
  }

 private:
  mutable Mutex mutex_;
  std::set<std::string> present_ = {"/pods"};
};

// A backend with dynamic credentials at "db", leased for an hour.
struct Bench {
  explicit Bench(ExceptionReporter report = {}, CoreOptions options = {})
      : on_exception(std::move(report)), core(clock, With(std::move(options), on_exception)) {
    backend->EnableLeases();
    backend->SetMinted("db", "credentials", hours(1), "lease");
    backend->SetValue("kv", "v");
  }

  static std::string Directory(const std::string& pod) { return "/pods/uid-of-" + pod; }
  MountPlanPtr Plan(const std::string& pod, const std::string& objects = "db") {
    return FakePlan(
        backend, objects, MakeIdentity("shop", pod, "web"), {},
        {.directory_exists = [this](const std::string& path) { return directories.Has(path); }});
  }
  // Creates the pod's directory and mounts. Returns "ok" or the error's code.
  std::string Mount(const std::string& pod, const std::string& objects = "db") {
    directories.Add(Directory(pod));
    Result<Bundle> bundle = core.Fetch(Plan(pod, objects));
    return bundle.ok() ? "ok" : std::string(ErrorCodeName(bundle.error().code()));
  }
  void Tick() {
    core.leases.Tick();
    core.leases.Drain();
  }
  // Advances the clock by minutes, with a Tick after each.
  void Pass(Duration time) {
    for (Duration passed = Duration::zero(); passed < time; passed += minutes(1)) {
      clock.Advance(minutes(1));
      Tick();
    }
  }
  std::vector<std::string> Calls(const std::string& verb) const {
    std::vector<std::string> whats;
    for (const FakeCall& call : backend->calls()) {
      if (call.verb == verb) whats.push_back(call.what);
    }
    return whats;
  }

  const ExceptionReporter on_exception;
  FakeClock clock;
  Directories directories;
  std::shared_ptr<FakeProvider> backend = std::make_shared<FakeProvider>(clock);
  Core core;

 private:
  static CoreOptions With(CoreOptions options, const ExceptionReporter& on_exception) {
    options.retry = {.attempts = 1};
    options.on_exception = on_exception;
    return options;
  }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("lease: a lease ends with the login that obtained it") {
  const SteadyTime now = SteadyTime() + hours(1);
  struct Row {
    std::string name;
    Duration lifetime, login;
    Duration want;
  };
  const Row rows[] = {
      {"shorter than the login", minutes(10), hours(1), minutes(10)},
      {"longer than the login", hours(2), hours(1), hours(1)},
      {"login without end", hours(2), Duration::zero(), hours(2)},
      {"login over", hours(2), -minutes(1), Duration(1)},
      {"no lifetime granted", Duration::zero(), hours(1), Duration(1)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Session session;
    if (row.login != Duration::zero()) session.credential.expires = now + row.login;
    CHECK(WithinLogin(row.lifetime, session, now) == row.want);
  }
}

TEST_CASE("lease: a shared lease is issued once and then renewed, not re-issued") {
  Bench bench;
  auto pods =
      RunConcurrently(20, [&](std::size_t pod) { bench.Mount("web-" + std::to_string(pod)); });
  pods.clear();
  CHECK(bench.backend->reads("db") == 1);
  REQUIRE(bench.core.leases.List().size() == 1);
  CHECK(bench.core.leases.List()[0].holders == 20);

  // Six hours of polls, every two minutes.
  for (int poll = 0; poll < 180; ++poll) {
    bench.Pass(minutes(2));
    REQUIRE(bench.Mount("web-" + std::to_string(poll % 20)) == "ok");
  }
  CHECK(bench.backend->reads("db") == 1);
  CHECK(bench.Calls("renew-lease").size() == 9);
  CHECK(bench.Calls("revoke-lease").empty());
}

TEST_CASE("lease: a lease is renewed at two thirds of its lifetime, not before") {
  Bench bench;
  CHECK(bench.Mount("web-1") == "ok");
  bench.clock.Advance(minutes(40) - Duration(1));
  bench.Tick();
  CHECK(bench.Calls("renew-lease").empty());
  bench.clock.Advance(Duration(1));
  bench.clock.JumpWall(hours(99));
  bench.Tick();
  CHECK(bench.Calls("renew-lease") == Names{"lease.1"});
  CHECK(bench.core.leases.List()[0].left == hours(1));
}

TEST_CASE("lease: a mount between the due time and the renewal does not get a new lease") {
  Bench bench;
  CHECK(bench.Mount("web-1") == "ok");
  bench.clock.Advance(minutes(45));
  CHECK(bench.Mount("web-2") == "ok");
  CHECK(bench.backend->reads("db") == 1);
}

TEST_CASE("lease: a refresh neither re-issues a lease nor makes it stale") {
  Bench bench;
  CHECK(bench.Mount("web-1", "db,kv") == "ok");
  for (int i = 0; i < 3; ++i) {
    bench.clock.Advance(seconds(1));
    const RefreshReport report =
        bench.core.fetcher.Refresh(Context(), [](const EntryKey&) { return true; });
    CHECK(report.asked == 1);
    CHECK(bench.Mount("web-1", "db,kv") == "ok");
  }
  CHECK(bench.backend->reads("db") == 1);
  CHECK(bench.backend->reads("kv") == 4);
}

TEST_CASE("lease: a renewal that fails transiently is retried") {
  Bench bench;
  CHECK(bench.Mount("web-1") == "ok");
  bench.backend->FailRenewals({Down(), Down()});
  bench.clock.Advance(minutes(40));
  bench.Tick();
  bench.Tick();  // not at once
  CHECK(bench.Calls("renew-lease").size() == 1);
  bench.Pass(minutes(10));
  CHECK(bench.Calls("renew-lease").size() == 3);
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.backend->reads("db") == 1);
}

TEST_CASE("lease: at its maximum the next mount gets a new lease; the old is revoked after grace") {
  Bench bench;
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.Mount("web-2") == "ok");
  bench.backend->SetRenewedLifetime(minutes(30));
  bench.clock.Advance(minutes(40));
  bench.Tick();
  CHECK(bench.Calls("renew-lease").size() == 1);
  CHECK(bench.backend->reads("db") == 1);  // nothing is issued without a mount

  bench.backend->SetRenewedLifetime(Duration::zero());
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.backend->reads("db") == 2);
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.backend->reads("db") == 2);
  // web-2 still uses the old one.
  REQUIRE(bench.core.leases.List().size() == 2);
  CHECK(bench.core.leases.List()[0].retiring);
  CHECK(!bench.core.leases.List()[1].retiring);
  bench.Pass(minutes(10));
  CHECK(bench.Calls("revoke-lease").empty());

  CHECK(bench.Mount("web-2") == "ok");
  CHECK(bench.backend->reads("db") == 2);
  bench.Pass(minutes(4));
  CHECK(bench.Calls("revoke-lease").empty());
  bench.Pass(minutes(2));
  CHECK(bench.Calls("revoke-lease") == Names{"lease.1"});
  REQUIRE(bench.core.leases.List().size() == 1);
}

TEST_CASE("lease: a lease unknown to the backend is no longer served") {
  struct Row {
    std::string name;
    Error error;
    bool stands_in;
  };
  const Row rows[] = {{"not found", Error(ErrorCode::kNotFound, "lease not found"), false},
                      {"renewal not allowed", No(), true}};
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    CHECK(bench.Mount("web-1") == "ok");
    bench.backend->FailRenewals({row.error});
    bench.clock.Advance(minutes(40));
    bench.Tick();
    // A lease that still exists may be served stale; one that is gone must not.
    bench.backend->FailAlways("db", Down());
    CHECK(bench.Mount("web-1") == (row.stands_in ? "ok" : "transient"));
    bench.backend->ClearFaults();
    CHECK(bench.Mount("web-1") == "ok");
    CHECK(bench.backend->reads("db") == 3);
    bench.Pass(minutes(6));
    CHECK(bench.Calls("revoke-lease") == (row.stands_in ? Names{"lease.1"} : Names{}));
  }
}

TEST_CASE("lease: a lease is revoked when its last pod is gone, and not served after that") {
  Bench bench;
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.Mount("web-2") == "ok");
  bench.directories.Remove(Bench::Directory("web-1"));
  bench.Tick();
  CHECK(bench.Calls("revoke-lease").empty());
  CHECK(bench.core.leases.List()[0].holders == 1);
  bench.directories.Remove(Bench::Directory("web-2"));
  bench.Tick();
  CHECK(bench.Calls("revoke-lease") == Names{"lease.1"});
  CHECK(bench.core.leases.List().empty());
  CHECK(bench.Mount("web-3") == "ok");
  CHECK(bench.backend->reads("db") == 2);
}

TEST_CASE("lease: a pod counts as gone only if its directory was visible before") {
  struct Row {
    std::string name;
    bool seen_at_mount, root_there;
    bool revoked;
  };
  const Row rows[] = {
      {"its directory is gone", true, true, true},
      {"its directory was never visible", false, true, false},
      {"the pods directory itself is not visible", true, false, false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    if (row.seen_at_mount) bench.directories.Add(Bench::Directory("web-1"));
    REQUIRE(bench.core.Fetch(bench.Plan("web-1")).ok());
    bench.directories.Remove(Bench::Directory("web-1"));
    if (!row.root_there) bench.directories.Remove("/pods");
    bench.Pass(minutes(30));
    CHECK(bench.Calls("revoke-lease").size() == (row.revoked ? 1 : 0));
  }
}

TEST_CASE("lease: a lease is revoked when the pod's directory is removed from the file system") {
  FakeClock clock;
  TempDir root;
  auto backend = std::make_shared<FakeProvider>(clock);
  backend->EnableLeases();
  backend->SetMinted("db", "credentials", hours(1), "lease");
  Core core(clock);
  const std::string pod = root / "pods/uid-of-web-1";
  std::filesystem::create_directories(pod + "/volumes/x/mount");
  MountRequest request;
  request.provider = "fake";
  request.parameters = {{"objects", "db"}};
  request.identity = MakeIdentity("shop", "web-1", "web");
  request.target_path = pod + "/volumes/x/mount";
  const MountPlanPtr plan = *PlanMount(Context(), ProviderOf(backend), std::move(request), {});
  REQUIRE(core.Fetch(plan).ok());

  std::filesystem::remove_all(pod + "/volumes");
  core.leases.Tick();
  core.leases.Drain();
  CHECK(backend->Count("revoke-lease") == 0);
  std::filesystem::remove_all(pod);
  core.leases.Tick();
  core.leases.Drain();
  CHECK(backend->Count("revoke-lease") == 1);
}

TEST_CASE("lease: a mount during the revocation after the last pod gets a valid lease") {
  Bench bench;
  CHECK(bench.Mount("web-1") == "ok");
  bench.directories.Remove(Bench::Directory("web-1"));
  // New pods mount while the revocation is in progress.
  std::vector<std::string> got(12);
  auto pods = RunConcurrently(got.size() + 1, [&](std::size_t i) {
    if (i == got.size()) {
      bench.Tick();
      return;
    }
    const std::string pod = "new-" + std::to_string(i);
    bench.directories.Add(Bench::Directory(pod));
    Result<Bundle> bundle = bench.core.Fetch(bench.Plan(pod));
    got[i] = bundle.ok() ? "ok" : "failed";
  });
  pods.clear();
  const Names revoked = bench.Calls("revoke-lease");
  const std::vector<LeaseInfo> left = bench.core.leases.List();
  // Each served pod holds a lease that was not revoked.
  std::size_t holders = 0;
  for (const LeaseInfo& lease : left) holders += lease.holders;
  std::size_t served = 0;
  for (const std::string& text : got) served += text == "ok" ? 1 : 0;
  CHECK(served == got.size());
  CHECK(holders >= served);
  CHECK(revoked.size() + left.size() == bench.backend->reads("db"));
}

TEST_CASE("lease: a lease whose revocation hangs is not served") {
  struct Row {
    std::string name;
    bool gone;  // its pod; otherwise the lease was never used
  };
  for (const Row& row : {Row{"its last pod is gone", true}, Row{"no pod has used it", false}}) {
    INFO(row.name);
    Bench bench;
    const ReadPlanPtr plan = bench.Plan("web-1")->read;
    std::size_t logins = 0;
    const SessionPtr session = *bench.core.credentials.Get(Context(), plan, logins);
    const EntryKey key{session->scope, *plan->reads->front().ref};
    if (row.gone) {
      REQUIRE(bench.Mount("web-1") == "ok");
      bench.directories.Remove(Bench::Directory("web-1"));
    } else {
      // Read for a mount that had given up.
      const Question question{key.ref, ""};
      const std::vector<Result<Answer>> answers = bench.backend->Fetch(
          Context(), *plan->route.options, *session->Open(), std::span(&question, 1));
      const Answer& answer = *answers.front();
      REQUIRE(bench.core.leases.Add(key, session, *answer.lease, {"shop", ""}).ok());
      bench.core.cache.Store(key, answer, "shop");
      bench.clock.Advance(minutes(6));
    }
    bench.backend->CloseLeases();
    bench.core.leases.Tick();
    CHECK(bench.backend->AwaitWaiting(1));
    CHECK(bench.Calls("revoke-lease") == Names{"lease.1"});
    // A mount that found the entry just before.
    const Status held = bench.core.leases.Hold(key, "lease.1", {"web-0", nullptr});
    REQUIRE_FALSE(held.ok());
    CHECK(held.error().code() == ErrorCode::kNotFound);
    CHECK(bench.Mount("web-2") == "ok");
    CHECK(bench.backend->reads("db") == 2);
    bench.backend->Open();
    bench.core.leases.Drain();
    CHECK(bench.core.leases.List().size() == 1);
    CHECK(bench.Mount("web-3") == "ok");
    CHECK(bench.backend->reads("db") == 2);
  }
}

TEST_CASE("lease: a lease whose mount failed on another object is revoked after the grace period") {
  Bench bench;
  bench.backend->FailAlways("kv", No());
  CHECK(bench.Mount("web-1", "kv,db") == "denied");
  REQUIRE(bench.core.leases.List().size() == 1);
  bench.core.cache.Flush();
  CHECK(bench.Mount("web-1", "kv,db") == "denied");
  REQUIRE(bench.core.leases.List().size() == 2);
  bench.Pass(minutes(4));
  CHECK(bench.Calls("revoke-lease").empty());
  bench.directories.Remove(Bench::Directory("web-1"));
  bench.Pass(minutes(3));
  CHECK(bench.Calls("revoke-lease").size() == 2);
  CHECK(bench.core.leases.List().empty());
}

TEST_CASE("lease: a revocation is retried after a transient failure, not after a final one") {
  struct Row {
    std::string name;
    std::vector<Error> errors;
    std::size_t calls;
  };
  const Row rows[] = {{"works", {}, 1}, {"backend down twice", {Down(), Down()}, 3},
                      {"not allowed", {No()}, 1}};
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    CHECK(bench.Mount("web-1") == "ok");
    bench.backend->FailRevocations(row.errors);
    bench.directories.Remove(Bench::Directory("web-1"));
    bench.Pass(minutes(5));
    CHECK(bench.Calls("revoke-lease").size() == row.calls);
    CHECK(bench.core.leases.List().empty());
    CHECK(bench.Mount("web-2") == "ok");
    CHECK(bench.backend->reads("db") == 2);
  }
}

TEST_CASE("lease: an expired lease is removed without a call") {
  Bench bench;
  CHECK(bench.Mount("web-1") == "ok");
  bench.clock.Advance(hours(1));
  bench.Tick();
  CHECK(bench.core.leases.List().empty());
  CHECK(bench.Calls("revoke-lease").empty());
  CHECK(bench.Calls("renew-lease").empty());
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.backend->reads("db") == 2);
}

TEST_CASE("lease: a non-renewable lease is replaced at two thirds of its lifetime") {
  Bench bench;
  bench.backend->SetMinted("db", "credentials", hours(1), "fixed", false);
  CHECK(bench.Mount("web-1") == "ok");
  bench.Pass(minutes(39));
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.backend->reads("db") == 1);
  bench.Pass(minutes(1));
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.backend->reads("db") == 2);
  CHECK(bench.Calls("renew-lease").empty());
}

TEST_CASE("lease: a certificate without a lease is replaced at two thirds, never by a refresh") {
  Bench bench;
  bench.backend->SetMinted("cert", "PEM", hours(1));
  CHECK(bench.Mount("web-1", "cert") == "ok");
  (void)bench.core.fetcher.Refresh(Context(), [](const EntryKey&) { return true; });
  bench.Pass(minutes(39));
  CHECK(bench.Mount("web-1", "cert") == "ok");
  CHECK(bench.backend->reads("cert") == 1);
  bench.Pass(minutes(1));
  CHECK(bench.Mount("web-1", "cert") == "ok");
  CHECK(bench.backend->reads("cert") == 2);
  CHECK(bench.core.leases.List().empty());
}

TEST_CASE("lease: a backend without a lease client gets no lease calls") {
  Bench bench;
  bench.backend->DisableLeases();
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.core.leases.List().empty());
  bench.Pass(hours(2));
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.backend->reads("db") == 2);
}

TEST_CASE("lease: the owning login is renewed as long as the lease exists, despite a newer login") {
  Bench bench;
  bench.backend->SetLoginLifetime(hours(1), true);
  CHECK(bench.Mount("web-1") == "ok");
  // A denial of another path causes a newer login; the pod still uses the lease of the old one.
  bench.clock.Advance(minutes(1));
  bench.backend->FailAlways("kv", No());
  CHECK(bench.Mount("web-2", "kv") == "denied");
  CHECK(bench.backend->logins() == 2);
  bench.backend->ClearFaults();

  bench.Pass(hours(6));
  std::size_t by_owner = 0;
  for (const FakeCall& call : bench.backend->calls()) {
    if (call.verb == "renew-lease") {
      CHECK(call.token == "token-1");
      ++by_owner;
    }
  }
  CHECK(by_owner >= 8);
  REQUIRE(bench.core.leases.List().size() == 1);
  CHECK(bench.core.leases.List()[0].left > Duration::zero());
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.backend->reads("db") == 1);
}

TEST_CASE("lease: a non-renewable lease lives on with each renewal of its login") {
  struct Row {
    std::string name;
    Duration late;  // age of the login when the lease is issued
  };
  const Row rows[] = {{"issued with the login", Duration::zero()}, {"issued later", minutes(35)}};
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.backend->SetLoginLifetime(hours(1), true);
    bench.backend->SetMinted("db", "credentials", hours(24), "fixed", false);
    CHECK(bench.Mount("web-1", "kv") == "ok");
    bench.Pass(row.late);
    // A pod that mounts once and keeps running.
    CHECK(bench.Mount("runs-on") == "ok");
    CHECK(bench.core.leases.List()[0].left == hours(1) - row.late);
    for (Duration passed = Duration::zero(); passed < hours(15); passed += minutes(4)) {
      // Mounts between the due time and the login's renewal as well.
      bench.clock.Advance(minutes(4));
      CHECK(bench.Mount("web-1") == "ok");
      bench.Tick();
    }
    CHECK(bench.backend->reads("db") == 1);
    REQUIRE(bench.core.leases.List().size() == 1);
    CHECK(bench.core.leases.List()[0].holders == 2);

    INFO("from two thirds of its own lifetime it is re-issued");
    bench.Pass(hours(1) + minutes(1));
    CHECK(bench.Mount("web-1") == "ok");
    CHECK(bench.backend->reads("db") == 2);

    INFO("and it ends when its granted lifetime ends, not before");
    bench.Pass(hours(7) + minutes(58));
    CHECK(bench.core.leases.List().size() == 2);
    bench.Pass(minutes(2));
    CHECK(bench.core.leases.List().size() == 1);
    CHECK(bench.Calls("revoke-lease").empty());
    CHECK(bench.Calls("revoke-login").empty());
  }
}

TEST_CASE("lease: a lease of a non-renewable login is replaced by the next mount's new login") {
  Bench bench;
  bench.backend->SetLoginLifetime(minutes(30), false);
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.core.leases.List()[0].left == minutes(30));
  bench.Pass(minutes(26));
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.backend->reads("db") == 2);
  bench.Pass(minutes(3));
  CHECK(bench.Mount("web-1") == "ok");
  bench.Pass(minutes(3));
  CHECK(bench.backend->logins() >= 2);
  // The pod holds a lease of a live login.
  bench.Pass(minutes(20));
  CHECK(bench.Mount("web-1") == "ok");
  bool alive = false;
  for (const LeaseInfo& lease : bench.core.leases.List()) {
    alive |= lease.holders == 1 && lease.left > minutes(1);
  }
  CHECK(alive);
}

TEST_CASE("login: a login is renewed while it is used, and revoked when it is not") {
  Bench bench;
  bench.backend->SetLoginLifetime(hours(1), true);
  CHECK(bench.Mount("web-1", "kv") == "ok");
  for (int poll = 0; poll < 60; ++poll) {
    bench.Pass(minutes(3));
    REQUIRE(bench.Mount("web-1", "kv") == "ok");
  }
  CHECK(bench.backend->logins() == 1);
  CHECK(bench.Calls("renew-login").size() == 4);
  CHECK(bench.Calls("revoke-login").empty());

  bench.Pass(hours(2));
  CHECK(bench.Calls("renew-login").size() == 5);
  CHECK(bench.Calls("revoke-login") == Names{"token-1"});
  CHECK(bench.core.credentials.Sessions().empty());
  CHECK(bench.Mount("web-1", "kv") == "ok");
  CHECK(bench.backend->logins() == 2);
}

TEST_CASE("login: a login near its maximum is used to its end and then replaced") {
  Bench bench;
  bench.backend->SetLoginLifetime(hours(1), true);
  CHECK(bench.Mount("web-1", "kv") == "ok");
  bench.clock.Advance(minutes(40));
  CHECK(bench.Mount("web-1", "kv") == "ok");
  bench.backend->SetRenewedLifetime(minutes(30));
  bench.Tick();
  CHECK(bench.Calls("renew-login").size() == 1);
  const SessionPtr session = bench.core.credentials.Sessions().at(0);
  CHECK(!session->credential.renewable);
  CHECK(session->credential.expires == bench.clock.Now() + minutes(30));
  bench.Pass(minutes(28));
  CHECK(bench.Calls("renew-login").size() == 1);
  CHECK(bench.Mount("web-1", "kv") == "ok");
  CHECK(bench.backend->logins() == 2);
}

TEST_CASE("login: a login whose renewal fails is used until it expires") {
  Bench bench;
  bench.backend->SetLoginLifetime(hours(1), true);
  CHECK(bench.Mount("web-1", "kv") == "ok");
  bench.clock.Advance(minutes(40));
  CHECK(bench.Mount("web-1", "kv") == "ok");
  bench.backend->FailRenewals({Down(), No()});
  bench.Tick();
  bench.Tick();  // not at once
  CHECK(bench.Calls("renew-login").size() == 1);
  bench.Pass(minutes(11));
  CHECK(bench.Calls("renew-login").size() == 3);
  CHECK(bench.Mount("web-1", "kv") == "ok");
  CHECK(bench.backend->logins() == 1);
}

TEST_CASE("lease: the thread runs the rounds by itself") {
  FakeClock clock;
  auto backend = std::make_shared<FakeProvider>(clock);
  backend->EnableLeases();
  // So long that this loop cannot pass its end, however rarely the other thread is scheduled.
  backend->SetMinted("db", "credentials", hours(100'000), "lease");
  Core core(clock, {.lease_tick = seconds(5)});
  REQUIRE(core.Fetch(FakePlan(backend, "db", MakeIdentity("shop", "web-1", "web"))).ok());
  clock.Advance(hours(70'000));
  while (backend->Count("renew-lease") == 0) {
    clock.Advance(seconds(1));
    std::this_thread::yield();
  }
  CHECK(backend->reads("db") == 1);
}

TEST_CASE("lease: destruction cancels a renewal in progress") {
  FakeClock clock;
  auto backend = std::make_shared<FakeProvider>(clock);
  backend->EnableLeases();
  backend->SetMinted("db", "credentials", hours(1), "lease");
  {
    Core core(clock, {});
    REQUIRE(core.Fetch(FakePlan(backend, "db", MakeIdentity("shop", "web-1", "web"))).ok());
    backend->CloseLeases();
    clock.Advance(minutes(40));
    core.leases.Tick();
    CHECK(backend->AwaitWaiting(1));
  }
  CHECK(backend.use_count() == 1);
  CHECK(backend->Count("renew-lease") == 1);
}

TEST_CASE("lease: equal ids of different backends are different leases") {
  Bench bench;
  auto other = std::make_shared<FakeProvider>(bench.clock);
  other->EnableLeases();
  other->SetMinted("db", "credentials", hours(1), "lease");
  bench.directories.Add(Bench::Directory("other"));
  const MountPlanPtr plan = FakePlan(
      other, "db", MakeIdentity("hostile", "other", "web"), {},
      {.directory_exists = [&](const std::string& path) { return bench.directories.Has(path); }});
  CHECK(bench.Mount("web-1") == "ok");
  REQUIRE(bench.core.Fetch(plan).ok());
  REQUIRE(bench.core.leases.List().size() == 2);

  bench.clock.Advance(minutes(40));
  bench.Tick();
  CHECK(bench.Calls("renew-lease") == Names{"lease.1"});
  CHECK(other->Count("renew-lease") == 1);
  bench.directories.Remove(Bench::Directory("other"));
  bench.Tick();
  CHECK(other->Count("revoke-lease") == 1);
  CHECK(bench.Calls("revoke-lease").empty());
  CHECK(bench.Mount("web-1") == "ok");
  CHECK(bench.backend->reads("db") == 1);
}

namespace {

// A minted path per number, and the objects of a class that reads them all.
std::string Mint(FakeProvider& backend, int count, const std::string& prefix = "d") {
  std::string objects;
  for (int i = 0; i < count; ++i) {
    const std::string path = prefix + std::to_string(i);
    backend.SetMinted(path, "credentials", hours(1), path);
    objects += (i > 0 ? "," : "") + path;
  }
  return objects;
}

}  // namespace

TEST_CASE("lease: a volume has at most 256 leases; what is refused is named and revoked") {
  Bench bench;
  const std::string objects = Mint(*bench.backend, 300);
  for (int attempt = 0; attempt < 3; ++attempt) {
    bench.directories.Add(Bench::Directory("web-1"));
    Result<Bundle> bundle = bench.core.Fetch(bench.Plan("web-1", objects));
    REQUIRE_FALSE(bundle.ok());
    CHECK(bundle.error().code() == ErrorCode::kPrecondition);
    CHECK(bundle.error().message().find("d256: the volume has 256 leases") != std::string::npos);
    bench.core.leases.Drain();
    CHECK(bench.core.leases.List().size() == 256);
    CHECK(bench.Calls("revoke-lease").size() + 256 == bench.backend->reads());
  }
  INFO("a smaller volume of the same account is served, also with leases that it did not obtain");
  CHECK(bench.Mount("web-2", Mint(*bench.backend, 256)) == "ok");
  CHECK(bench.Mount("web-3", "db") == "ok");
  INFO("but it cannot hold more of them than it could obtain");
  Result<Bundle> bundle = bench.core.Fetch(bench.Plan("web-2", Mint(*bench.backend, 256) + ",db"));
  REQUIRE_FALSE(bundle.ok());
  CHECK(bundle.error().message().find("db: the volume uses 256 leases") != std::string::npos);
  CHECK(bench.Mount("web-3", "db") == "ok");
}

TEST_CASE("lease: leases are a share of the namespace, which is given back when they end") {
  Bench bench({}, {.max_leases = 20});
  const auto mount = [&](const std::string& whose, const std::string& pod,
                         const std::string& objects) {
    bench.directories.Add(Bench::Directory(pod));
    const MountPlanPtr plan = FakePlan(
        bench.backend, objects, MakeIdentity(whose, pod, "web"), {},
        {.directory_exists = [&](const std::string& path) { return bench.directories.Has(path); }});
    Result<Bundle> bundle = bench.core.Fetch(plan, Context().WithNamespace(whose));
    bench.core.leases.Drain();
    return bundle.ok() ? "ok" : bundle.error().message();
  };
  const std::string six = Mint(*bench.backend, 6);
  CHECK(mount("greedy", "a", six) == "ok");
  CHECK(mount("greedy", "b", Mint(*bench.backend, 6, "e")).find("namespace greedy") !=
        std::string::npos);
  CHECK(bench.core.leases.List().size() == 10);
  CHECK(bench.Calls("revoke-lease").size() == 2);
  CHECK(mount("honest", "c", "db") == "ok");
  CHECK(mount("greedy", "a", six) == "ok");

  bench.directories.Remove(Bench::Directory("a"));
  bench.Pass(minutes(6));
  CHECK(bench.core.lease_shares.used() == 5);  // b still holds the four that it got
  CHECK(mount("greedy", "b", Mint(*bench.backend, 6, "e")) == "ok");
}

TEST_CASE("lease: a lease with a very long id counts as many") {
  Bench bench({}, {.max_leases = 100});
  bench.backend->SetMinted("long", "credentials", hours(1), std::string(40 * 4096, 'i'));
  CHECK(bench.Mount("web-1", "long") == "ok");
  CHECK(bench.core.lease_shares.used() == 41);
}

TEST_CASE("lease: the leases of one namespace that hang delay those of no other") {
  Bench bench({}, {.lease_threads = 4});
  auto hanging = std::make_shared<FakeProvider>(bench.clock);
  hanging->EnableLeases();
  const MountPlanPtr plan =
      FakePlan(hanging, Mint(*hanging, 50), MakeIdentity("hostile", "x", "w"));
  REQUIRE(bench.core.Fetch(plan, Context().WithNamespace("hostile")).ok());
  REQUIRE(bench.core.Fetch(bench.Plan("web-1"), Context().WithNamespace("shop")).ok());
  hanging->CloseLeases();
  bench.clock.Advance(minutes(40));
  bench.core.leases.Tick();
  REQUIRE(hanging->AwaitWaiting(2));
  while (bench.Calls("renew-lease").empty()) std::this_thread::yield();
  CHECK(hanging->Count("renew-lease") == 2);
  hanging->Open();
  bench.core.leases.Drain();
  CHECK(hanging->Count("renew-lease") == 50);
}

TEST_CASE("lease: a call that the pool refuses is made at a later tick, never by the tick") {
  Bench bench({}, {.lease_threads = 1, .lease_places = 1});
  const std::string objects = Mint(*bench.backend, 10);
  REQUIRE(bench.Mount("web-1", objects) == "ok");
  bench.clock.Advance(minutes(40));
  bench.backend->CloseLeases();
  // Does not wait for a call.
  bench.core.leases.Tick();
  REQUIRE(bench.backend->AwaitWaiting(1));
  bench.backend->Open();
  for (int tick = 0; tick < 20 && bench.Calls("renew-lease").size() < 10; ++tick) bench.Tick();
  CHECK(bench.Calls("renew-lease").size() == 10);
  CHECK(bench.Mount("web-1", objects) == "ok");
  CHECK(bench.backend->reads() == 10);
}

TEST_CASE("lease: the login of a pod that is gone is revoked once instead of its leases") {
  struct Row {
    std::string name;
    Sharing sharing;
    std::vector<Error> faults;  // of revocations, also those of the login
    bool all_gone;
    std::size_t logins, leases;  // revocations
  };
  const Row rows[] = {
      {"its own login", Sharing::kPod, {}, true, 1, 0},
      {"its own login, the backend is down at first", Sharing::kPod, {Down()}, true, 2, 0},
      {"its own login, which may not be revoked", Sharing::kPod, {No()}, true, 1, 5},
      {"a login of the account", Sharing::kServiceAccount, {}, true, 0, 5},
      {"another volume of the pod remains", Sharing::kPod, {}, false, 0, 5},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.backend->SetSharing(row.sharing);
    REQUIRE(bench.Mount("web-1", Mint(*bench.backend, 5)) == "ok");
    if (!row.all_gone) {
      auto plan = CopyOf(*bench.Plan("web-1", "db")->read);
      plan->holder.name += " second";
      plan->holder.gone = [] { return false; };
      REQUIRE(bench.core.fetcher.Read(Context(), plan).values.at(0).ok());
    }
    bench.backend->FailLoginRevocations(row.faults);
    bench.directories.Remove(Bench::Directory("web-1"));
    bench.Tick();
    bench.Tick();
    bench.Tick();
    CHECK(bench.Calls("revoke-login").size() == row.logins);
    CHECK(bench.Calls("revoke-lease").size() == row.leases);
    CHECK(bench.core.leases.List().size() == (row.all_gone ? 0 : 1));
    CHECK(bench.core.lease_shares.used() == (row.all_gone ? 0 : 1));
    CHECK(bench.core.credentials.Sessions().empty() == (row.logins > 0));
  }
}

TEST_CASE("lease: a lease call that throws is retried") {
  Mutex mutex;
  Names reports;
  {
    Bench bench([&](std::string_view, std::string_view error) {
      MutexLock lock(mutex);
      reports.push_back(std::string(error));
    });
    REQUIRE(bench.Mount("one") == "ok");
    bench.backend->ThrowOnce();
    bench.Pass(minutes(60));
    // The first renewal, at two thirds of the hour, threw.
    CHECK(bench.Calls("renew-lease").size() >= 2);
    CHECK(bench.Mount("one") == "ok");
    CHECK(bench.backend->reads() == 1);

    bench.directories.Remove(Bench::Directory("one"));
    bench.backend->ThrowOnce();
    bench.Tick();
    CHECK(bench.Calls("revoke-lease").size() == 1);
    bench.Tick();
    CHECK(bench.Calls("revoke-lease").size() == 2);
    CHECK(bench.core.leases.List().empty());
  }
  CHECK(reports == Names{"a defect of the fake", "a defect of the fake"});
}

TEST_CASE("lease: a login whose renewal throws is renewed later") {
  Bench bench([](std::string_view, std::string_view) {});
  bench.backend->SetMinted("db", "credentials", hours(1), "lease", false);
  bench.backend->SetLoginLifetime(hours(1), true);
  REQUIRE(bench.Mount("one") == "ok");
  bench.backend->ThrowOnce();
  bench.Pass(minutes(50));
  CHECK(bench.Calls("renew-login").size() >= 2);
}

}  // namespace nodekeep
