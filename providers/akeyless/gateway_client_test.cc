#include "providers/akeyless/gateway_client.h"

#include <catch2/catch_test_macros.hpp>

#include "providers/akeyless/test_account.h"

namespace nodekeep::akeyless {
namespace {

using std::chrono::seconds;

struct Bench {
  Result<Json> Send(Step step = Step::kRead, const std::string& command = "describe-item") {
    return api.Send(Context(), options, step,
                    {command, RequestBody().Text("name", "/a").Text("token", "t-secret").Take()});
  }

  TestGateway gateway;
  Options options = TestOptions();
  GatewayClient api{gateway.http, gateway.clock, seconds(30)};
};

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("akeyless wire: a command is a POST of JSON below the configured URL") {
  Bench bench;
  bench.gateway.On("describe-item", 200, R"({"item_name":"/a","new_member":[1,{"x":null}]})");
  Result<Json> reply = bench.Send();
  REQUIRE(reply.ok());
  CHECK(TextOf(Find(*reply, {"item_name"})) == "/a");
  const auto seen = bench.gateway.http.Requests().at(0);
  CHECK(seen.method == "POST");
  CHECK(seen.url == "https://gw:8000/api/v2/describe-item");
  CHECK(seen.headers.at("content-type") == "application/json");
  CHECK(seen.headers.at("accept") == "application/json");
  CHECK(seen.headers.at("akeylessclienttype") == "nodekeep");
  REQUIRE(seen.tls_names != nullptr);
  CHECK(seen.tls_names->ca == "nodekeep/caBundle or nodekeep/caFile");
  CHECK(seen.body == R"({"name":"/a","token":"t-secret"})");
}

TEST_CASE("akeyless wire: a body omits empty texts and escapes the others") {
  CHECK(RequestBody().Take().Reveal() == "{}");
  CHECK(RequestBody()
            .Text("a", "\"\n")
            .Text("b", "")
            .Texts("names", {"/x", "/ü\\"})
            .Number("version", -3)
            .Flag("json", true)
            .Take()
            .Reveal() == R"({"a":"\"\n","names":["/x","/ü\\"],"version":-3,"json":true})");
}

TEST_CASE("akeyless wire: the error code of a status, at login and at a read") {
  struct Row {
    std::string name;
    int status;
    std::string body, login, read, hint;
  };
  const std::string json = R"({"error":"the words"})";
  const Row rows[] = {
      {"bad request", 400, json, "invalid", "invalid", "the words (status 400"},
      {"stale token or denied path", 401, json, "denied", "auth_expired", "the words"},
      {"denied path", 401, R"({"error":"UnauthorizedAccess: x"})", "denied", "denied",
       "UnauthorizedAccess"},
      {"a filter", 403, json, "denied", "denied", "the words"},
      {"missing item", 404, json, "invalid", "not_found", "the words"},
      {"wrong port", 404, "404 page not found\n", "invalid", "invalid",
       "https://<host>:8000/api/v2"},
      {"conflict", 409, json, "invalid", "conflict", "the words"},
      {"throttled", 429, json, "throttled", "throttled", "rate limit"},
      {"server", 500, json, "transient", "transient", "the words"},
      {"balancer", 502, "<html>", "transient", "transient", "not JSON"},
      {"redirect", 302, "", "invalid", "invalid", "redirects are not followed"},
      {"lost session", 400, R"({"error":"client not found in cache"})", "invalid", "invalid",
       "client not found in cache"},
      {"no reason", 400, "{}", "invalid", "invalid", "no reason given"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    for (Step step : {Step::kLogin, Step::kRead}) {
      Bench bench;
      bench.gateway.On("describe-item", row.status, row.body);
      const Result<Json> reply = bench.Send(step);
      CHECK(CodeOf(reply) == (step == Step::kLogin ? row.login : row.read));
      INFO(MessageOf(reply));
      CHECK(Contains(MessageOf(reply), row.hint));
    }
  }
}

TEST_CASE("akeyless wire: Retry-After is obeyed in seconds and as a date") {
  Bench bench;
  bench.gateway.On("describe-item", 429, R"({"error":"x"})", {{"retry-after", "7"}});
  CHECK(bench.Send().error().retry_after() == seconds(7));
}

TEST_CASE("akeyless wire: a 200 that is not the API's is an error") {
  struct Row {
    std::string name, body, code, hint;
  };
  const Row rows[] = {
      {"v1 API", R"({"status":"error","response":["unknown command"]})", "invalid", "API v1"},
      {"v1 API in plain text", "unknown command", "invalid", "API v1"},
      {"a value with that text", R"({"/a":"unknown command"})", "ok", ""},
      {"cut", R"({"/a":"val)", "transient", "proxy"},
      {"a page", "<html></html>", "transient", "proxy"},
      {"nothing", "", "transient", "proxy"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.gateway.On("describe-item", 200, row.body);
    const Result<Json> reply = bench.Send();
    CHECK(CodeOf(reply) == row.code);
    if (!reply.ok()) CHECK(Contains(MessageOf(reply), row.hint));
  }
}

TEST_CASE("akeyless wire: errors show no ids and no tokens") {
  struct Row {
    std::string name, words, want;
  };
  const Row rows[] = {
      {"ids", "account acc-abc123def456 access p-0123456789am: denied",
       "account acc-*** access p-***: denied"},
      {"tokens", "token t-0123456789abcdef, u-AQAAAD.x_y=z gone", "token t-***, u-*** gone"},
      {"words that only look so", "t-shirt p-1 u-boot /app/p-1", "t-shirt p-1 u-boot /app/p-1"},
      {"more lines", "one\n\ttwo\x01 three.", "one two three"},
      {"our own token", "got t-secret", "(the gateway's text repeats the credential; withheld)"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Json body(jsoncons::json_object_arg);
    body.insert_or_assign("error", row.words);
    Bench bench;
    bench.gateway.On("describe-item", 400, std::string(GoJson(body).Reveal()));
    CHECK(MessageOf(bench.Send()) ==
          row.want + " (status 400 of POST https://gw:8000/api/v2/describe-item)");
  }
}

TEST_CASE("akeyless gateways: one that does not answer is tried last for a while") {
  Bench bench;
  bench.options = TestOptions({AccessType::kAccessKey}, {"https://one", "https://two"});
  auto& http = bench.gateway.http;
  http.On("POST", "https://one*",
          {FakeHttpClient::Fail(ErrorCode::kTransient, "cannot connect"),
           FakeHttpClient::Respond(200, R"({"from":"one"})")});
  http.On("POST", "https://two*", {FakeHttpClient::Respond(200, R"({"from":"two"})")});
  const auto from = [&] { return TextOf(Find(*bench.Send(), {"from"})).value_or("?"); };
  CHECK(from() == "two");
  CHECK(http.Count("https://one") == 1);
  CHECK(from() == "two");
  CHECK(http.Count("https://one") == 1);
  bench.gateway.clock.Advance(seconds(31));
  CHECK(from() == "one");
}

TEST_CASE("akeyless gateways: which failures make the client try the next one") {
  struct Row {
    std::string name;
    FakeHttpClient::Reply reply;
    Step step;
    bool passes;
  };
  const auto fail = [](ErrorCode code) { return FakeHttpClient::Fail(code, "x"); };
  const Row rows[] = {
      {"no answer", fail(ErrorCode::kTransient), Step::kRead, true},
      {"bad gateway", FakeHttpClient::Respond(502, "<html>"), Step::kRead, true},
      {"server error", FakeHttpClient::Respond(500, R"({"error":"x"})"), Step::kLogin, true},
      {"a cut reply", FakeHttpClient::Respond(200, R"({"a)"), Step::kRead, true},
      {"an untrusted certificate", fail(ErrorCode::kInvalid), Step::kRead, false},
      {"denied", FakeHttpClient::Respond(401, R"({"error":"x"})"), Step::kRead, false},
      {"missing", FakeHttpClient::Respond(404, R"({"error":"x"})"), Step::kRead, false},
      {"throttled, which is of the access id", FakeHttpClient::Respond(429, R"({"error":"x"})"),
       Step::kRead, false},
      {"a mint that may have been made", fail(ErrorCode::kTransient), Step::kMint, false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.options = TestOptions({AccessType::kAccessKey}, {"https://one", "https://two"});
    bench.gateway.http.On("POST", "https://one*", {row.reply});
    bench.gateway.http.On("POST", "https://two*", {FakeHttpClient::Respond(200, "{}")});
    CHECK(bench.Send(row.step).ok() == row.passes);
    CHECK(bench.gateway.http.Count("https://two") == (row.passes ? 1 : 0));
  }
}

TEST_CASE("akeyless gateways: a mint with an unknown outcome is not tried again at once") {
  Bench bench;
  bench.gateway.On("describe-item", {FakeHttpClient::Fail(ErrorCode::kTransient, "cut")});
  const Result<Json> reply = bench.Send(Step::kMint);
  CHECK(CodeOf(reply) == "transient");
  // Longer than any fetch.budget that an operator may set.
  CHECK(reply.error().retry_after() >= std::chrono::hours(24));
}

TEST_CASE("akeyless gateways: one that hangs leaves time for the next") {
  Bench bench;
  bench.options = TestOptions({AccessType::kAccessKey}, {"https://one", "https://two"});
  bench.gateway.http.On("POST", "*",
                        {FakeHttpClient::Fail(ErrorCode::kTransient, "timed out"),
                         FakeHttpClient::Respond(200, "{}")});
  const Context context(bench.gateway.clock.Now() + seconds(10), {});
  REQUIRE(bench.api.Send(context, bench.options, Step::kRead, {"describe-item", {}}).ok());
  const auto seen = bench.gateway.http.Requests();
  CHECK(seen[0].timeout == seconds(5));
  CHECK(seen[1].timeout == seconds(10));
}

TEST_CASE("akeyless gateways: each gets a fair time, as long as there is time") {
  Bench bench;
  std::vector<std::string> urls;
  for (int i = 0; i < 9; ++i) urls.push_back("https://gw" + std::to_string(i));
  bench.options = TestOptions({AccessType::kAccessKey}, urls);
  FakeClock& clock = bench.gateway.clock;
  bench.gateway.http.On(
      "POST", "*", {[&](const Context& context, const FakeHttpClient::RecordedRequest& seen) {
        clock.Advance(seen.timeout);
        return FakeHttpClient::Fail(ErrorCode::kTransient, "timed out")(context, seen);
      }});
  const Context context(clock.Now() + seconds(12), {});
  CHECK_FALSE(bench.api.Send(context, bench.options, Step::kRead, {"describe-item", {}}).ok());
  std::vector<Duration> timeouts;
  for (const auto& seen : bench.gateway.http.Requests()) timeouts.push_back(seen.timeout);
  CHECK(timeouts == std::vector<Duration>{seconds(5), seconds(5), seconds(2)});
}

TEST_CASE("akeyless gateways: one that had too little time is not taken for down") {
  Bench bench;
  bench.options = TestOptions({AccessType::kAccessKey}, {"https://one", "https://two"});
  bench.gateway.http.On("POST", "https://one*",
                        {FakeHttpClient::Fail(ErrorCode::kTransient, "timed out"),
                         FakeHttpClient::Respond(200, "{}")});
  bench.gateway.http.On("POST", "https://two*", {FakeHttpClient::Respond(200, "{}")});
  const Context context(bench.gateway.clock.Now() + seconds(3), {});
  REQUIRE(bench.api.Send(context, bench.options, Step::kRead, {"describe-item", {}}).ok());
  REQUIRE(bench.Send().ok());
  CHECK(bench.gateway.http.Count("https://one") == 2);
}

TEST_CASE("akeyless gateways: a mint may use all the time, because only one gateway is tried") {
  Bench bench;
  bench.options = TestOptions({AccessType::kAccessKey}, {"https://one", "https://two"});
  bench.gateway.http.On("POST", "*", {FakeHttpClient::Respond(200, "{}")});
  const Context context(bench.gateway.clock.Now() + seconds(10), {});
  REQUIRE(bench.api.Send(context, bench.options, Step::kMint, {"get-pki-certificate", {}}).ok());
  CHECK(bench.gateway.http.Requests().at(0).timeout == seconds(10));
}

TEST_CASE("akeyless gateways: one that must not be called is skipped, and the error says why") {
  Bench bench;
  bench.options.gateways[0].problem = "plain HTTP is not allowed";
  const Result<Json> reply = bench.Send();
  CHECK(CodeOf(reply) == "invalid");
  CHECK(MessageOf(reply) == "gateway \"https://gw:8000/api/v2\": plain HTTP is not allowed");
  CHECK(bench.gateway.http.Count() == 0);
}

}  // namespace nodekeep::akeyless
