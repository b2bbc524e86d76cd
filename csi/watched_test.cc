#include <catch2/catch_test_macros.hpp>
#include <condition_variable>

#include "agent/base/mutex.h"
#include "csi/watched_classes.h"
#include "csi/watched_pods.h"
#include "tests/fakes/fake_api_server.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/http_server.h"

namespace nodekeep {
namespace {

constexpr char kClasses[] =
    "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/secretproviderclasses";

std::string Class(const std::string& objects) {
  return R"({"apiVersion":"secrets-store.csi.x-k8s.io/v1","kind":"SecretProviderClass",)"
         R"("metadata":{"name":"app"},"spec":{"provider":"dev","parameters":{"objects":")" +
         objects + R"("}}})";
}

struct Bench {
  Bench() {
    clock.AdvanceOnWait(true);
    connection.server = "https://kube.test:6443";
  }
  KubeConnection Connection() const {
    KubeConnection same;
    same.server = "https://kube.test:6443";
    return same;
  }
  std::string ObjectsOf(const Result<ClassPtr>& spc) const {
    return spc.ok() ? (*spc)->parameters.at("objects") : spc.error().message();
  }
  // Waits in real time until `count` changes were reported.
  void AwaitChanges(int count) {
    MutexLock lock(mutex);
    changed.wait(lock, [&] { return changes >= count; });
  }

  FakeClock clock;
  FakeRng rng;
  FakeApiServer server;
  KubeConnection connection;
  Logger log{LogLevel::kOff, LogFormat::kText};
  WorkerPool pool{{}};
  KubeClient client{server, Connection(), clock, rng, {.retry = {.attempts = 1}}};
  Mutex mutex;
  std::condition_variable_any changed;
  int changes = 0;
  WatchLoop loop{WatchDependencies{server, connection, clock, rng, log, WatchPolicy{}}};
  KubeClassSource live{{.fresh_for = Duration::zero()}, client, pool, clock};
  SharedResource watches{{.name = "class_watches", .capacity = 8}};
  WatchedClasses classes{loop, live, watches, [this](const WatchedClasses::Key&) {
                           MutexLock lock(mutex);
                           ++changes;
                           changed.notify_all();
                         }};
};

}  // namespace

TEST_CASE("watched classes: a class is read once, then watched; a change is reported") {
  Bench bench;
  bench.server.PutText(kClasses, Class("one"));
  CHECK(bench.ObjectsOf(bench.classes.Get(Context(), "shop", "app")) == "one");
  bench.server.AwaitWatches(1);
  for (int i = 0; i < 10; ++i) {
    CHECK(bench.ObjectsOf(bench.classes.Get(Context(), "shop", "app")) == "one");
  }
  CHECK(bench.server.Count("GET", "secretproviderclasses") == 1);
  bench.server.PutText(kClasses, Class("two"));
  bench.AwaitChanges(1);
  CHECK(bench.ObjectsOf(bench.classes.Get(Context(), "shop", "app")) == "two");
  CHECK(bench.server.Count("GET", "secretproviderclasses") == 1);
}

TEST_CASE("watched classes: a deleted class is an error with upstream's text, a new one is found") {
  Bench bench;
  bench.server.PutText(kClasses, Class("one"));
  REQUIRE(bench.classes.Get(Context(), "shop", "app").ok());
  bench.server.AwaitWatches(1);
  bench.server.Remove(std::string(kClasses) + "/app");
  bench.AwaitChanges(1);
  const Result<ClassPtr> gone = bench.classes.Get(Context(), "shop", "app");
  REQUIRE_FALSE(gone.ok());
  CHECK(gone.error().code() == ErrorCode::kNotFound);
  CHECK(gone.error().message().starts_with("failed to get secretproviderclass shop/app, error: "));
  bench.server.PutText(kClasses, Class("three"));
  CHECK(bench.ObjectsOf(bench.classes.Get(Context(), "shop", "app")) == "three");
}

TEST_CASE("watched classes: a class deleted between the read and the first list is not served") {
  struct DeletedAfterRead final : ClassSource {
    explicit DeletedAfterRead(Bench& its_bench) : bench(its_bench) {}
    Result<ClassPtr> Get(const Context& context, const std::string& namespace_name,
                         const std::string& name) override {
      Result<ClassPtr> answer = bench.live.Get(context, namespace_name, name);
      if (answer.ok()) bench.server.Remove(std::string(kClasses) + "/app");
      return answer;
    }
    Bench& bench;
  };
  Bench bench;
  bench.server.PutText(kClasses, Class("one"));
  DeletedAfterRead live(bench);
  WatchedClasses classes(bench.loop, live, bench.watches, [](const WatchedClasses::Key&) {});
  REQUIRE(classes.Get(Context(), "shop", "app").ok());
  bench.server.AwaitWatches(1);
  const Result<ClassPtr> gone = classes.Get(Context(), "shop", "app");
  REQUIRE_FALSE(gone.ok());
  CHECK(gone.error().code() == ErrorCode::kNotFound);
}

