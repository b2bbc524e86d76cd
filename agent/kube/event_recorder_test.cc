#include "agent/kube/event_recorder.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/fakes/fake_api_server.h"
#include "tests/fakes/fake_clock.h"

namespace nodekeep {
namespace {

constexpr char kEvents[] = "/api/v1/namespaces/shop/events";

KubeConnection Connection() {
  KubeConnection connection;
  connection.server = "https://kube.test:6443";
  return connection;
}

ObjectReference Pod(const std::string& name) {
  ObjectReference pod;
  pod.namespace_name = "shop";
  pod.name = name;
  pod.uid = "uid-of-" + name;
  return pod;
}

struct Fixture {
  explicit Fixture(EventRecorder::Options options = {}) {
    clock.AdvanceOnWait(true);
    options.host = "node1";
    recorder = std::make_unique<EventRecorder>(kube, clock, rng, log, options);
  }
  void Fail(const std::string& pod, const std::string& message) {
    recorder->Record(Pod(pod), EventType::kWarning, "MountRotationFailed", message);
  }
  // Waits for `count` requests of this method, then returns all Events of the namespace.
  std::vector<Json> Await(std::string_view method, std::size_t count) {
    while (server.Count(method, "/events") < count) std::this_thread::yield();
    Result<std::vector<Json>> events = kube.List(Context(), {.path = kEvents});
    return events.ok() ? *std::move(events) : std::vector<Json>();
  }

