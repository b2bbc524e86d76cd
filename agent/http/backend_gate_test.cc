#include "agent/http/backend_gate.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

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

std::vector<HttpRequest> GetMany(int count, const std::string& host = kHost) {
  std::vector<HttpRequest> requests;
  for (int i = 0; i < count; ++i) requests.push_back(Get(fmt::format("/{}", i), host));
  return requests;
}

struct Fixture {
  explicit Fixture(BackendGate::Options options = {})
      : gate(http, clock, rng, gate_metrics, options) {
    gate_metrics.NameHosts({kHost});
  }

  Context For(Duration time) const { return Context().WithDeadline(clock.Now() + time); }
  BackendState State() const { return gate.States().front(); }
  bool MetricSaysOpen() const {
    return metrics.Render().find("nodekeep_backend_breaker_open{host=\"" + kHost + "\"} 1") !=
           std::string::npos;
  }

  FakeClock clock;
  FakeRng rng{1};
  MetricsRegistry metrics;
  GateMetrics gate_metrics{metrics};
  FakeHttpClient http;
  BackendGate gate;
};

const FakeHttpClient::Reply kOk = FakeHttpClient::Respond(200, "ok");
const FakeHttpClient::Reply kRefused =
    FakeHttpClient::Fail(ErrorCode::kTransient, "connect to it: connection refused");

}  // namespace

TEST_CASE("gate: requests pass unchanged and responses keep their order") {
  Fixture f;
  for (int i = 0; i < 3; ++i) {
    f.http.On("", fmt::format("{}/{}", kHost, i), {FakeHttpClient::Respond(200 + i, "")});
  }
  std::vector<HttpRequest> requests = GetMany(3);
  requests.insert(requests.begin() + 1, Get("", "nonsense://x"));
  const auto results = f.gate.SendAll({}, std::move(requests));
  REQUIRE(results.size() == 4);
  CHECK(results[0]->status == 200);
  CHECK(results[1].error().code() == ErrorCode::kInvalid);
  CHECK(results[2]->status == 201);
  CHECK(results[3]->status == 202);
  CHECK(f.State().host == kHost);
  CHECK(f.State().in_flight == 0);
  CHECK(f.State().last_error == "");
}

TEST_CASE("gate: callers wait for the rate limit after the burst") {
  Fixture f;
  f.clock.AdvanceOnWait(true);
  f.http.On("", kHost + "/*", {kOk});
  const SteadyTime start = f.clock.Now();
  for (const auto& result : f.gate.SendAll({}, GetMany(200))) REQUIRE(result.ok());
  CHECK(f.clock.Now() == start);
  for (const auto& result : f.gate.SendAll({}, GetMany(50))) REQUIRE(result.ok());
  CHECK(f.clock.Now() - start == milliseconds(500));

  INFO("another host has its own");
  f.http.On("", "http://other.test/*", {kOk});
  for (const auto& result : f.gate.SendAll({}, GetMany(100, "http://other.test"))) {
    REQUIRE(result.ok());
  }
  CHECK(f.clock.Now() - start == milliseconds(500));
}

TEST_CASE("gate: a deadline before the next token fails at once with the time to wait") {
  BackendGate::Options options;
  options.rate.rate = 1;
  options.rate.burst = 1;
  Fixture f(options);
  f.http.On("", kHost + "/*", {kOk});
  REQUIRE(f.gate.Send({}, Get("/")).ok());
  const Result<HttpResponse> refused = f.gate.Send(f.For(milliseconds(500)), Get("/"));
  REQUIRE(!refused.ok());
  CHECK(refused.error().code() == ErrorCode::kThrottled);
  CHECK(refused.error().retry_after() == seconds(1));
  CHECK(f.http.Count() == 1);
}

TEST_CASE("gate: concurrent requests per host are limited") {
  BackendGate::Options options;
  options.max_concurrent = 4;
  Fixture f(options);
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  f.http.On("", kHost + "/*", {[&](const Context&, const FakeHttpClient::RecordedRequest&) {
              const int mine = ++now;
              int seen = most;
              while (seen < mine && !most.compare_exchange_weak(seen, mine)) {
              }
              std::this_thread::yield();
              --now;
              HttpResponse response;
              response.status = 200;
              return Result<HttpResponse>(std::move(response));
            }});
  std::atomic<int> served = 0;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 16; ++i) {
      callers.emplace_back([&] {
        for (const auto& result : f.gate.SendAll({}, GetMany(10))) served += result.ok() ? 1 : 0;
      });
    }
  }
  CHECK(served == 160);
  CHECK(most <= 4);
  CHECK(f.State().in_flight == 0);
}

