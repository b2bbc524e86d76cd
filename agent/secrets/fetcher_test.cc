#include "agent/secrets/fetcher.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <numeric>
#include <set>
#include <string>

#include "tests/fakes/fetch_bench.h"
#include "tests/fakes/together.h"

namespace nodekeep {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("fetch: 110 pods of one account mount 10 secrets at once with 1 login and 10 reads") {
  FetcherFixture bench;
  for (int i = 0; i < 10; ++i) {
    bench.backend->SetValue("s" + std::to_string(i), "value " + std::to_string(i));
  }
  bench.backend->Close();
  constexpr std::size_t kPods = 110;
  std::vector<std::size_t> right(kPods, 0), reads(kPods, 0), logins(kPods, 0);
  auto pods = RunConcurrently(kPods, [&](std::size_t pod) {
    Result<Bundle> bundle =
        bench.core.Fetch(bench.Plan(TenObjects(), "web-" + std::to_string(pod)));
    if (!bundle.ok()) return;
    for (int i = 0; i < 10; ++i) {
      const std::string name = std::to_string(i);
      right[pod] += ContentsOf(*bundle, "s" + name) == "value " + name ? 1 : 0;
    }
    reads[pod] = bundle->report.backend_reads;
    logins[pod] = bundle->report.logins;
  });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.backend->Open();
  pods.clear();
  for (std::size_t pod = 0; pod < kPods; ++pod) CHECK(right[pod] == 10);
  CHECK(bench.backend->logins() == 1);
  CHECK(bench.backend->reads() == 10);
  CHECK(std::accumulate(reads.begin(), reads.end(), std::size_t{0}) == 10);
  CHECK(std::accumulate(logins.begin(), logins.end(), std::size_t{0}) == 1);
}

TEST_CASE("fetch: exactly one read per secret also if mounts arrive at different times") {
  FetcherFixture bench;
  for (int i = 0; i < 10; ++i) bench.backend->SetValue("s" + std::to_string(i), "v");
  std::atomic<int> wrong = 0;
  auto pods = RunConcurrently(40, [&](std::size_t pod) {
    for (int i = 0; i < 10; ++i) {
      // A different order per pod, so that claims and waits interleave.
      const std::string first = "s" + std::to_string((i + pod) % 10);
      const std::string second = "s" + std::to_string((i * 3 + pod) % 10);
      const std::string objects = first == second ? first : first + "," + second;
      if (bench.Mount(bench.Plan(objects, "web-" + std::to_string(pod))) != "v") ++wrong;
    }
  });
  pods.clear();
  CHECK(wrong == 0);
  CHECK(bench.backend->logins() == 1);
  CHECK(bench.backend->reads() == 10);
}

TEST_CASE("fetch: pods share neither logins that may depend on the pod nor their entries") {
  FetcherFixture bench;
  bench.backend->SetSharing(Sharing::kPod);
  bench.backend->SetReader([](const Context&, const Credential& credential, const Question&) {
    Answer answer;
    answer.value = SecretBytes("seen by " + std::string(credential.token.Reveal()));
    return answer;
  });
  constexpr std::size_t kPods = 20;
  std::vector<std::string> first(kPods), second(kPods);
  auto pods = RunConcurrently(kPods, [&](std::size_t pod) {
    first[pod] = bench.Mount(bench.Plan("a", "web-" + std::to_string(pod)));
    second[pod] = bench.Mount(bench.Plan("a", "web-" + std::to_string(pod)));
  });
  pods.clear();
  CHECK(bench.backend->logins() == kPods);
  CHECK(bench.backend->reads() == kPods);
  CHECK(std::set<std::string>(first.begin(), first.end()).size() == kPods);
  CHECK(first == second);
}

TEST_CASE("fetch: two identities share an entry only if namespace, account and its uid agree") {
  struct Row {
    std::string name, ns, account, sa_uid;
    bool shares;
  };
  const Row rows[] = {
      {"the same account", "shop", "web", "-", true},
      {"the account re-created", "shop", "web", "new uid", false},
      {"its uid unknown", "shop", "web", "", false},
      {"another namespace", "blog", "web", "-", false},
      {"another account", "shop", "db", "-", false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FetcherFixture bench;
    bench.backend->SetReader([](const Context&, const Credential& credential, const Question&) {
      Answer answer;
      answer.value = SecretBytes("seen by " + std::string(credential.token.Reveal()));
      return answer;
    });
    CHECK(bench.Mount(bench.Plan("a", "web-1")) == "seen by token-1");
    const MountPlanPtr other =
        FakePlan(bench.backend, "a", MakeIdentity(row.ns, "web-2", row.account, row.sa_uid));
    CHECK(bench.Mount(other) == (row.shares ? "seen by token-1" : "seen by token-2"));
    // While the backend is down, no identity gets the value of another either.
    bench.clock.Advance(minutes(5));
    bench.backend->SetReader(nullptr);
    bench.backend->FailAlways("", Down());
    bench.backend->FailLoginsAlways(Down());
    const MountPlanPtr third =
        FakePlan(bench.backend, "a", MakeIdentity(row.ns, "web-3", row.account, row.sa_uid));
    CHECK(bench.Mount(third) == (row.shares           ? "seen by token-1"
                                 : row.sa_uid.empty() ? "no: transient"
                                                      : "seen by token-2"));
    const MountPlanPtr other_tenant =
        FakePlan(bench.backend, "a", MakeIdentity("else", "web-1", "web", row.sa_uid));
    CHECK(bench.Mount(other_tenant) == "no: transient");
  }
}

TEST_CASE("fetch: 64 tenants never see each other's bytes, also with faults in between") {
  FetcherFixture bench({.retry = {.attempts = 1}});
  std::atomic<std::size_t> calls = 0;
  bench.backend->SetReader([&](const Context&, const Credential& credential,
                               const Question& question) -> Result<Answer> {
    switch (calls++ % 11) {
      case 3: return Down();
      case 5: return No();
      case 7: return Error(ErrorCode::kNotFound, "404");
      default: break;
    }
    Answer answer;
    answer.value = SecretBytes(std::string(credential.token.Reveal()) + " " + question.ref.path);
    return answer;
  });
  bench.backend->SetLoginHandler(
      [&](const Context&, const Identity& identity) -> Result<Credential> {
        if (calls++ % 13 == 4) return Down();
        Credential credential;
        credential.token = SecretBytes("token of " + identity.namespace_name);
        credential.sharing = Sharing::kServiceAccount;
        credential.service_account_uid = identity.service_account_uid;
        return credential;
      });
  std::atomic<int> served = 0, foreign = 0;
  auto tenants = RunConcurrently(64, [&](std::size_t tenant) {
    const std::string name = "tenant-" + std::to_string(tenant);
    for (int round = 0; round < 25; ++round) {
      const std::string path = "p" + std::to_string(round % 3);
      const MountPlanPtr plan = FakePlan(
          bench.backend, path, MakeIdentity(name, "web-" + std::to_string(round % 2), "web"),
          {{"nodekeep/refreshAfter", "1s"}});
      Result<Bundle> bundle = bench.core.Fetch(plan);
      bench.clock.Advance(Duration(40));
      if (!bundle.ok()) continue;
      ++served;
      if (ContentsOf(*bundle, path) != "token of " + name + " " + path) ++foreign;
    }
  });
  tenants.clear();
  CHECK(foreign == 0);
  CHECK(served > 64);
}

TEST_CASE("fetch: fresh entries are served without a call, older ones are read again") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "one");
  ReadReport report;
  CHECK(bench.Mount(bench.Plan("a"), &report) == "one");
  CHECK(report.hits == 0);
  CHECK(report.backend_reads == 1);
  bench.backend->SetValue("a", "two");
  bench.clock.Advance(minutes(2) - Duration(1));
  CHECK(bench.Mount(bench.Plan("a"), &report) == "one");
  CHECK(report.hits == 1);
  CHECK(report.backend_reads == 0);
  bench.clock.JumpWall(hours(24 * 365));
  CHECK(bench.Mount(bench.Plan("a")) == "one");
  bench.clock.Advance(Duration(1));
  CHECK(bench.Mount(bench.Plan("a"), &report) == "two");
  CHECK(report.backend_reads == 1);
  CHECK(bench.backend->logins() == 1);
}

