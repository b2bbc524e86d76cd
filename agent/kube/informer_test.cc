#include "agent/kube/informer.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "tests/fakes/fake_api_server.h"
#include "tests/fakes/fake_clock.h"

namespace nodekeep {
namespace {

constexpr char kPods[] = "/api/v1/namespaces/shop/pods";

std::string Pod(const std::string& name, const std::string& image = "1",
                const std::string& node = "n") {
  return fmt::format(R"({{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{}"}},)"
                     R"("spec":{{"nodeName":"{}","image":"{}"}},"status":{{"phase":"Running"}}}})",
                     name, node, image);
}

// Records the changes passed to the handler ("+a", "~a", "-a") and the resulting objects.
class ChangeRecorder {
 public:
  using Object = std::shared_ptr<const Json>;

  Informer::Handler handler() {
    return [this](const ObjectChange& change) {
      const char* sign = !change.before ? "+" : change.after ? "~" : "-";
      MutexLock lock(mutex_);
      lines_.push_back(sign + change.name);
      if (change.after) {
        objects_[change.name] = change.after;
      } else {
        objects_.erase(change.name);
      }
      changed_.notify_all();
    };
  }
  std::vector<std::string> Await(std::size_t count) {
    MutexLock lock(mutex_);
    changed_.wait(lock, [&] { return lines_.size() >= count; });
    return lines_;
  }
  void Forget() {
    MutexLock lock(mutex_);
    lines_.clear();
  }
  // Null if there is no such object.
  Object Find(const std::string& name) const {
    MutexLock lock(mutex_);
    const auto found = objects_.find(name);
    return found == objects_.end() ? nullptr : found->second;
  }
  std::size_t size() const {
    MutexLock lock(mutex_);
    return objects_.size();
  }

 private:
  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  std::vector<std::string> lines_;
  std::map<std::string, Object> objects_;
};

using Lines = std::vector<std::string>;

struct Fixture {
  Fixture() {
    clock.AdvanceOnWait(true);
    connection.server = "https://kube.test:6443";
  }
  std::unique_ptr<Informer> Follow(Informer::Options options) {
    return std::make_unique<Informer>(*loop, std::move(options), recorder.handler());
  }
  std::unique_ptr<Informer> FollowPods() {
    Informer::Options options;
    options.selection.path = kPods;
    return Follow(std::move(options));
  }

  FakeClock clock;
  FakeRng rng;
  FakeApiServer server;
  KubeConnection connection;
  Logger log{LogLevel::kOff, LogFormat::kText};
  ChangeRecorder recorder;
  Lines reports;  // of the loop's thread
  std::unique_ptr<WatchLoop> loop = std::make_unique<WatchLoop>(
      WatchDependencies{server, connection, clock, rng, log, WatchPolicy{.page_size = 2},
                        [this](std::string_view thread, std::string_view error) {
                          reports.push_back(std::string(thread) + ": " + std::string(error));
                        }});
};

std::string ImageOf(const ChangeRecorder::Object& pod) {
  return pod ? TextOf(Find(*pod, {"spec", "image"})).value_or("") : "none";
}

}  // namespace

TEST_CASE("informer: existing objects are reported first, then changes, in order") {
  Fixture fixture;
  for (const char* name : {"a", "b", "c", "d", "e"}) fixture.server.PutText(kPods, Pod(name));
  const auto informer = fixture.FollowPods();
  REQUIRE(informer->AwaitSynced(Context()).ok());
  CHECK(fixture.recorder.Await(5) == Lines{"+a", "+b", "+c", "+d", "+e"});
  CHECK(fixture.server.Count("LIST") == 3);  // pages of two
  CHECK(fixture.recorder.size() == 5);
  CHECK(fixture.recorder.Find("z") == nullptr);
  CHECK_FALSE(informer->trouble().has_value());

  fixture.server.PutText(kPods, Pod("f"));
  fixture.server.PutText(kPods, Pod("f", "2"));
  fixture.server.Remove(std::string(kPods) + "/a");
  CHECK(fixture.recorder.Await(8) == Lines{"+a", "+b", "+c", "+d", "+e", "+f", "~f", "-a"});
  CHECK(ImageOf(fixture.recorder.Find("f")) == "2");
  CHECK(fixture.recorder.Find("a") == nullptr);
}

