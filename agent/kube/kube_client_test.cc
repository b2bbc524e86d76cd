#include "agent/kube/kube_client.h"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

using Http = FakeHttpClient;

KubeConnection Connection() {
  KubeConnection connection;
  connection.server = "https://kube.test:6443";
  connection.source = "kubeconfig k";
  return connection;
}

struct Fixture {
  KubeClient Client() { return Client(Connection()); }
  KubeClient Client(KubeConnection connection) {
    return KubeClient(http, std::move(connection), clock, rng, {.retry = {.attempts = 3}});
  }

  FakeHttpClient http;
  FakeClock clock;
  FakeRng rng;
};

std::string StatusBody(int code, const std::string& reason, const std::string& message) {
  return fmt::format(
      R"({{"kind":"Status","status":"Failure","code":{},"reason":"{}","message":"{}"}})", code,
      reason, message);
}

}  // namespace

TEST_CASE("kubernetes: a GET uses the connection's token and TLS settings") {
  Fixture fixture;
  fixture.http.On("GET", "https://kube.test:6443/api/v1/nodes/n",
                  {Http::Respond(200, R"({"kind":"Node"})")});
  const auto tls = std::make_shared<TlsSettings>();
  KubeConnection connection = Connection();
  connection.tls = tls;
  connection.token = SecretBytes("abc");
  KubeClient client = fixture.Client(std::move(connection));
  Result<Json> node = client.Get(Context(), "/api/v1/nodes/n");
  REQUIRE(node.ok());
  CHECK(TextOf(Find(*node, {"kind"})) == "Node");
  const Http::RecordedRequest seen = fixture.http.Requests().at(0);
  CHECK(seen.headers.at("authorization") == "Bearer abc");
  CHECK(seen.headers.at("accept") == "application/json");
  CHECK(seen.tls == tls);
  REQUIRE(seen.tls_names != nullptr);
  CHECK(seen.tls_names->ca == "certificate-authority-data of the cluster");
  CHECK(seen.body.empty());
}

TEST_CASE("kubernetes: a body is posted as JSON") {
  Fixture fixture;
  fixture.http.On("POST", "https://kube.test:6443/x", {Http::Respond(201, "{}")});
  Json body;
  body["a"] = "<b>";
  CHECK(fixture.Client().PostRepeatable(Context(), "/x", body).ok());
  const Http::RecordedRequest seen = fixture.http.Requests().at(0);
  CHECK(seen.body == R"({"a":"\u003cb\u003e"})");
  CHECK(seen.headers.at("content-type") == "application/json");
  CHECK_FALSE(seen.headers.contains("authorization"));
}

TEST_CASE("kubernetes: a Status becomes an error with the matching code and the server's message") {
  struct Row {
    std::string name;
    int status;
    std::string body;
    ErrorCode code;
    std::string want;
    std::size_t requests;
  };
  const Row rows[] = {
      {"bad request", 400, StatusBody(400, "BadRequest", "no"), ErrorCode::kInvalid,
       "kubernetes: GET /x: 400 BadRequest: no", 1},
      {"unauthorized", 401, StatusBody(401, "Unauthorized", "Unauthorized"),
       ErrorCode::kAuthExpired, "kubernetes: GET /x: 401 Unauthorized: Unauthorized", 1},
      {"forbidden", 403, StatusBody(403, "Forbidden", "pods is forbidden"), ErrorCode::kDenied,
       "kubernetes: GET /x: 403 Forbidden: pods is forbidden", 1},
      {"not found", 404, StatusBody(404, "NotFound", "pods \\\"a\\\" not found"),
       ErrorCode::kNotFound, "kubernetes: GET /x: 404 NotFound: pods \"a\" not found", 1},
      {"request timeout", 408, StatusBody(408, "Timeout", "slow"), ErrorCode::kTransient,
       "408 Timeout: slow (gave up after 3 attempts)", 3},
      {"conflict", 409, StatusBody(409, "Conflict", "uid"), ErrorCode::kConflict,
       "409 Conflict: uid", 1},
      {"gone", 410, StatusBody(410, "Expired", "too old"), ErrorCode::kConflict, "410 Expired", 1},
      {"too large", 413, StatusBody(413, "RequestEntityTooLarge", "big"), ErrorCode::kTooLarge,
       "413", 1},
      {"unprocessable", 422, StatusBody(422, "Invalid", "field"), ErrorCode::kInvalid, "422", 1},
      {"throttled", 429, StatusBody(429, "TooManyRequests", "later"), ErrorCode::kThrottled,
       "(gave up after 3 attempts)", 3},
      {"server error", 500, StatusBody(500, "InternalError", "etcd"), ErrorCode::kTransient,
       "500 InternalError: etcd (gave up after 3 attempts)", 3},
      {"a proxy's page", 502, "<html>", ErrorCode::kTransient,
       "502: not a response of a Kubernetes API server", 3},
      {"another server", 404, "not here", ErrorCode::kNotFound,
       "404: not a response of a Kubernetes API server", 1},
      {"not JSON", 200, "ok", ErrorCode::kInternal, "200: the response is not JSON", 1},
      {"broken off", 200, "{\"a\":", ErrorCode::kInternal, "unexpected end of JSON input", 1},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.clock.AdvanceOnWait(true);
    fixture.http.On("GET", "https://kube.test:6443/x", {Http::Respond(row.status, row.body)});
    Result<Json> answer = fixture.Client().Get(Context(), "/x");
    REQUIRE_FALSE(answer.ok());
    INFO(answer.error().message());
    CHECK(answer.error().code() == row.code);
    CHECK(answer.error().message().find(row.want) != std::string::npos);
    CHECK(fixture.http.Count() == row.requests);
  }
}