TEST_CASE("fetch: ages are compared with the policy of the caller, not of the original fetch") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "one");
  CHECK(bench.Mount(bench.Plan("a")) == "one");
  bench.backend->SetValue("a", "two");
  bench.clock.Advance(seconds(5));
  CHECK(bench.Mount(bench.Plan("a", "web-2")) == "one");
  CHECK(bench.Mount(bench.Plan("a", "web-3", {{"nodekeep/refreshAfter", "2s"}})) == "two");
}

TEST_CASE("fetch: an `unchanged` answer restarts the entry's age without sending the value") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "one", "v1");
  CHECK(bench.Mount(bench.Plan("a")) == "one");
  bench.clock.Advance(minutes(3));
  std::size_t questions = 0;
  bench.backend->SetReader([&](const Context&, const Credential&, const Question& question) {
    ++questions;
    CHECK(question.known_version == "v1");
    Answer answer;
    answer.unchanged = true;
    return answer;
  });
  CHECK(bench.Mount(bench.Plan("a")) == "one");
  CHECK(bench.Mount(bench.Plan("a")) == "one");
  CHECK(questions == 1);
}

TEST_CASE("fetch: a value evicted while the backend confirmed it is read in full") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "one", "v1");
  CHECK(bench.Mount(bench.Plan("a")) == "one");
  bench.clock.Advance(minutes(3));
  bench.backend->SetReader([&](const Context&, const Credential&, const Question& question) {
    Answer answer;
    answer.unchanged = question.known_version == "v1";
    if (answer.unchanged) bench.core.cache.Flush();
    if (!answer.unchanged) answer.value = SecretBytes("in full");
    return answer;
  });
  CHECK(bench.Mount(bench.Plan("a")) == "in full");
}