TEST_CASE("watched classes: the last known class is served while the API server is down") {
  Bench bench;
  bench.server.PutText(kClasses, Class("one"));
  REQUIRE(bench.classes.Get(Context(), "shop", "app").ok());
  bench.server.SetDown(true);
  CHECK(bench.ObjectsOf(bench.classes.Get(Context(), "shop", "app")) == "one");
  CHECK(bench.classes.Get(Context(), "shop", "other").error().IsTransient());
}

TEST_CASE("watched classes: the watch of an unused class ends") {
  Bench bench;
  bench.server.PutText(kClasses, Class("one"));
  REQUIRE(bench.classes.Get(Context(), "shop", "app").ok());
  bench.server.AwaitWatches(1);
  bench.classes.KeepOnly({{"shop", "app"}});
  bench.classes.KeepOnly({});  // a publish may be in progress, so the first call ends nothing
  CHECK(bench.ObjectsOf(bench.classes.Get(Context(), "shop", "app")) == "one");
  CHECK(bench.server.Count("GET", "secretproviderclasses") == 1);
  bench.classes.KeepOnly({});
  bench.classes.KeepOnly({});
  CHECK(bench.ObjectsOf(bench.classes.Get(Context(), "shop", "app")) == "one");
  CHECK(bench.server.Count("GET", "secretproviderclasses") == 2);
}

TEST_CASE("watched classes: over the share of its namespace, a class is read for each use") {
  Bench bench;
  const auto put = [&](const std::string& namespace_name, const std::string& name) {
    std::string text = Class("one");
    text.replace(text.find("\"app\""), 5, "\"" + name + "\"");
    bench.server.PutText("/apis/secrets-store.csi.x-k8s.io/v1/namespaces/" + namespace_name +
                             "/secretproviderclasses",
                         text);
  };
  for (int i = 0; i < 20; ++i) {
    const std::string name = fmt::format("c{}", i);
    put("greedy", name);
    for (int uses = 0; uses < 3; ++uses) {
      CHECK(bench.ObjectsOf(bench.classes.Get(Context(), "greedy", name)) == "one");
    }
  }
  // Half of eight are watched, 16 others are read three times.
  bench.server.AwaitWatches(4);
  CHECK(bench.watches.used() == 4);
  CHECK(bench.server.Count("GET", "greedy/secretproviderclasses") == 4 + 16 * 3);
  put("shop", "app");
  CHECK(bench.ObjectsOf(bench.classes.Get(Context(), "shop", "app")) == "one");
  bench.server.AwaitWatches(5);
  bench.classes.KeepOnly({});
  bench.classes.KeepOnly({});
  CHECK(bench.watches.used() == 0);
}

TEST_CASE("watched classes: a large class is watched, but not kept in memory") {
  Bench bench;
  const auto requests = [&] { return bench.server.Count("GET", "secretproviderclasses"); };
  const std::string large(kMaxKeptClass, 'x');
  bench.server.PutText(kClasses, Class(large));
  for (int i = 0; i < 3; ++i) {
    CHECK(bench.ObjectsOf(bench.classes.Get(Context(), "shop", "app")) == large);
  }
  CHECK(requests() == 3);
  bench.server.AwaitWatches(1);
  bench.server.PutText(kClasses, Class("one"));
  bench.AwaitChanges(1);
  CHECK(bench.ObjectsOf(bench.classes.Get(Context(), "shop", "app")) == "one");
  CHECK(requests() == 3);
  bench.server.PutText(kClasses, Class(large + "y"));
  bench.AwaitChanges(2);
  CHECK(bench.ObjectsOf(bench.classes.Get(Context(), "shop", "app")) == large + "y");
  CHECK(requests() == 4);
}