TEST_CASE("kubernetes: an overlong message is truncated") {
  Fixture fixture;
  fixture.http.On("GET", "https://kube.test:6443/x",
                  {Http::Respond(403, StatusBody(403, "Forbidden", std::string(5000, 'm')))});
  Result<Json> answer = fixture.Client().Get(Context(), "/x");
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().message().size() < 600);
  CHECK(answer.error().message().ends_with("m..."));
}

TEST_CASE("kubernetes: a throttled request is retried after the server's delay") {
  struct Row {
    std::string name, body;
    Http::Headers headers;
    Duration least;
  };
  const Row rows[] = {
      {"header",
       StatusBody(429, "TooManyRequests", "later"),
       {{"retry-after", "3"}},
       std::chrono::seconds(3)},
      {"in the Status",
       R"({"kind":"Status","reason":"TooManyRequests","details":{"retryAfterSeconds":2}})",
       {},
       std::chrono::seconds(2)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.clock.AdvanceOnWait(true);
    fixture.http.On("GET", "https://kube.test:6443/x",
                    {Http::Respond(429, row.body, row.headers), Http::Respond(200, "{}")});
    const SteadyTime before = fixture.clock.Now();
    CHECK(fixture.Client().Get(Context(), "/x").ok());
    CHECK(fixture.clock.Now() - before >= row.least);
    CHECK(fixture.clock.Now() - before < row.least + std::chrono::seconds(1));
  }
}

TEST_CASE("kubernetes: a network error is retried, an ended context is not") {
  Fixture fixture;
  fixture.clock.AdvanceOnWait(true);
  fixture.http.On(
      "GET", "https://kube.test:6443/x",
      {Http::Fail(ErrorCode::kTransient, "connect: refused"), Http::Respond(200, "{}")});
  KubeClient client = fixture.Client();
  CHECK(client.Get(Context(), "/x").ok());
  CHECK(fixture.http.Count() == 2);

  fixture.http.On("GET", "https://kube.test:6443/y",
                  {Http::Fail(ErrorCode::kTransient, "connect: refused")});
  CHECK_FALSE(client.Get(Context().WithDeadline(fixture.clock.Now()), "/y").ok());
  CHECK(fixture.http.Count("/y") <= 1);
}

TEST_CASE("kubernetes: a token file is read again for each request") {
  TempDir folder;
  const auto write = [&](const std::string& text) { folder.Write("token", text); };
  Fixture fixture;
  fixture.http.On("GET", "https://kube.test:6443/x", {Http::Respond(200, "{}")});
  KubeConnection connection = Connection();
  connection.token = SecretBytes("not this");
  connection.token_file = folder / "token";
  KubeClient client = fixture.Client(std::move(connection));
  write("first\n");
  CHECK(client.Get(Context(), "/x").ok());
  write("second");
  CHECK(client.Get(Context(), "/x").ok());
  CHECK(fixture.http.Requests().at(0).headers.at("authorization") == "Bearer first");
  CHECK(fixture.http.Requests().at(1).headers.at("authorization") == "Bearer second");

  write(" \n");
  Result<Json> empty = client.Get(Context(), "/x");
  REQUIRE_FALSE(empty.ok());
  CHECK(empty.error().message() == "kubernetes: GET /x: token of kubeconfig k: read \"" +
                                       (folder / "token") + "\": it is empty");
  std::filesystem::remove(folder / "token");
  Result<Json> missing = client.Get(Context(), "/x");
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code() == ErrorCode::kInvalid);
  CHECK(fixture.http.Count() == 2);
}