TEST_CASE("fetch: an immutable answer is not read again while the login is alive") {
  FetcherFixture bench;
  bench.backend->SetLoginLifetime(hours(10), false);
  std::size_t reads = 0;
  bench.backend->SetReader([&](const Context&, const Credential&, const Question&) {
    ++reads;
    Answer answer;
    answer.value = SecretBytes("v");
    answer.immutable = true;
    return answer;
  });
  CHECK(bench.Mount(bench.Plan("a")) == "v");
  bench.clock.Advance(hours(8));
  CHECK(bench.Mount(bench.Plan("a")) == "v");
  CHECK(reads == 1);
  // An identity whose login is refused no longer gets it.
  bench.clock.Advance(hours(3));
  bench.backend->FailLoginsAlways(No());
  CHECK(bench.Mount(bench.Plan("a")) == "no: denied");
  CHECK(reads == 1);
}

TEST_CASE("fetch: objects from one answer cost one read, and keep the manifest's order") {
  FetcherFixture bench;
  bench.backend->SetValue("db", "user=alice\npassword=pw");
  bench.backend->SetValue("z", "last letter first");
  Result<Bundle> bundle = bench.core.Fetch(bench.Plan("z,db#password,db#user"));
  REQUIRE(bundle.ok());
  REQUIRE(bundle->files.size() == 3);
  CHECK(bundle->files[0].path == "z");
  CHECK(bundle->files[1].contents.Reveal() == "pw");
  CHECK(bundle->files[2].contents.Reveal() == "alice");
  CHECK(bundle->versions[1].id == "db#password");
  CHECK(bench.backend->reads() == 2);
  CHECK(bench.backend->batches() == 1);
}

TEST_CASE("fetch: versions change with the contents and do not reveal them") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "one");
  bench.backend->SetValue("b", "one");
  const auto version = [&] { return bench.core.Fetch(bench.Plan("a"))->versions[0].version; };
  const std::string first = version();
  CHECK(version() == first);
  bench.backend->SetValue("a", "two");
  bench.clock.Advance(minutes(3));
  CHECK(version() != first);
  CHECK(first.find("one") == std::string::npos);
}

