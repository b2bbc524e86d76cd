// What one namespace can take away from the others at BackendGate.

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "agent/http/backend_gate.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kHost = "https://vault.test:8200";

HttpRequest Get(const std::string& path, const std::string& host = kHost) {
  HttpRequest request;
  request.url = host + path;
  return request;
}

std::vector<HttpRequest> GetMany(const std::string& path, int count) {
  std::vector<HttpRequest> requests;
  for (int i = 0; i < count; ++i) requests.push_back(Get(path));
  return requests;
}

// Lets a test wait until callers wait.
class WatchedClock final : public Clock {
 public:
  SteadyTime Now() const override { return clock.Now(); }
  WallTime Wall() const override { return clock.Wall(); }
  bool WaitUntil(MutexLock& lock, std::condition_variable_any& changed, std::stop_token stop,
                 SteadyTime deadline, const std::function<bool()>& ready) const override {
    ++waiting_;
    const bool is_ready = clock.WaitUntil(lock, changed, stop, deadline, ready);
    --waiting_;
    return is_ready;
  }
  void AwaitWaiting(int count) const {
    while (waiting_ < count) std::this_thread::yield();
  }

  FakeClock clock;

 private:
  mutable std::atomic<int> waiting_ = 0;
};

const FakeHttpClient::Reply kOk = FakeHttpClient::Respond(200, "ok");
const FakeHttpClient::Reply kRefused =
    FakeHttpClient::Fail(ErrorCode::kTransient, "connect to it: connection refused");

struct Fixture {
  explicit Fixture(BackendGate::Options options = {})
      : gate(http, clock, rng, gate_metrics, options) {}

  Context Of(const std::string& namespace_name) const {
    return Context().WithNamespace(namespace_name).WithStop(stop.get_token());
  }
  Result<HttpResponse> Send(const std::string& namespace_name, HttpRequest request = Get("/")) {
    return gate.Send(Of(namespace_name), std::move(request));
  }
  std::string ErrorOf(const std::string& namespace_name) {
    const Result<HttpResponse> result = Send(namespace_name);
    return result.ok() ? "" : result.error().message();
  }
  // Sends on a thread of its own; the thread ends with the fixture.
  void Start(const std::string& namespace_name, std::vector<HttpRequest> requests) {
    threads.emplace_back([this, namespace_name,
                          sent = std::make_shared<std::vector<HttpRequest>>(std::move(requests))] {
      (void)gate.SendAll(Of(namespace_name), std::move(*sent));
    });
  }
  BackendState State() const { return gate.States().front(); }
  ~Fixture() { stop.request_stop(); }

  WatchedClock clock;
  FakeRng rng{1};
  MetricsRegistry metrics;
  GateMetrics gate_metrics{metrics};
  FakeHttpClient http;
  BackendGate gate;
  std::stop_source stop;
  std::vector<std::jthread> threads;
};

}  // namespace

TEST_CASE("gate: requests that hang leave slots of the host for other namespaces") {
  BackendGate::Options options;
  options.max_concurrent = 8;
  Fixture f(options);
  FakeHttpClient::Gate held;
  f.http.On("", kHost + "/hangs", {held.Then(kOk)});
  f.http.On("", kHost + "/*", {kOk});
  f.Start("greedy", GetMany("/hangs", 100));
  held.AwaitArrivals(4);
  CHECK(f.State().in_flight == 4);
  CHECK(f.Send("quiet").ok());
  CHECK(f.Send("").ok());
  CHECK(f.State().in_flight == 4);
  held.Release();
  f.threads.clear();
  CHECK(f.http.Count("/hangs") == 100);
  CHECK(f.State().in_flight == 0);
}

TEST_CASE("gate: requests that hang at many hosts leave slots for other namespaces") {
  SharedResource in_flight({.name = "backend_requests", .capacity = 8});
  BackendGate::Options options;
  options.in_flight = &in_flight;
  Fixture f(options);
  FakeHttpClient::Gate held;
  f.http.On("", "http://*", {held.Then(kOk)});
  f.http.On("", kHost + "/*", {kOk});
  for (int i = 0; i < 20; ++i) {
    std::vector<HttpRequest> one;
    one.push_back(Get("/hangs", fmt::format("http://host{}.test", i)));
    f.Start("greedy", std::move(one));
  }
  held.AwaitArrivals(4);
  f.clock.AwaitWaiting(16);
  CHECK(in_flight.used() == 4);
  CHECK(f.Send("quiet").ok());
  CHECK(f.Send("").ok());
  INFO("requests that waited for another host's slots are sent once there are some");
  held.Release();
  f.threads.clear();
  CHECK(f.http.Count("/hangs") == 20);
  CHECK(in_flight.used() == 0);
}