TEST_CASE("kubernetes: each write has its method and content type, and requests metadata only") {
  struct Row {
    std::string name;
    std::function<Status(KubeClient&)> write;
    std::string method, target, content_type, body;
  };
  const auto done = [](const Result<Json>& answer) {
    return answer.ok() ? Status() : Status(answer.error());
  };
  Json body;
  body["kind"] = "Secret";
  const std::string sent = R"({"kind":"Secret"})";
  const Row rows[] = {
      {"create", [&](KubeClient& c) { return done(c.Create(Context(), "/s", body)); }, "POST", "/s",
       "application/json", sent},
      {"update", [&](KubeClient& c) { return done(c.Update(Context(), "/s/a", body)); }, "PUT",
       "/s/a", "application/json", sent},
      {"apply",
       [&](KubeClient& c) { return done(c.Apply(Context(), "/s/a", body, "node keep", true)); },
       "PATCH", "/s/a?fieldManager=node%20keep&force=true", "application/apply-patch+yaml", sent},
      {"apply without force",
       [&](KubeClient& c) { return done(c.Apply(Context(), "/s/a", body, "nk", false)); }, "PATCH",
       "/s/a?fieldManager=nk&force=false", "application/apply-patch+yaml", sent},
      {"merge patch", [&](KubeClient& c) { return done(c.MergePatch(Context(), "/s/a", body)); },
       "PATCH", "/s/a", "application/merge-patch+json", sent},
      {"delete", [&](KubeClient& c) { return c.Delete(Context(), "/s/a", ""); }, "DELETE", "/s/a",
       "application/json",
       R"({"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background"})"},
      {"delete with a uid", [&](KubeClient& c) { return c.Delete(Context(), "/s/a", "u-1"); },
       "DELETE", "/s/a", "application/json",
       R"({"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u-1"},)"
       R"("propagationPolicy":"Background"})"},
      {"delete with a uid and version",
       [&](KubeClient& c) { return c.Delete(Context(), "/s/a", "u-1", "7"); }, "DELETE", "/s/a",
       "application/json",
       R"({"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"resourceVersion":"7",)"
       R"("uid":"u-1"},"propagationPolicy":"Background"})"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.http.On("", "https://kube.test:6443/*", {Http::Respond(200, "{}")});
    KubeClient client = fixture.Client();
    CHECK(row.write(client).ok());
    REQUIRE(fixture.http.Count() == 1);
    const Http::RecordedRequest seen = fixture.http.Requests().at(0);
    CHECK(seen.method == row.method);
    CHECK(seen.url == "https://kube.test:6443" + row.target);
    CHECK(seen.headers.at("content-type") == row.content_type);
    CHECK(seen.headers.at("user-agent") == "nodekeep");
    CHECK(seen.headers.at("accept").find("as=PartialObjectMetadata;") != std::string::npos);
    CHECK(seen.body == row.body);
  }
}

TEST_CASE("kubernetes: deleting an absent object succeeds, deleting a replaced one is a conflict") {
  Fixture fixture;
  fixture.http.On("DELETE", "https://kube.test:6443/s/gone",
                  {Http::Respond(404, StatusBody(404, "NotFound", "no"))});
  fixture.http.On("DELETE", "https://kube.test:6443/s/other",
                  {Http::Respond(409, StatusBody(409, "Conflict", "the UID does not match"))});
  KubeClient client = fixture.Client();
  CHECK(client.Delete(Context(), "/s/gone", "").ok());
  const Status replaced = client.Delete(Context(), "/s/other", "u-1");
  REQUIRE_FALSE(replaced.ok());
  CHECK(replaced.error().code() == ErrorCode::kConflict);
  CHECK(replaced.error().message() ==
        "kubernetes: DELETE /s/other: 409 Conflict: the UID does not match");
}

TEST_CASE("kubernetes: a list is read page by page") {
  Fixture fixture;
  fixture.http.On("GET", "https://kube.test:6443/pods?fieldSelector=spec.nodeName%3Dn&limit=500",
                  {Http::Respond(200, R"({"metadata":{"continue":"a/b"},"items":[{"n":1}]})")});
  fixture.http.On(
      "GET", "https://kube.test:6443/pods?fieldSelector=spec.nodeName%3Dn&limit=500&continue=a%2Fb",
      {Http::Respond(200, R"({"metadata":{},"items":[{"n":2},{"n":3}]})")});
  Result<std::vector<Json>> pods =
      fixture.Client().List(Context(), {.path = "/pods", .field_selector = "spec.nodeName=n"});
  REQUIRE(pods.ok());
  REQUIRE(pods->size() == 3);
  CHECK(IntOf(Find(pods->at(2), {"n"})) == 3);
}

TEST_CASE("kubernetes: a list whose next page has expired starts again, once") {
  struct Row {
    std::string name;
    std::vector<Http::Reply> second_pages;
    bool ok;
    std::size_t requests;
  };
  const Http::Reply expired = Http::Respond(410, StatusBody(410, "Expired", "too old"));
  const Row rows[] = {
      {"the second pass succeeds", {expired, Http::Respond(200, R"({"items":[{}]})")}, true, 4},
      {"the second pass expires too", {expired}, false, 4},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Fixture fixture;
    fixture.http.On("GET", "https://kube.test:6443/pods?limit=500",
                    {Http::Respond(200, R"({"metadata":{"continue":"x"},"items":[{}]})")});
    fixture.http.On("GET", "https://kube.test:6443/pods?limit=500&continue=x", row.second_pages);
    Result<std::vector<Json>> pods = fixture.Client().List(Context(), {.path = "/pods"});
    CHECK(pods.ok() == row.ok);
    if (pods.ok()) CHECK(pods->size() == 2);
    CHECK(fixture.http.Count() == row.requests);
  }
}

}  // namespace nodekeep