TEST_CASE("fetch: a mount fails as a whole with the first failure in the manifest's order") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "v");
  bench.backend->SetValue("c", "v");
  bench.backend->FailAlways("c", No());
  Result<Bundle> bundle = bench.core.Fetch(
      bench.Plan("a,b,c", "web-1", {{"mountError", "error making mount request"}}));
  REQUIRE(!bundle.ok());
  CHECK(bundle.error().code() == ErrorCode::kNotFound);
  CHECK(bundle.error().message() == "error making mount request: nothing at \"b\"");
}

TEST_CASE("fetch: an optional object is omitted if it does not exist, not if it is denied") {
  struct Row {
    std::string name, objects, optional, want;
    std::size_t files;
  };
  const Row rows[] = {
      {"absent", "a,gone", "gone", "v", 1},
      {"absent key", "a,db#gone", "db#gone", "v", 1},
      {"all absent", "gone", "*", "(no file)", 0},
      {"refused", "a,denied", "denied", "no: denied", 0},
      {"down", "a,down", "down", "no: transient", 0},
      {"absent, and required by another object", "gone,gone#key", "gone#key", "no: not_found", 0},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FetcherFixture bench({.retry = {.attempts = 1}});
    bench.backend->SetValue("a", "v");
    bench.backend->SetValue("db", "user=alice");
    bench.backend->FailAlways("denied", No());
    bench.backend->FailAlways("down", Down());
    const auto attributes = std::map<std::string, std::string>{{"nodekeep/optional", row.optional}};
    const MountPlanPtr plan = bench.Plan(row.objects, "web-1", attributes);
    for (int mount = 0; mount < 2; ++mount) {
      CHECK(bench.Mount(plan) == row.want);
      Result<Bundle> bundle = bench.core.Fetch(plan);
      if (!bundle.ok()) continue;
      CHECK(bundle->files.size() == row.files);
      CHECK(!bundle->versions.empty());
    }
  }
}

TEST_CASE("fetch: a provider that leaves questions unanswered is an error, not a crash") {
  class Lazy final : public Backend {
   public:
    explicit Lazy(std::shared_ptr<FakeProvider> inner) : inner_(std::move(inner)) {}
    Result<Credential> Authenticate(const Context& context, const ProviderOptions& options,
                                    const Identity& identity) override {
      return inner_->Authenticate(context, options, identity);
    }
    std::vector<Result<Answer>> Fetch(const Context&, const ProviderOptions&, const Credential&,
                                      std::span<const Question>) override {
      return {};
    }

   private:
    const std::shared_ptr<FakeProvider> inner_;
  };
  FetcherFixture bench;
  auto plan = MakePlan({std::make_shared<Lazy>(bench.backend), bench.backend}, "fake",
                       {{"objects", "a,b"}}, MakeIdentity("shop", "web-1", "web"));
  REQUIRE(plan.ok());
  CHECK(bench.Mount(*plan) == "no: internal");
}

TEST_CASE("fetch: a provider may make several files from one answer and report its own versions") {
  class Folders final : public SpcDialect {
   public:
    explicit Folders(std::shared_ptr<FakeProvider> inner) : inner_(std::move(inner)) {}
    Result<ParsedMount> Parse(const SpcInput& input) const override { return inner_->Parse(input); }
    Result<std::vector<RenderedFile>> RenderFiles(const Projection& projection,
                                                  const SecretBytes& answer) const override {
      if (projection.object != "folder") return inner_->RenderFiles(projection, answer);
      if (answer.Reveal() == "empty") return Error(ErrorCode::kNotFound, "nothing in it");
      std::vector<RenderedFile> files;
      files.push_back({"folder/x", SecretBytes("1"), "folder/x:/x", "7"});
      files.push_back({"folder/y", SecretBytes("2"), "", ""});
      return files;
    }

   private:
    const std::shared_ptr<FakeProvider> inner_;
  };
  FetcherFixture bench;
  bench.backend->SetValue("folder", "v");
  bench.backend->SetValue("a", "one");
  const Provider folders{bench.backend, std::make_shared<Folders>(bench.backend)};
  const auto plan = [&](std::map<std::string, std::string> attributes) {
    attributes["objects"] = "folder,a";
    auto made = MakePlan(folders, "fake", attributes, MakeIdentity("shop", "web-1", "web"));
    REQUIRE(made.ok());
    return *made;
  };
  Result<Bundle> bundle = bench.core.Fetch(plan({}));
  REQUIRE(bundle.ok());
  REQUIRE(bundle->files.size() == 3);
  CHECK(ContentsOf(*bundle, "folder/x") == "1");
  CHECK(ContentsOf(*bundle, "folder/y") == "2");
  CHECK(ContentsOf(*bundle, "a") == "one");
  REQUIRE(bundle->versions.size() == 3);
  CHECK(bundle->versions[0].id == "folder/x:/x");
  CHECK(bundle->versions[0].version == "7");
  CHECK(bundle->versions[1].id == "folder");
  CHECK(bundle->versions[1].version.size() == 44);  // a keyed hash in base64
  CHECK(bundle->versions[2].id == "a");

  bench.backend->SetValue("folder", "empty");
  bench.clock.Advance(hours(1));
  bundle = bench.core.Fetch(plan({}));
  REQUIRE(!bundle.ok());
  CHECK(bundle.error().code() == ErrorCode::kNotFound);
  bundle = bench.core.Fetch(plan({{"nodekeep/optional", "folder"}}));
  REQUIRE(bundle.ok());
  CHECK(bundle->files.size() == 1);
}