TEST_CASE("gate: requests that wait for the rate limit are sent in turn by namespace") {
  BackendGate::Options options;
  options.rate.rate = 1;
  options.rate.burst = 1;
  struct Row {
    std::string name, late;
    std::size_t most_before;  // requests of the greedy one, before the late one's
  };
  const Row rows[] = {{"another namespace waits one turn", "quiet", 2}, {"the node none", "", 1}};
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture f(options);
    f.http.On("", kHost + "/*", {kOk});
    f.Start("greedy", GetMany("/greedy", 50));
    f.Start("greedy", GetMany("/greedy", 50));
    f.clock.AwaitWaiting(2);
    std::vector<HttpRequest> one;
    one.push_back(Get("/late"));
    f.Start(row.late, std::move(one));
    f.clock.AwaitWaiting(3);
    REQUIRE(f.http.Count("/greedy") == 1);
    for (std::size_t sent = 1; f.http.Count("/late") == 0; ++sent) {
      REQUIRE(sent < 10);
      f.clock.clock.Advance(seconds(1));
      while (f.http.Count() == sent) std::this_thread::yield();
    }
    CHECK(f.http.Count("/greedy") <= row.most_before);
  }
}

TEST_CASE("gate: hosts that wait for a place are served in turn") {
  SharedResource in_flight({.name = "backend_requests", .capacity = 2});  // one for a namespace
  BackendGate::Options options;
  options.in_flight = &in_flight;
  Fixture f(options);
  FakeHttpClient::Gate held;
  f.http.On("", "http://*", {held.Then(kOk)});
  std::vector<HttpRequest> first;
  first.push_back(Get("/", "http://one.test"));
  f.Start("a", std::move(first));
  held.AwaitArrivals(1);
  int count = 0;
  for (const std::string host : {"one", "one", "two", "three"}) {
    std::vector<HttpRequest> next;
    next.push_back(Get("/", "http://" + host + ".test"));
    f.Start("a", std::move(next));
    f.clock.AwaitWaiting(++count);
  }
  held.Release();
  f.threads.clear();
  std::vector<std::string> urls;
  for (const auto& request : f.http.Requests()) urls.push_back(request.url);
  CHECK(urls == std::vector<std::string>{"http://one.test/", "http://one.test/", "http://two.test/",
                                         "http://three.test/", "http://one.test/"});
}

TEST_CASE("gate: a caller that waited for a slot waits for the next token when there is one") {
  struct Row {
    std::string name;
    double burst;
    bool is_throttled;
  };
  const Row rows[] = {{"the rate of the host", 2, false}, {"that of the namespace", 10, true}};
  for (const Row& row : rows) {
    INFO(row.name);
    std::atomic<int> answered = 0;
    BackendGate::Options options;
    options.max_concurrent = 2;  // one for a namespace
    options.rate.rate = 2;
    options.rate.burst = row.burst;
    options.rate.recovery = std::chrono::hours(1);
    Fixture f(options);
    FakeHttpClient::Gate held;
    f.http.On("", kHost + "/throttled", {FakeHttpClient::Respond(429, "")});
    f.http.On("", kHost + "/held", {held.Then(kOk)});
    f.http.On("", kHost + "/next", {kOk});
    if (row.is_throttled) {
      CHECK(f.Send("a", Get("/throttled"))->status == 429);
      f.clock.clock.Advance(seconds(1));  // two tokens of the lower rate
    }
    f.Start("a", GetMany("/held", 1));
    held.AwaitArrivals(1);
    const SteadyTime start = f.clock.Now();
    for (int i = 0; i < 2; ++i) {
      f.threads.emplace_back([&f, &answered, start] {
        const Context context = f.Of("a").WithDeadline(start + seconds(30));
        if (f.gate.Send(context, Get("/next")).ok()) ++answered;
      });
    }
    f.clock.AwaitWaiting(2);
    held.Release();
    // One of the two uses the last token.
    while (f.http.Count("/next") < 1 || f.State().in_flight > 0) std::this_thread::yield();
    CHECK(f.http.Count("/next") == 1);
    f.clock.clock.AdvanceOnWait(true);
    f.threads.clear();
    CHECK(answered == 2);
    CHECK(f.clock.Now() - start <= seconds(1));
  }
}