TEST_CASE("informer: only the selection is watched; an object that leaves it is deleted") {
  Fixture fixture;
  fixture.server.PutText(kPods, Pod("mine", "1", "n"));
  fixture.server.PutText(kPods, Pod("theirs", "1", "m"));
  Informer::Options options;
  options.selection = {.path = "/api/v1/pods", .field_selector = "spec.nodeName=n"};
  const auto informer = fixture.Follow(std::move(options));
  REQUIRE(informer->AwaitSynced(Context()).ok());
  CHECK(fixture.recorder.Await(1) == Lines{"+mine"});
  fixture.server.AwaitWatches(1);
  fixture.server.PutText(kPods, Pod("mine", "1", "m"));
  fixture.server.PutText(kPods, Pod("theirs", "2", "n"));
  CHECK(fixture.recorder.Await(3) == Lines{"+mine", "-mine", "+theirs"});
}

TEST_CASE("informer: only the part returned by `keep` stays in memory and counts as a change") {
  Fixture fixture;
  fixture.server.PutText(kPods, Pod("a"));
  Informer::Options options;
  options.selection.path = kPods;
  options.keep = [](const Json& pod) {
    Json spec;
    spec["image"] = pod.at("spec").at("image");
    Json kept;
    kept["spec"] = std::move(spec);
    return kept;
  };
  const auto informer = fixture.Follow(std::move(options));
  REQUIRE(informer->AwaitSynced(Context()).ok());
  CHECK(std::string(GoJson(*fixture.recorder.Find("a")).Reveal()) == R"({"spec":{"image":"1"}})");
  fixture.server.AwaitWatches(1);
  fixture.server.PutText(kPods, Pod("a", "1", "moved"));
  fixture.server.PutText(kPods, Pod("a", "2", "moved"));
  CHECK(fixture.recorder.Await(2) == Lines{"+a", "~a"});
  CHECK(ImageOf(fixture.recorder.Find("a")) == "2");
}

TEST_CASE("informer: an empty list is a complete list") {
  Fixture fixture;
  const auto informer = fixture.FollowPods();
  REQUIRE(informer->AwaitSynced(Context()).ok());
  fixture.server.AwaitWatches(1);
  fixture.server.PutText(kPods, Pod("a"));
  CHECK(fixture.recorder.Await(1) == Lines{"+a"});
  CHECK(fixture.server.Count("LIST") == 1);
}

TEST_CASE("informer: a list whose items are null is empty") {
  Fixture fixture;
  fixture.server.AddFault({.method = "LIST",
                           .status = 200,
                           .body = R"({"metadata":{"resourceVersion":"100"},"items":null})"});
  const auto informer = fixture.FollowPods();
  REQUIRE(informer->AwaitSynced(Context()).ok());
  CHECK(fixture.recorder.size() == 0);
  CHECK(fixture.server.Count("LIST") == 1);
}