TEST_CASE("gate: a caller cancelled while waiting for a slot gets its own error") {
  BackendGate::Options options;
  options.max_concurrent = 1;
  Fixture f(options);
  FakeHttpClient::Gate held;
  f.http.On("", kHost + "/slow", {held.Then(kOk)});
  f.http.On("", kHost + "/next", {kOk});
  bool first_ok = false;
  std::jthread first([&] { first_ok = f.gate.Send({}, Get("/slow")).ok(); });
  held.AwaitArrivals(1);

  std::stop_source stop;
  std::jthread leaver([&] { stop.request_stop(); });
  const Result<HttpResponse> left = f.gate.Send(Context().WithStop(stop.get_token()), Get("/next"));
  CHECK(left.error().code() == ErrorCode::kCancelled);
  CHECK(left.error().message() ==
        "wait to send to https://vault.test:8200: the caller has gone away");

  bool second_ok = false;
  std::jthread second([&] { second_ok = f.gate.Send({}, Get("/next")).ok(); });
  held.Release();
  first.join();
  second.join();
  CHECK(first_ok);
  CHECK(second_ok);
}

TEST_CASE("gate: nothing is sent until Retry-After has passed") {
  struct Row {
    std::string name;
    int status;
    std::string retry_after;
    Duration want;
  };
  const Row rows[] = {
      {"429 with seconds", 429, "10", seconds(10)},
      {"503 with seconds", 503, "10", seconds(10)},
      {"longer than the limit", 429, "86400", seconds(60)},
      {"429 without", 429, "", Duration(0)},
      {"503 without", 503, "", Duration(0)},
      {"200 with", 200, "10", Duration(0)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture f;
    FakeHttpClient::Headers headers;
    if (!row.retry_after.empty()) headers.emplace_back("retry-after", row.retry_after);
    f.http.On("", kHost + "/*", {FakeHttpClient::Respond(row.status, "", headers), kOk});
    const Result<HttpResponse> first = f.gate.Send({}, Get("/"));
    REQUIRE(first.ok());
    CHECK(first->status == row.status);
    CHECK(f.State().held_for == row.want);
    if (row.want == Duration(0)) continue;

    INFO("a caller that cannot wait gets an error at once");
    const Result<HttpResponse> refused = f.gate.Send(f.For(row.want - milliseconds(1)), Get("/"));
    REQUIRE(!refused.ok());
    CHECK(refused.error().code() == ErrorCode::kThrottled);
    CHECK(refused.error().retry_after() == row.want);
    CHECK(f.http.Count() == 1);

    INFO("other callers wait");
    f.clock.AdvanceOnWait(true);
    const SteadyTime start = f.clock.Now();
    CHECK(f.gate.Send({}, Get("/")).ok());
    CHECK(f.clock.Now() - start == row.want);
  }
}

TEST_CASE("gate: a 429 halves the rate, which grows back") {
  Fixture f;
  f.http.On("", kHost + "/*", {FakeHttpClient::Respond(429, ""), kOk});
  REQUIRE(f.gate.Send({}, Get("/")).ok());
  CHECK(f.State().rate == 50);
  CHECK(f.State().last_error == "HTTP 429");
  f.clock.Advance(seconds(60));
  CHECK(f.State().rate == 100);
}

TEST_CASE("gate: throttling that server_state recognizes reduces the rate") {
  Fixture f;
  f.http.On("", kHost + "/*", {FakeHttpClient::Respond(400, "ThrottlingException")});
  HttpRequest request = Get("/");
  request.server_state = [](const HttpResponse&) { return ServerState::kThrottles; };
  REQUIRE(f.gate.Send({}, std::move(request)).ok());
  CHECK(f.State().rate == 50);
  CHECK(f.State().last_error == "HTTP 400");
  CHECK_FALSE(f.State().breaker_open);
}

TEST_CASE("gate: only failures of the whole backend count against it") {
  struct Row {
    std::string name;
    FakeHttpClient::Reply reply;
    bool opens;
  };
  using enum ErrorCode;
  const Row rows[] = {
      {"connection refused", kRefused, true},
      {"kDown by server_state", FakeHttpClient::Respond(503, "all of it"), true},
      {"503 of one path", FakeHttpClient::Respond(503, "this namespace is locked"), false},
      {"a failing engine", FakeHttpClient::Respond(502, ""), false},
      {"an engine that is too slow", FakeHttpClient::Respond(504, ""), false},
      {"TLS alert",
       [](const Context&, const FakeHttpClient::RecordedRequest&) -> Result<HttpResponse> {
         return Error(kTransient, "TLS handshake with x (no such name)").OfRequest();
       },
       false},
      {"500", FakeHttpClient::Respond(500, ""), false},
      {"403", FakeHttpClient::Respond(403, ""), false},
      {"404", FakeHttpClient::Respond(404, ""), false},
      {"certificate not trusted", FakeHttpClient::Fail(kInvalid, "no"), false},
      {"cancelled by the caller", FakeHttpClient::Fail(kCancelled, "no"), false},
      {"short deadline of the caller", FakeHttpClient::Fail(kDeadlineExceeded, "no"), false},
      {"too large", FakeHttpClient::Fail(kTooLarge, "no"), false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture f;
    f.http.On("", kHost + "/*", {row.reply});
    for (int i = 0; i < 5; ++i) {
      HttpRequest request = Get("/");
      request.server_state = [](const HttpResponse& response) {
        return response.body.Reveal() == "all of it" ? ServerState::kDown : StateByStatus(response);
      };
      (void)f.gate.Send({}, std::move(request));
    }
    CHECK(f.State().breaker_open == row.opens);
    CHECK(f.MetricSaysOpen() == row.opens);
  }
}

TEST_CASE("gate: a long deadline that passes without a response counts as a failure") {
  Fixture f;
  f.http.On("", kHost + "/*", {[&](const Context&, const FakeHttpClient::RecordedRequest&) {
              f.clock.Advance(seconds(5));
              return Result<HttpResponse>(Error(ErrorCode::kDeadlineExceeded, "time is over"));
            }});
  for (int i = 0; i < 5; ++i) (void)f.gate.Send({}, Get("/"));
  CHECK(f.State().breaker_open);
}

TEST_CASE("gate: a hanging path does not count while other paths get responses") {
  struct Row {
    std::string name;
    FakeHttpClient::Reply meanwhile;
    bool opens;
  };
  const Row rows[] = {
      {"others are answered", kOk, false},
      {"others are denied", FakeHttpClient::Respond(403, ""), false},
      {"others get no answer either", kRefused, true},
      {"others get 502, perhaps from a proxy", FakeHttpClient::Respond(502, ""), true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture f;
    FakeHttpClient::Gate held;
    f.http.On(
        "", kHost + "/hangs",
        {held.Then(FakeHttpClient::Fail(ErrorCode::kTransient, "wait for the answer of it"))});
    f.http.On("", kHost + "/other", {row.meanwhile});
    std::vector<std::jthread> callers;
    for (int i = 0; i < 5; ++i) {
      callers.emplace_back([&] { CHECK(!f.gate.Send({}, Get("/hangs")).ok()); });
    }
    held.AwaitArrivals(5);
    f.clock.Advance(seconds(10));
    (void)f.gate.Send({}, Get("/other"));
    f.clock.Advance(seconds(10));
    held.Release();
    callers.clear();
    CHECK(f.State().breaker_open == row.opens);
  }
}

TEST_CASE("gate: after a probe without a clear outcome the next request is the probe") {
  Fixture f;
  f.http.On(
      "", kHost + "/*",
      {kRefused, kRefused, kRefused, kRefused, kRefused, FakeHttpClient::Respond(502, ""), kOk});
  for (int i = 0; i < 5; ++i) (void)f.gate.Send({}, Get("/"));
  f.clock.Advance(seconds(1));
  CHECK(f.gate.Send({}, Get("/"))->status == 502);
  CHECK(f.State().breaker_open);
  CHECK(f.gate.Send({}, Get("/"))->status == 200);
  CHECK(!f.State().breaker_open);
}

TEST_CASE("gate: while the breaker is open callers fail at once, with the reason") {
  Fixture f;
  f.http.On("", kHost + "/*", {kRefused, kRefused, kRefused, kRefused, kRefused, kRefused, kOk});
  for (int i = 0; i < 5; ++i) (void)f.gate.Send({}, Get("/"));
  const Result<HttpResponse> refused = f.gate.Send({}, Get("/"));
  REQUIRE(!refused.ok());
  CHECK(refused.error().code() == ErrorCode::kTransient);
  CHECK(refused.error().retry_after() == seconds(1));
  CHECK(refused.error().message() ==
        "backend https://vault.test:8200 is held back for 1s after 5 failures, last: connect to "
        "it: connection refused");
  CHECK(f.http.Count() == 5);
  CHECK(f.State().held_for == seconds(1));

  INFO("a failed probe extends the hold, a successful one ends it");
  f.clock.Advance(seconds(1));
  CHECK(!f.gate.Send({}, Get("/")).ok());
  CHECK(f.State().held_for == seconds(2));
  f.clock.Advance(seconds(2));
  CHECK(f.gate.Send({}, Get("/")).ok());
  CHECK(!f.State().breaker_open);
  CHECK(!f.MetricSaysOpen());
  CHECK(f.gate.Send({}, Get("/")).ok());
}

TEST_CASE("gate: a backend that was down is probed with one request at a time") {
  Fixture f;
  FakeHttpClient::Gate held;
  f.http.On("", kHost + "/*",
            {kRefused, kRefused, kRefused, kRefused, kRefused, held.Then(kOk), kOk});
  for (int i = 0; i < 5; ++i) (void)f.gate.Send({}, Get("/"));
  f.clock.Advance(seconds(1));
  bool probe_ok = false;
  std::jthread probe([&] { probe_ok = f.gate.Send({}, Get("/")).ok(); });
  held.AwaitArrivals(1);
  const Result<HttpResponse> other = f.gate.Send({}, Get("/"));
  REQUIRE(!other.ok());
  CHECK(other.error().code() == ErrorCode::kTransient);
  CHECK(other.error().message().find("until the request under way shows") != std::string::npos);
  CHECK(f.http.Count() == 6);
  held.Release();
  probe.join();
  CHECK(probe_ok);
  CHECK(f.gate.Send({}, Get("/")).ok());
}

TEST_CASE("gate: a backend that is down does not slow down the others") {
  Fixture f;
  f.http.On("", kHost + "/*", {kRefused});
  f.http.On("", "http://alive.test/*", {kOk});
  for (int i = 0; i < 5; ++i) (void)f.gate.Send({}, Get("/"));
  std::vector<HttpRequest> mixed = GetMany(2);
  mixed.push_back(Get("/x", "http://alive.test"));
  const auto results = f.gate.SendAll({}, std::move(mixed));
  CHECK(!results[0].ok());
  CHECK(!results[1].ok());
  CHECK(results[2].ok());
}

TEST_CASE("gate: hosts over the limit evict the least recently used, never one in use") {
  BackendGate::Options options;
  options.max_hosts = 3;
  Fixture f(options);
  FakeHttpClient::Gate held;
  f.http.On("", "http://busy.test/*", {held.Then(kOk)});
  f.http.On("", kHost + "/*", {kRefused});
  f.http.On("", FakeHttpClient::UrlPredicate([](std::string_view) { return true; }), {kOk});
  for (int i = 0; i < 5; ++i) (void)f.gate.Send({}, Get("/"));
  CHECK(f.MetricSaysOpen());
  bool caller_ok = false;
  std::jthread caller([&] { caller_ok = f.gate.Send({}, Get("/", "http://busy.test")).ok(); });
  held.AwaitArrivals(1);
  for (int i = 0; i < 20; ++i) {
    CHECK(f.gate.Send({}, Get("/", fmt::format("http://host{}.test", i))).ok());
  }
  std::vector<std::string> names;
  for (const BackendState& state : f.gate.States()) names.push_back(state.host);
  CHECK(names == std::vector<std::string>{"http://busy.test:80", "http://host18.test:80",
                                          "http://host19.test:80"});
  INFO("an evicted host is no longer reported as held back");
  CHECK(!f.MetricSaysOpen());
  held.Release();
  caller.join();
  CHECK(caller_ok);
}

}  // namespace nodekeep