TEST_CASE("fetch: a cancelled mount does not cancel the read") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "v");
  bench.backend->Close();
  std::stop_source leaving;
  Result<Bundle> got = Error(ErrorCode::kInternal, "not asked");
  std::jthread pod([&] {
    got = bench.core.Fetch(bench.Plan("a"), Context(SteadyTime::max(), leaving.get_token()));
  });
  CHECK(bench.backend->AwaitWaiting(1));  // the login
  std::string other;
  std::jthread second([&] { other = bench.Mount(bench.Plan("a", "web-2")); });
  leaving.request_stop();
  pod.join();
  REQUIRE(!got.ok());
  CHECK(got.error().code() == ErrorCode::kCancelled);
  bench.backend->Open();
  second.join();
  CHECK(other == "v");
  CHECK(bench.backend->logins() == 1);
}

TEST_CASE("fetch: a mount ends with its deadline, and a read with its own budget") {
  FetcherFixture bench({.fetch_budget = seconds(30)});
  bench.backend->SetValue("a", "v");
  CHECK(bench.Mount(bench.Plan("b")) == "no: not_found");  // logged in
  bench.backend->Close();
  Result<Bundle> got = Error(ErrorCode::kInternal, "not asked");
  std::jthread pod([&] {
    got = bench.core.Fetch(bench.Plan("a"), Context(bench.clock.Now() + seconds(5), {}));
  });
  CHECK(bench.backend->AwaitWaiting(1));
  bench.clock.Advance(seconds(6));
  pod.join();
  REQUIRE(!got.ok());
  CHECK(got.error().code() == ErrorCode::kDeadlineExceeded);
  std::string patient;
  std::atomic<bool> done = false;
  std::jthread second([&] {
    patient = bench.Mount(bench.Plan("a", "web-2"));
    done = true;
  });
  while (!done) {
    bench.clock.Advance(seconds(1));
    std::this_thread::yield();
  }
  CHECK(patient == "no: deadline_exceeded");
}

TEST_CASE("fetch: a namespace does not wait for the read of another one that shares its login") {
  FetcherFixture bench;
  const auto plan = [&](const std::string& whose) {
    auto shared = std::make_shared<FakeOptions>();
    shared->digest = "credential of the node";
    shared->sends_pod_token = false;
    auto read = CopyOf(*FakePlan(bench.backend, "a", MakeIdentity(whose, "web", "web"))->read);
    read->route.options = shared;
    read->login_keys = LoginKeysOf("fake", *shared, read->identity);
    return read;
  };
  std::atomic<bool> hang = true;
  std::atomic<std::size_t> started = 0;
  bench.backend->SetReader(
      [&](const Context& context, const Credential&, const Question&) -> Result<Answer> {
        ++started;
        while (context.namespace_name() == "slow" && hang && !context.stop().stop_requested()) {
          std::this_thread::yield();
        }
        Answer answer;
        answer.value = SecretBytes("v");
        return answer;
      });
  {
    std::jthread slow(
        [&] { (void)bench.core.fetcher.Read(Context().WithNamespace("slow"), plan("slow")); });
    while (started == 0) std::this_thread::yield();
    CHECK(bench.core.fetcher.Read(Context().WithNamespace("shop"), plan("shop")).values.at(0).ok());
    hang = false;
  }
  CHECK(bench.backend->logins() == 1);
  CHECK(bench.backend->reads() == 2);
}