TEST_CASE("gate: the breaker is that of a namespace until a second one fails too") {
  Fixture f;
  f.http.On("", kHost + "/*", std::vector<FakeHttpClient::Reply>(10, kRefused));
  for (int i = 0; i < 5; ++i) CHECK(!f.Send("a").ok());
  CHECK(f.ErrorOf("a") ==
        "backend https://vault.test:8200 is held back for namespace a for 1s after 5 failures, "
        "last: connect to it: connection refused");
  CHECK(f.http.Count() == 5);
  CHECK(f.State().breaker_open);
  CHECK(f.State().held_namespaces == std::vector<std::string>{"a"});

  for (int i = 0; i < 5; ++i) CHECK(f.ErrorOf("b") == "connect to it: connection refused");
  CHECK(f.http.Count() == 10);
  const std::string all =
      "backend https://vault.test:8200 is held back for 1s after 5 failures, last: connect to it: "
      "connection refused";
  CHECK(f.ErrorOf("c") == all);
  CHECK(f.ErrorOf("") == all);
  CHECK(f.http.Count() == 10);
  CHECK(f.State().held_for == seconds(1));
  CHECK(f.State().held_namespaces.empty());
}

TEST_CASE("gate: a response to any namespace closes the breakers of all") {
  Fixture f;
  std::vector<FakeHttpClient::Reply> replies(10, kRefused);
  replies.push_back(kOk);
  f.http.On("", kHost + "/*", std::move(replies));
  for (int i = 0; i < 5; ++i) CHECK(!f.Send("a").ok());
  for (int i = 0; i < 5; ++i) CHECK(!f.Send("b").ok());
  f.clock.clock.Advance(seconds(1));
  CHECK(f.Send("c").ok());
  CHECK_FALSE(f.State().breaker_open);
  CHECK(f.Send("a").ok());
  CHECK(f.Send("b").ok());
}

TEST_CASE("gate: a failure long ago is no second namespace") {
  Fixture f;
  std::vector<FakeHttpClient::Reply> replies(10, kRefused);
  replies.push_back(kOk);
  f.http.On("", kHost + "/*", std::move(replies));
  for (int i = 0; i < 5; ++i) CHECK(!f.Send("a").ok());
  f.clock.clock.Advance(seconds(31));
  for (int i = 0; i < 5; ++i) CHECK(!f.Send("b").ok());
  CHECK(f.ErrorOf("b").find("for namespace b") != std::string::npos);
  CHECK(f.Send("c").ok());
}

TEST_CASE("gate: failures of the node's own requests hold the host for all") {
  Fixture f;
  f.http.On("", kHost + "/*", {kRefused});
  for (int i = 0; i < 5; ++i) CHECK(!f.Send("").ok());
  CHECK(f.ErrorOf("a").starts_with("backend https://vault.test:8200 is held back for 1s"));
}

TEST_CASE("gate: a request that had little time says nothing about the backend") {
  struct Row {
    std::string name;
    Duration timeout, idle_timeout, took;
    bool opens;
  };
  const Duration none = Duration::max();
  const Row rows[] = {
      {"its timeout was short", milliseconds(3), none, milliseconds(3), false},
      {"just too short", milliseconds(4999), none, milliseconds(4999), false},
      {"its idle timeout was short", seconds(30), milliseconds(100), milliseconds(100), false},
      {"it had a fair time", seconds(5), none, seconds(5), true},
      {"it failed before its time was over", seconds(3), none, seconds(2), true},
      {"the connect timeout", seconds(30), none, seconds(3), true},
  };
  for (const Row& row : rows) {
    for (const std::string namespace_name : {"a", ""}) {
      INFO(row.name << " of '" << namespace_name << "'");
      Fixture f;
      f.http.On("", kHost + "/*", {[&](const Context&, const FakeHttpClient::RecordedRequest&) {
                  f.clock.clock.Advance(row.took);
                  return Result<HttpResponse>(Error(ErrorCode::kTransient, "no answer"));
                }});
      for (int i = 0; i < 20; ++i) {
        HttpRequest request = Get("/");
        request.timeout = row.timeout;
        request.idle_timeout = row.idle_timeout;
        (void)f.Send(namespace_name, std::move(request));
      }
      CHECK(f.State().breaker_open == row.opens);
    }
  }
}