TEST_CASE("informer: a response that is not a list is retried with back-off") {
  struct Row {
    std::string name, body;
  };
  const Row rows[] = {
      {"an object", R"({"kind":"Pod","metadata":{"name":"a"}})"},
      {"items of another kind", R"({"metadata":{"resourceVersion":"1"},"items":3})"},
      {"not JSON", "<html>"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.server.PutText(kPods, Pod("a"));
    fixture.server.AddFault({.method = "LIST", .times = 3, .status = 200, .body = row.body});
    const SteadyTime start = fixture.clock.Now();
    const auto informer = fixture.FollowPods();
    REQUIRE(informer->AwaitSynced(Context()).ok());
    CHECK(fixture.recorder.Await(1) == Lines{"+a"});
    CHECK(fixture.server.Count("LIST") == 4);
    CHECK(fixture.clock.Now() - start >= std::chrono::milliseconds(700));
  }
}

TEST_CASE("informer: the state is complete after any interruption of the watch") {
  struct Row {
    std::string name;
    std::function<void(Fixture&)> before;  // before and after the changes
    std::function<void(Fixture&)> after;
    std::size_t lists;  // requests
  };
  const auto nothing = [](Fixture&) {};
  const auto cut = [](Fixture& f) { f.server.CutWatches(); };
  const Row rows[] = {
      {"no interruption", nothing, nothing, 1},
      {"cut between events", cut, nothing, 1},
      {"cut within an event", [](Fixture& f) { f.server.CutWithinNextEvent(); }, nothing, 1},
      {"cut, and cut again three times",
       [](Fixture& f) {
         f.server.AddFault({.method = "WATCH", .times = 3});
         f.server.CutWatches();
       },
       nothing, 1},
      {"ended after timeoutSeconds",
       [](Fixture& f) {
         f.clock.Advance(std::chrono::minutes(7));
         f.server.EndWatches();
       },
       nothing, 1},
      {"ended at once", [](Fixture& f) { f.server.EndWatches(); }, nothing, 1},
      {"server error inside the stream",
       [](Fixture& f) { f.server.SendWatchError(500, "InternalError"); }, nothing, 1},
      {"expired inside the stream", [](Fixture& f) { f.server.SendWatchError(410, "Expired"); },
       nothing, 2},
      {"cut, and refused as expired on reconnect", [](Fixture& f) { f.server.SetDown(true); },
       [](Fixture& f) {
         f.server.Compact();
         f.server.SetDown(false);
       },
       2},
      {"cut, and expired inside the stream on reconnect",
       [](Fixture& f) { f.server.SetDown(true); },
       [](Fixture& f) {
         f.server.Compact(true);
         f.server.SetDown(false);
       },
       2},
      {"throttled on reconnect",
       [](Fixture& f) {
         f.server.AddFault({.method = "WATCH", .times = 2, .status = 429, .retry_after = 2});
         f.server.CutWatches();
       },
       nothing, 1},
      {"hung, then cut", [](Fixture& f) { f.server.HangWatches(); }, cut, 1},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.server.PutText(kPods, Pod("a"));
    fixture.server.PutText(kPods, Pod("b"));
    const auto informer = fixture.FollowPods();
    fixture.server.AwaitWatches(1);
    fixture.recorder.Await(2);
    fixture.recorder.Forget();
    row.before(fixture);
    fixture.server.PutText(kPods, Pod("a", "2"));
    fixture.server.Remove(std::string(kPods) + "/b");
    fixture.server.PutText(kPods, Pod("c"));
    row.after(fixture);
    Lines lines = fixture.recorder.Await(3);
    std::sort(lines.begin(), lines.end());
    CHECK(lines == Lines{"+c", "-b", "~a"});
    CHECK(ImageOf(fixture.recorder.Find("a")) == "2");
    CHECK(fixture.recorder.Find("b") == nullptr);
    CHECK(informer->synced());

    fixture.server.AwaitWatches(1);
    fixture.server.PutText(kPods, Pod("d"));
    CHECK(fixture.recorder.Await(4).back() == "+d");
    CHECK(fixture.server.Count("LIST") == row.lists);
    CHECK_FALSE(informer->trouble().has_value());
  }
}

TEST_CASE("informer: a bookmark advances the version from which the watch continues") {
  Fixture fixture;
  fixture.server.PutText(kPods, Pod("a"));
  const auto informer = fixture.FollowPods();
  fixture.server.AwaitWatches(1);
  fixture.server.PutText("/api/v1/namespaces/shop/secrets", R"({"metadata":{"name":"noise"}})");
  fixture.server.Compact();
  fixture.server.SendBookmarks();
  fixture.server.CutWatches();
  fixture.server.AwaitWatches(1);
  fixture.server.PutText(kPods, Pod("b"));
  CHECK(fixture.recorder.Await(2) == Lines{"+a", "+b"});
  CHECK(fixture.server.Count("LIST") == 1);
}

TEST_CASE("informer: a watch without bookmarks for too long is replaced by a new list") {
  Fixture fixture;
  const auto informer = fixture.FollowPods();
  fixture.server.AwaitWatches(1);
  fixture.clock.Advance(std::chrono::minutes(3));
  fixture.server.CutWatches();
  fixture.server.PutText(kPods, Pod("a"));
  CHECK(fixture.recorder.Await(1) == Lines{"+a"});
  fixture.server.AwaitWatches(1);
  CHECK(fixture.server.Count("LIST") == 2);
}

TEST_CASE("informer: an object replaced under the same name is reported as deleted, then added") {
  Fixture fixture;
  fixture.server.PutText(kPods, Pod("a"));
  const auto informer = fixture.FollowPods();
  fixture.server.AwaitWatches(1);
  fixture.server.SetDown(true);
  fixture.server.Remove(std::string(kPods) + "/a");
  fixture.server.PutText(kPods, Pod("a"));
  fixture.server.Compact();
  fixture.server.SetDown(false);
  CHECK(fixture.recorder.Await(3) == Lines{"+a", "-a", "+a"});
}

TEST_CASE("informer: a list whose next page expires starts again and reports nothing twice") {
  Fixture fixture;
  for (const char* name : {"a", "b", "c"}) fixture.server.PutText(kPods, Pod(name));
  Informer::Options options;
  options.selection.path = kPods;
  // The first object of the first page makes the server compact its history.
  bool forgotten = false;
  options.keep = [&](const Json& pod) {
    if (!std::exchange(forgotten, true)) fixture.server.Compact();
    return pod;
  };
  const auto informer = fixture.Follow(std::move(options));
  REQUIRE(informer->AwaitSynced(Context()).ok());
  CHECK(fixture.recorder.Await(3) == Lines{"+a", "+b", "+c"});
  CHECK(fixture.server.Count("LIST") == 4);  // first page, the refused one, two more
}

TEST_CASE("informer: while the server is down it backs off and reports why, then recovers") {
  Fixture fixture;
  fixture.server.SetDown(true);
  const SteadyTime start = fixture.clock.Now();
  const auto informer = fixture.FollowPods();
  while (fixture.server.Count("LIST") < 20) std::this_thread::yield();
  // Half of 0.2 + 0.4 + ... + 12.8 + 30 + ... seconds.
  CHECK(fixture.clock.Now() - start >= std::chrono::seconds(150));
  CHECK_FALSE(informer->synced());
  REQUIRE(informer->trouble().has_value());
  CHECK(informer->trouble()->message() ==
        "kubernetes: list /api/v1/namespaces/shop/pods: connect: connection refused");
  const Status waited = informer->AwaitSynced(Context().WithDeadline(fixture.clock.Now()));
  REQUIRE_FALSE(waited.ok());
  CHECK(waited.error().code() == ErrorCode::kDeadlineExceeded);
  CHECK(waited.error().message().ends_with("connection refused"));

  fixture.server.SetDown(false);
  CHECK(informer->AwaitSynced(Context()).ok());
  fixture.server.AwaitWatches(1);
}

TEST_CASE("informer: the Retry-After of a throttling server is respected up to 30 seconds") {
  struct Row {
    std::string name;
    std::string method;
    int retry_after;
    std::chrono::seconds at_least, at_most;
  };
  using std::chrono::seconds;
  const Row rows[] = {
      {"list", "LIST", 20, seconds(20), seconds(22)},
      {"list, an hour", "LIST", 3600, seconds(30), seconds(32)},
      {"watch", "WATCH", 20, seconds(20), seconds(22)},
      {"watch, an hour", "WATCH", 3600, seconds(30), seconds(32)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.server.AddFault({.method = row.method, .status = 429, .retry_after = row.retry_after});
    const SteadyTime start = fixture.clock.Now();
    const auto informer = fixture.FollowPods();
    fixture.server.AwaitWatches(1);
    CHECK(fixture.clock.Now() - start >= row.at_least);
    CHECK(fixture.clock.Now() - start <= row.at_most);
  }
}

TEST_CASE("informer: a watch that is always refused is retried with back-off") {
  Fixture fixture;
  fixture.server.AddFault({.method = "WATCH", .times = 12, .status = 410, .reason = "Expired"});
  const SteadyTime start = fixture.clock.Now();
  const auto informer = fixture.FollowPods();
  fixture.server.AwaitWatches(1);
  // The lists in between succeed, but do not reset the back-off.
  CHECK(fixture.server.Count("LIST") == 13);
  CHECK(fixture.clock.Now() - start >= std::chrono::seconds(60));
}

TEST_CASE("informer: many informers share one thread and are destroyed one by one") {
  Fixture fixture;
  std::vector<std::unique_ptr<Informer>> informers;
  for (int i = 0; i < 20; ++i) {
    fixture.server.PutText(kPods, Pod(fmt::format("p{}", i)));
    Informer::Options options;
    options.selection = {.path = kPods, .field_selector = fmt::format("metadata.name=p{}", i)};
    informers.push_back(fixture.Follow(std::move(options)));
  }
  fixture.server.AwaitWatches(20);
  CHECK(fixture.recorder.Await(20).size() == 20);
  informers.resize(5);
  CHECK(fixture.server.open_watches() == 5);
  fixture.server.PutText(kPods, Pod("p19", "2"));
  fixture.server.PutText(kPods, Pod("p4", "2"));
  CHECK(fixture.recorder.Await(21).back() == "~p4");
  informers.clear();
  CHECK(fixture.server.open_watches() == 0);
}

TEST_CASE("informer: after an exception all objects are listed again and no change is missed") {
  Fixture fixture;
  fixture.server.PutText(kPods, Pod("a"));
  Informer::Options options;
  options.selection.path = kPods;
  bool has_thrown = false;
  options.keep = [&](const Json& pod) {
    const bool is_first_b = TextOf(Find(pod, {"metadata", "name"})) == "b" && !has_thrown;
    has_thrown = has_thrown || is_first_b;
    if (is_first_b) throw std::runtime_error("defect");
    return pod;
  };
  const auto informer = fixture.Follow(std::move(options));
  REQUIRE(informer->AwaitSynced(Context()).ok());
  fixture.server.PutText(kPods, Pod("b"));
  fixture.server.PutText(kPods, Pod("c"));
  CHECK(fixture.recorder.Await(3) == Lines{"+a", "+b", "+c"});
  CHECK(fixture.reports == Lines{"watch: defect"});
}

}  // namespace nodekeep