TEST_CASE("class source: the classes that are kept are bounded in bytes, per namespace") {
  Bench bench;
  KubeClassSource source({.fresh_for = std::chrono::hours(1), .max_bytes = 400'000}, bench.client,
                         bench.pool, bench.clock);
  const auto put = [&](const std::string& namespace_name, int number, std::size_t size) {
    std::string text = Class(std::string(size, 'x'));
    text.replace(text.find("\"app\""), 5, fmt::format("\"c{}\"", number));
    bench.server.PutText("/apis/secrets-store.csi.x-k8s.io/v1/namespaces/" + namespace_name +
                             "/secretproviderclasses",
                         text);
  };
  const auto get = [&](const std::string& namespace_name, int number) {
    CHECK(source.Get(Context(), namespace_name, fmt::format("c{}", number)).ok());
    bench.clock.Advance(std::chrono::milliseconds(1));
  };
  const auto reads = [&](const std::string& namespace_name) {
    return bench.server.Count("GET", namespace_name + "/secretproviderclasses");
  };
  put("shop", 0, 10'000);
  get("shop", 0);
  for (int i = 0; i < 50; ++i) {
    put("greedy", i, 40'000);
    get("greedy", i);
  }
  get("shop", 0);
  CHECK(reads("shop") == 1);  // still kept
  get("greedy", 49);
  CHECK(reads("greedy") == 50);
  get("greedy", 0);
  CHECK(reads("greedy") == 51);      // displaced by the later ones
  put("greedy", 50, kMaxKeptClass);  // too large to be kept
  get("greedy", 50);
  get("greedy", 50);
  CHECK(reads("greedy") == 53);
  get("greedy", 49);
  CHECK(reads("greedy") == 53);
}

TEST_CASE("watches: with HTTP/1.1 none waits for a connection") {
  constexpr std::size_t kWatches = 40;
  HttpServer server([](const HttpServer::Request& request, HttpServer::Connection& connection) {
    if (request.target.find("watch=true") == std::string::npos) {
      connection.Write(
          HttpServer::Reply(200, R"({"metadata":{"resourceVersion":"1"},"items":[]})"));
      return;
    }
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.AwaitClientClose();
  });
  KubeConnection connection;
  connection.server = server.url();
  SystemClock clock;
  FakeRng rng;
  Logger log(LogLevel::kOff, LogFormat::kText);
  CurlClient http(WatchConnections(kWatches, {}));
  WatchLoop loop({http, connection, clock, rng, log});
  std::vector<std::unique_ptr<Informer>> informers;
  for (std::size_t i = 0; i < kWatches; ++i) {
    informers.push_back(std::make_unique<Informer>(
        loop,
        Informer::Options{
            .selection = {.path = kClasses, .field_selector = fmt::format("metadata.name=c{}", i)}},
        [](const ObjectChange&) {}));
  }
  for (const auto& informer : informers) {
    CHECK(informer->AwaitSynced(Context(clock.Now() + std::chrono::seconds(30), {})).ok());
  }
  server.AwaitRequests(2 * kWatches);  // a list and a watch each; no watch has ended
}

TEST_CASE("watched pods: the pods of this node with the fields that the driver needs") {
  Bench bench;
  const auto pod = [](const std::string& name, const std::string& node, const std::string& phase) {
    return R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name +
           R"(","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"rs","uid":"r1","controller":true}]},)"
           R"("spec":{"nodeName":")" +
           node +
           R"(","serviceAccountName":"sa","containers":[{"name":"c"}],"volumes":[)"
           R"({"name":"s","csi":{"driver":"d","nodePublishSecretRef":{"name":"x"},"volumeAttributes":{"secretProviderClass":"app"}}},)"
           R"({"name":"e","emptyDir":{}}]},"status":{"phase":")" +
           phase + R"("}})";
  };
  constexpr char kPods[] = "/api/v1/namespaces/shop/pods";
  bench.server.PutText(kPods, pod("mine", "n", "Running"));
  bench.server.PutText(kPods, pod("theirs", "m", "Running"));
  WatchedPods pods(bench.loop, "n");
  auto known = pods.OnNode(Context());
  REQUIRE(known.ok());
  REQUIRE((*known)->size() == 1);
  const PodFacts facts = (*known)->begin()->second;
  CHECK(facts.name == "mine");
  CHECK(facts.service_account == "sa");
  CHECK_FALSE(facts.ending);
  REQUIRE(facts.owners.size() == 1);
  CHECK(facts.owners[0].uid == "r1");
  REQUIRE(facts.volumes.size() == 1);
  CHECK(facts.volumes.at("s").has_secret_ref);
  CHECK(pods.state().ok());

  bench.server.AwaitWatches(1);
  bench.server.PutText(kPods, pod("mine", "n", "Succeeded"));
  while (!(*pods.OnNode(Context()))->begin()->second.ending) std::this_thread::yield();
  bench.server.Remove(std::string(kPods) + "/mine");
  while (!(*pods.OnNode(Context()))->empty()) std::this_thread::yield();
}

}  // namespace nodekeep