TEST_CASE("gate: Retry-After holds the namespace that was told so") {
  Fixture f;
  const auto busy = [](const std::string& pause) {
    return FakeHttpClient::Respond(429, "", {{"retry-after", pause}});
  };
  f.http.On("", kHost + "/*", {busy("60"), kOk, busy("5"), kOk});
  const auto error_of = [&](const std::string& namespace_name, Duration time) {
    const auto result =
        f.gate.Send(f.Of(namespace_name).WithDeadline(f.clock.Now() + time), Get("/"));
    return result.ok() ? "" : result.error().message();
  };
  CHECK(f.Send("a")->status == 429);
  CHECK(error_of("a", seconds(10)) ==
        "backend https://vault.test:8200 requires a pause of another 1m0s for namespace a, longer "
        "than this request may take (last error: HTTP 429)");
  CHECK(f.State().held_namespaces == std::vector<std::string>{"a"});
  CHECK(f.State().rate == 100);
  CHECK(error_of("b", seconds(10)) == "");

  INFO("a second namespace: the host is held for as long as both are");
  CHECK(f.Send("b")->status == 429);
  const std::string all =
      "backend https://vault.test:8200 requires a pause of another 5s, longer than this request "
      "may take (last error: HTTP 429)";
  CHECK(error_of("c", seconds(4)) == all);
  CHECK(error_of("", seconds(4)) == all);
  CHECK(f.State().rate == 50);
  f.clock.clock.Advance(seconds(5));
  CHECK(error_of("c", seconds(4)) == "");
  CHECK(error_of("b", seconds(4)) == "");
  CHECK(error_of("a", seconds(4)).find("for namespace a") != std::string::npos);
}

TEST_CASE("gate: throttling lowers the rate of the namespace that was told so") {
  BackendGate::Options options;
  options.rate.rate = 2;
  options.rate.recovery = std::chrono::hours(1);
  Fixture f(options);
  f.http.On("", kHost + "/*", {FakeHttpClient::Respond(429, ""), kOk});
  CHECK(f.Send("a")->status == 429);
  CHECK(f.Send("a").ok());  // the one token that is left
  const auto refused =
      f.gate.Send(f.Of("a").WithDeadline(f.clock.Now() + milliseconds(900)), Get("/"));
  REQUIRE(!refused.ok());
  CHECK(refused.error().message() ==
        "backend https://vault.test:8200 is limited to 1 requests per second for namespace a: the "
        "next may be sent in 1s, later than this one may wait");
  CHECK(f.Send("b").ok());
  CHECK(f.State().rate == 2);
}

TEST_CASE("gate: hosts over the limit are those of the namespace with the most") {
  BackendGate::Options options;
  options.max_hosts = 10;
  Fixture f(options);
  f.http.On("", "*", {kOk});
  const auto use = [&](const std::string& namespace_name, const std::string& host) {
    CHECK(f.Send(namespace_name, Get("/", "http://" + host + ".test")).ok());
  };
  use("quiet", "quiet1");
  use("quiet", "quiet2");
  use("", "node");
  use("quiet", "shared");
  use("other", "shared");
  for (int i = 0; i < 50; ++i) use("greedy", fmt::format("greedy{}", i));
  std::vector<std::string> names;
  for (const BackendState& state : f.gate.States()) names.push_back(state.host);
  CHECK(names == std::vector<std::string>{"http://greedy44.test:80", "http://greedy45.test:80",
                                          "http://greedy46.test:80", "http://greedy47.test:80",
                                          "http://greedy48.test:80", "http://greedy49.test:80",
                                          "http://node.test:80", "http://quiet1.test:80",
                                          "http://quiet2.test:80", "http://shared.test:80"});
}

}  // namespace nodekeep
