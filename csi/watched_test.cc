#include <catch2/catch_test_macros.hpp>
#include <condition_variable>

#include "agent/base/mutex.h"
#include "csi/watched_classes.h"
#include "csi/watched_pods.h"
#include "tests/fakes/fake_api_server.h"
#include "tests/fakes/fake_clock.h"

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
  WatchedClasses classes{loop, live, [this](const WatchedClasses::Key&) {
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
  WatchedClasses classes(bench.loop, live, [](const WatchedClasses::Key&) {});
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