  FakeClock clock;
  FakeRng rng;
  FakeApiServer server;
  KubeClient kube{server, Connection(), clock, rng, {.retry = {.attempts = 2}}};
  Logger log{LogLevel::kOff, LogFormat::kText};
  std::unique_ptr<EventRecorder> recorder;
};

std::string Text(const Json& event, std::initializer_list<std::string_view> path) {
  return ScalarText(Find(event, path)).value_or("");
}

}  // namespace

TEST_CASE("events: an Event names its object, type, reason, message and source") {
  Fixture fixture;
  fixture.Fail("web-0", "vault: permission denied");
  const std::vector<Json> events = fixture.Await("POST", 1);
  REQUIRE(events.size() == 1);
  const Json& event = events[0];
  CHECK(Text(event, {"involvedObject", "kind"}) == "Pod");
  CHECK(Text(event, {"involvedObject", "apiVersion"}) == "v1");
  CHECK(Text(event, {"involvedObject", "namespace"}) == "shop");
  CHECK(Text(event, {"involvedObject", "name"}) == "web-0");
  CHECK(Text(event, {"involvedObject", "uid"}) == "uid-of-web-0");
  CHECK(Text(event, {"metadata", "name"}).starts_with("web-0."));
  CHECK(Text(event, {"type"}) == "Warning");
  CHECK(Text(event, {"reason"}) == "MountRotationFailed");
  CHECK(Text(event, {"message"}) == "vault: permission denied");
  CHECK(Text(event, {"source", "component"}) == "nodekeep");
  CHECK(Text(event, {"source", "host"}) == "node1");
  CHECK(Text(event, {"count"}) == "1");
  CHECK(Text(event, {"firstTimestamp"}) == FormatTime(fixture.clock.Wall()));
  CHECK(Text(event, {"lastTimestamp"}) == FormatTime(fixture.clock.Wall()));
}

TEST_CASE("events: a repeated Event is counted within the window, and created again after it") {
  Fixture fixture;
  fixture.Fail("web-0", "no");
  fixture.Await("POST", 1);
  const std::string first = FormatTime(fixture.clock.Wall());
  fixture.clock.Advance(std::chrono::minutes(2));
  fixture.Fail("web-0", "no");
  fixture.Await("PATCH", 1);
  fixture.Fail("web-0", "no");
  std::vector<Json> events = fixture.Await("PATCH", 2);
  REQUIRE(events.size() == 1);
  CHECK(Text(events[0], {"count"}) == "3");
  CHECK(Text(events[0], {"firstTimestamp"}) == first);
  CHECK(Text(events[0], {"lastTimestamp"}) == FormatTime(fixture.clock.Wall()));

  fixture.clock.Advance(std::chrono::minutes(11));
  fixture.Fail("web-0", "no");
  CHECK(fixture.Await("POST", 2).size() == 2);
}

TEST_CASE("events: Events that differ in object, type, reason or message are separate") {
  Fixture fixture;
  fixture.Fail("web-0", "no");
  fixture.Fail("web-1", "no");
  fixture.Fail("web-0", "no!");
  fixture.recorder->Record(Pod("web-0"), EventType::kNormal, "MountRotationComplete", "no");
  CHECK(fixture.Await("POST", 4).size() == 4);
}

TEST_CASE("events: an Event that the server has deleted is created again") {
  Fixture fixture;
  fixture.Fail("web-0", "no");
  const std::vector<Json> events = fixture.Await("POST", 1);
  REQUIRE(events.size() == 1);
  fixture.server.Remove(std::string(kEvents) + "/" + Text(events[0], {"metadata", "name"}));
  fixture.Fail("web-0", "no");
  CHECK(fixture.Await("POST", 2).size() == 1);
}

TEST_CASE("events: a message is cut at 1024 bytes, between characters") {
  struct Row {
    std::string name, message, want;
  };
  const Row rows[] = {
      {"just fits", std::string(1024, 'm'), std::string(1024, 'm')},
      {"too long", std::string(1025, 'm'), std::string(1021, 'm') + "..."},
      {"a character across the cut", std::string(1020, 'm') + "\u20ac\u20ac",
       std::string(1020, 'm') + "..."},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.Fail("web-0", row.message);
    const std::vector<Json> events = fixture.Await("POST", 1);
    REQUIRE(events.size() == 1);
    CHECK(Text(events[0], {"message"}) == row.want);
  }
}

TEST_CASE("events: Events of one object beyond the burst are dropped and counted") {
  Fixture fixture({.burst = 3});
  for (int i = 0; i < 10; ++i) fixture.Fail("web-0", fmt::format("no {}", i));
  fixture.Fail("web-1", "no");
  CHECK(fixture.Await("POST", 4).size() == 4);
  CHECK(fixture.recorder->dropped() == 7);
  fixture.clock.Advance(std::chrono::minutes(5));
  fixture.Fail("web-0", "again");
  CHECK(fixture.Await("POST", 5).size() == 5);
}

TEST_CASE("events: while the server is down Events stay in the bounded queue, without blocking") {
  Fixture fixture({.max_queued = 3});
  fixture.server.SetDown(true);
  fixture.Fail("web-0", "no");
  while (fixture.server.Count("POST") == 0) std::this_thread::yield();
  for (int i = 1; i < 10; ++i) fixture.Fail(fmt::format("web-{}", i), "no");
  fixture.Fail("web-0", "no");
  fixture.server.SetDown(false);
  while (fixture.kube.List(Context(), {.path = kEvents})->size() < 3) std::this_thread::yield();
  CHECK(fixture.recorder->dropped() >= 6);
}

TEST_CASE("events: a create that was cut after taking effect makes no second Event") {
  Fixture fixture;
  fixture.server.AddFault({.method = "POST", .after_effect = true});
  fixture.Fail("web-0", "no");
  const std::vector<Json> events = fixture.Await("POST", 2);
  CHECK(events.size() == 1);
  CHECK(fixture.recorder->dropped() == 0);
}

TEST_CASE("events: an Event that the server refuses is dropped, the next one is sent") {
  Fixture fixture;
  fixture.server.AddFault({.method = "POST", .status = 403, .reason = "Forbidden"});
  fixture.Fail("web-0", "no");
  fixture.Await("POST", 1);
  fixture.Fail("web-1", "no");
  CHECK(fixture.Await("POST", 2).size() == 1);
  CHECK(fixture.recorder->dropped() == 1);
}

}  // namespace nodekeep