TEST_CASE("fetch: ReadFromMemory returns only cached, fresh values, and makes no call") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "v");
  CHECK(!bench.core.FetchFromMemory(bench.Plan("a")));
  CHECK(bench.Mount(bench.Plan("a")) == "v");
  auto found = bench.core.FetchFromMemory(bench.Plan("a", "web-2"));
  REQUIRE(found);
  REQUIRE(found->ok());
  CHECK(ContentsOf(**found, "a") == "v");
  CHECK(!bench.core.FetchFromMemory(
      FakePlan(bench.backend, "a", MakeIdentity("blog", "web-1", "web"))));
  bench.clock.Advance(minutes(3));
  CHECK(!bench.core.FetchFromMemory(bench.Plan("a")));
  CHECK(bench.backend->reads() == 1);
}

TEST_CASE("fetch: a cache too small for the answers costs reads, never a wrong answer") {
  FetcherFixture bench({.cache_bytes = 1500});
  for (int i = 0; i < 10; ++i) {
    bench.backend->SetValue("s" + std::to_string(i), std::string(900, static_cast<char>('0' + i)),
                            "1");
  }
  for (int round = 0; round < 3; ++round) {
    Result<Bundle> bundle = bench.core.Fetch(bench.Plan(TenObjects()));
    REQUIRE(bundle.ok());
    for (int i = 0; i < 10; ++i) {
      CHECK(ContentsOf(*bundle, "s" + std::to_string(i)) ==
            std::string(900, static_cast<char>('0' + i)));
    }
    CHECK(bench.core.cache.bytes() <= 1500);
    bench.clock.Advance(minutes(3));
  }
}

TEST_CASE("refresh: matching entries are read again and changes are reported") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "one", "1");
  bench.backend->SetValue("b", "same");
  bench.backend->SetValue("c", "one");
  bench.backend->SetValue("other", "x");
  CHECK(bench.Mount(bench.Plan("a,b,c,other")) == "one");
  bench.backend->SetValue("a", "two", "2");
  bench.backend->SetValue("c", "two");
  bench.clock.Advance(seconds(1));
  const RefreshReport report = bench.core.fetcher.Refresh(
      Context(), [](const EntryKey& key) { return key.ref.path != "other"; });
  CHECK(report.matched == 3);
  CHECK(report.asked == 3);
  CHECK(report.changed == 2);
  CHECK(report.deferred == 0);
  CHECK(report.errors.empty());
  CHECK(bench.backend->reads("other") == 1);
  Result<Bundle> bundle = bench.core.FetchFromMemory(bench.Plan("a,b,c")).value();
  CHECK(ContentsOf(*bundle, "a") == "two");
  CHECK(ContentsOf(*bundle, "c") == "two");
}

TEST_CASE("refresh: one call although many pods mount at the same time") {
  FetcherFixture bench;
  bench.backend->SetValue("a", "one");
  CHECK(bench.Mount(bench.Plan("a")) == "one");
  bench.clock.Advance(seconds(1));
  bench.backend->SetValue("a", "two");
  bench.backend->Close();
  RefreshReport report;
  std::jthread refresh([&] {
    report = bench.core.fetcher.Refresh(Context(), [](const EntryKey&) { return true; });
  });
  CHECK(bench.backend->AwaitWaiting(1));
  std::vector<std::string> got(10);
  auto pods = RunConcurrently(got.size(), [&](std::size_t pod) {
    got[pod] = bench.Mount(bench.Plan("a", "web-" + std::to_string(pod)));
  });
  bench.backend->Open();
  refresh.join();
  pods.clear();
  for (const std::string& text : got) CHECK(text == "two");
  CHECK(bench.backend->reads("a") == 2);
}

TEST_CASE("refresh: without a live login the next mount reads; the value may be served stale") {
  FetcherFixture bench({.retry = {.attempts = 1}});
  bench.backend->SetLoginLifetime(minutes(1), false);
  bench.backend->SetValue("a", "one");
  CHECK(bench.Mount(bench.Plan("a")) == "one");
  bench.clock.Advance(Duration(70'000));
  const RefreshReport report =
      bench.core.fetcher.Refresh(Context(), [](const EntryKey&) { return true; });
  CHECK(report.deferred == 1);
  CHECK(report.asked == 0);
  bench.backend->FailLoginsAlways(Down());
  CHECK(bench.Mount(bench.Plan("a")) == "one");
  bench.backend->ClearFaults();
  bench.backend->SetValue("a", "two");
  CHECK(bench.Mount(bench.Plan("a")) == "two");
}

TEST_CASE("refresh: an error is reported by ref; a denial leaves no stale value") {
  FetcherFixture bench({.retry = {.attempts = 1}});
  bench.backend->SetValue("a", "v");
  bench.backend->SetValue("b", "v");
  CHECK(bench.Mount(bench.Plan("a,b")) == "v");
  bench.clock.Advance(seconds(1));
  bench.backend->FailAlways("a", Down());
  bench.backend->FailAlways("b", No());
  const RefreshReport report =
      bench.core.fetcher.Refresh(Context(), [](const EntryKey&) { return true; });
  CHECK(report.errors ==
        std::vector<std::string>{"fake:a: connection refused", "fake:b: 403 permission denied"});
  bench.backend->FailAlways("", Down());
  bench.backend->FailAlways("b", Down());
  CHECK(bench.Mount(bench.Plan("a")) == "v");
  CHECK(bench.Mount(bench.Plan("b")) == "no: transient");
}

TEST_CASE("refresh: a negative entry is removed") {
  FetcherFixture bench;
  CHECK(bench.Mount(bench.Plan("a")) == "no: not_found");
  bench.backend->SetValue("a", "v");
  CHECK(bench.core.fetcher.Refresh(Context(), [](const EntryKey&) { return true; }).matched == 1);
  CHECK(bench.Mount(bench.Plan("a")) == "v");
}

TEST_CASE("fetch: errors and reports contain no secrets and no tokens") {
  FetcherFixture bench({.retry = {.attempts = 1}});
  bench.backend->SetValue("a", "hunter2");
  CHECK(bench.Mount(bench.Plan("a")) == "hunter2");
  bench.clock.Advance(minutes(3));
  bench.backend->FailAlways("a", Down());
  Result<Bundle> stale = bench.core.Fetch(bench.Plan("a"));
  REQUIRE(stale.ok());
  CHECK(stale->report.stale_reason.find("hunter2") == std::string::npos);
  CHECK(stale->versions[0].version.find("hunter2") == std::string::npos);
  for (const EntryInfo& info : bench.core.cache.List()) {
    CHECK(info.key.scope.find("token-1") == std::string::npos);
    CHECK(info.version.find("hunter2") == std::string::npos);
  }
}

TEST_CASE("fetch: destruction cancels reads in progress") {
  auto bench = std::make_unique<FetcherFixture>();
  bench->backend->SetValue("a", "v");
  CHECK(bench->Mount(bench->Plan("b")) == "no: not_found");  // logged in
  bench->backend->Close();
  std::stop_source leaving;
  std::vector<std::optional<Result<Bundle>>> got(8);
  auto pods = RunConcurrently(got.size(), [&](std::size_t pod) {
    got[pod] = bench->core.Fetch(bench->Plan("a", "web-" + std::to_string(pod)),
                                 Context(SteadyTime::max(), leaving.get_token()));
  });
  CHECK(bench->backend->AwaitWaiting(1));
  leaving.request_stop();
  pods.clear();
  for (const auto& result : got) {
    REQUIRE(!result->ok());
    CHECK(result->error().code() == ErrorCode::kCancelled);
  }
  const auto backend = bench->backend;
  bench.reset();  // cancels the read in progress and waits for it
  CHECK(backend.use_count() == 1);
}

}  // namespace nodekeep
