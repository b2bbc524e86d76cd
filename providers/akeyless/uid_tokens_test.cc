#include "providers/akeyless/uid_tokens.h"

#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/digest.h"
#include "agent/base/mutex.h"
#include "agent/base/shared_resource.h"
#include "providers/akeyless/test_login.h"
#include "providers/akeyless/uid_token_file.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep::akeyless {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Counts the rotations and acknowledgements that it answers. Must outlive the LoginBench, whose
// upkeep thread calls it.
class RotateCalls {
 public:
  FakeHttpClient::Reply Answer(const std::string& token) {
    return Answer(200, R"({"token":")" + token + R"("})");
  }
  FakeHttpClient::Reply Answer(int status, const std::string& body) {
    return
        [this, status, body](const Context& context, const FakeHttpClient::RecordedRequest& seen) {
          MutexLock lock(mutex_);
          ++count_;
          more_.notify_all();
          return FakeHttpClient::Respond(status, body)(context, seen);
        };
  }
  int Count() {
    MutexLock lock(mutex_);
    return count_;
  }
  // The next rotation is timed from when the last one was recorded, which the test cannot observe,
  // so the clock advances until it comes.
  bool Reach(int count, FakeClock& clock) {
    for (int step = 0; step < 200; ++step) {
      clock.Advance(2 * UidTokens::kRotateEvery);
      MutexLock lock(mutex_);
      if (more_.wait_for(lock, milliseconds(50), [&] { return count_ >= count; })) return true;
    }
    return false;
  }

 private:
  Mutex mutex_;
  std::condition_variable_any more_;
  int count_ = 0;
};

// Records the limits of responses and answers nothing.
class LimitsSeen final : public HttpClient {
 public:
  std::vector<Result<HttpResponse>> SendAll(const Context&,
                                            std::vector<HttpRequest> requests) override {
    std::vector<Result<HttpResponse>> replies;
    for (const HttpRequest& request : requests) {
      limits.push_back(request.max_response_bytes);
      replies.emplace_back(Error(ErrorCode::kTransient, "no answer"));
    }
    return replies;
  }

  std::vector<std::size_t> limits;
};

}  // namespace

TEST_CASE("universal identity: rotated with an acknowledgement, then exchanged") {
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-first");
  bench.gateway.On("uid-rotate-token", 200, R"({"token":"u-second"})");
  bench.gateway.On("auth", 200, kToken);
  Result<Credential> credential = bench.LogIn();
  REQUIRE(credential.ok());
  CHECK(credential->token.Reveal() == "t-1");
  CHECK(bench.gateway.BodyText("uid-rotate-token", 0) ==
        R"({"uid-token":"u-first","with-manual-ack":true})");
  CHECK(bench.gateway.BodyText("uid-rotate-token", 1) ==
        R"({"send-manual-ack-token":"u-second","uid-token":"u-first"})");
  CHECK(TextOf(Find(bench.gateway.Body("auth"), {"uid-token"})) == "u-second");
}

TEST_CASE("universal identity: two mounts of one first token never rotate against each other") {
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-first");
  bench.gateway.On(
      "uid-rotate-token",
      {FakeHttpClient::Respond(200, R"({"token":"u-2"})"), FakeHttpClient::Respond(200, "{}"),
       FakeHttpClient::Respond(200, R"({"token":"u-3"})"), FakeHttpClient::Respond(200, "{}")});
  bench.gateway.On("auth", 200, kToken);
  REQUIRE(bench.LogIn().ok());
  bench.pod.pod->name = "other";
  REQUIRE(bench.LogIn().ok());
  CHECK(bench.gateway.Count("uid-rotate-token") == 2);
  CHECK(TextOf(Find(bench.gateway.Body("auth", 1), {"uid-token"})) == "u-2");
  bench.gateway.clock.Advance(UidTokens::kRotateEvery);
  REQUIRE(bench.LogIn().ok());
  CHECK(TextOf(Find(bench.gateway.Body("uid-rotate-token", 2), {"uid-token"})) == "u-2");
  CHECK(TextOf(Find(bench.gateway.Body("auth", 2), {"uid-token"})) == "u-3");
}

TEST_CASE("universal identity: one without logins is kept alive") {
  RotateCalls calls;
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-first");
  bench.gateway.On("uid-rotate-token", {calls.Answer("u-next")});
  bench.gateway.On("auth", 200, kToken);
  REQUIRE(bench.LogIn().ok());
  CHECK(calls.Reach(4, bench.gateway.clock));
  CHECK(calls.Reach(6, bench.gateway.clock));
  CHECK(bench.gateway.Count("auth") == 1);
}

TEST_CASE("universal identity: the upkeep uses the namespace's share of the node") {
  RotateCalls calls;
  Mutex mutex;
  std::string latest;
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-first");
  const FakeHttpClient::Reply reply = [&](const Context& context,
                                          const FakeHttpClient::RecordedRequest& seen) {
    {
      MutexLock lock(mutex);
      latest = context.namespace_name();
    }
    return calls.Answer("u-next")(context, seen);
  };
  bench.gateway.On("uid-rotate-token", {reply});
  bench.gateway.On("auth", 200, kToken);
  REQUIRE(bench.LogIn().ok());
  CHECK(calls.Reach(4, bench.gateway.clock));
  MutexLock lock(mutex);
  CHECK(latest == "shop");
}

TEST_CASE("universal identity: the size of the gateway's answer is limited") {
  LimitsSeen http;
  FakeClock clock;
  GatewayClient api(http, clock, seconds(30));
  LoginGuard guard(clock);
  UidTokens tokens(api, guard, clock, {});
  REQUIRE(tokens.Get(Context(), TestOptions(), "u-first", "shop").ok());
  REQUIRE(http.limits.size() == 1);
  CHECK(http.limits.front() == 65536);
}

TEST_CASE("universal identity: the upkeep retries after a refusal, which may be temporary") {
  RotateCalls calls;
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-first");
  bench.gateway.On(
      "uid-rotate-token",
      {FakeHttpClient::Respond(200, R"({"token":"u-2"})"), FakeHttpClient::Respond(200, "{}"),
       FakeHttpClient::Respond(403, "forbidden by a proxy"), calls.Answer("u-3")});
  bench.gateway.On("auth", 200, kToken);
  REQUIRE(bench.LogIn().ok());
  CHECK(calls.Reach(2, bench.gateway.clock));
  CHECK(bench.gateway.Count("auth") == 1);
}

TEST_CASE("universal identity: a failed rotation is retried soon, except after a refusal") {
  struct Row {
    std::string name;
    FakeHttpClient::Reply reply;
    Duration again_after;
  };
  const Row rows[] = {
      {"404 of an ingress", FakeHttpClient::Respond(404, "default backend - 404"), seconds(30)},
      {"400", FakeHttpClient::Respond(400, R"({"error":"bad"})"), seconds(30)},
      {"redirect", FakeHttpClient::Respond(302, ""), seconds(30)},
      {"untrusted certificate", FakeHttpClient::Fail(ErrorCode::kPrecondition, "certificate"),
       seconds(30)},
      {"500", FakeHttpClient::Respond(500, ""), seconds(30)},
      {"401", FakeHttpClient::Respond(401, R"({"error":"UnauthorizedAccess"})"), minutes(15)},
      {"401 of a stale token", FakeHttpClient::Respond(401, kRefusal), minutes(15)},
      {"403", FakeHttpClient::Respond(403, ""), minutes(15)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    LoginBench bench(AccessType::kUniversalIdentity);
    bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-first");
    bench.gateway.On("uid-rotate-token", {row.reply});
    bench.gateway.On("auth", 400, "{}");  // neither accepted nor refused
    (void)bench.LogIn();
    bench.gateway.clock.Advance(row.again_after - seconds(1));
    (void)bench.LogIn();
    CHECK(bench.gateway.Count("uid-rotate-token") == 1);
    bench.gateway.clock.Advance(seconds(1));
    (void)bench.LogIn();
    CHECK(bench.gateway.Count("uid-rotate-token") == 2);
  }
}

TEST_CASE("universal identity: a class with a mistyped gateway does not stop its rotation") {
  struct Row {
    std::string name;
    int rotated;  // status of the rotation of the class that works
  };
  for (const Row& row : {Row{"a rotation has worked", 200}, Row{"a login has worked", 500}}) {
    INFO(row.name);
    RotateCalls calls;
    LoginBench bench(AccessType::kUniversalIdentity);
    bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-first");
    bench.gateway.On(
        "uid-rotate-token",
        {FakeHttpClient::Respond(row.rotated, R"({"token":"u-2"})"), calls.Answer("u-3")});
    bench.gateway.On("auth", 200, kToken);
    bench.gateway.http.On("POST", "https://mistyped/*", {FakeHttpClient::Respond(404, "no API")});
    REQUIRE(bench.LogIn().ok());
    const int before = calls.Count();

    bench.options = TestOptions({AccessType::kUniversalIdentity}, {"https://mistyped"});
    bench.gateway.clock.Advance(UidTokens::kRotateEvery);
    CHECK(CodeOf(bench.LogIn()) == "invalid");
    CHECK(calls.Count() == before + 2);
    CHECK(calls.Reach(before + 4, bench.gateway.clock));
    CHECK(bench.gateway.http.Count("mistyped/uid-rotate-token") == 0);
  }
}

TEST_CASE("universal identity: a restart continues with the stored token") {
  TempDir directory;
  {
    LoginBench bench(AccessType::kUniversalIdentity);
    bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-first");
    bench.options.uid_token_directory = directory / "uid";
    bench.gateway.On(
        "uid-rotate-token",
        {FakeHttpClient::Respond(200, R"({"token":"u-2"})"),
         [&](const Context& context, const FakeHttpClient::RecordedRequest& seen) {
           INFO("kept before it is acknowledged");
           CHECK(UidTokenFile(directory / "uid", "u-first").Read()->value().Reveal() == "u-2");
           return FakeHttpClient::Respond(200, "{}")(context, seen);
         }});
    bench.gateway.On("auth", 200, kToken);
    REQUIRE(bench.LogIn().ok());
  }
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-first");
  bench.options.uid_token_directory = directory / "uid";
  bench.gateway.On("uid-rotate-token", 200, R"({"token":"u-3"})");
  bench.gateway.On("auth", 200, kToken);
  REQUIRE(bench.LogIn().ok());
  CHECK(TextOf(Find(bench.gateway.Body("uid-rotate-token", 0), {"uid-token"})) == "u-2");
  CHECK(TextOf(Find(bench.gateway.Body("auth"), {"uid-token"})) == "u-3");
}

TEST_CASE("universal identity: a token that cannot be stored is not acknowledged") {
  TempDir directory;
  directory.Write("full", "");
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-first");
  bench.options.uid_token_directory = directory / "full";
  bench.gateway.On("uid-rotate-token", 200, R"({"token":"u-2"})");
  bench.gateway.On("auth", {FakeHttpClient::Respond(200, kToken),
                            FakeHttpClient::Respond(401, R"({"error":"expired"})")});
  REQUIRE(bench.LogIn().ok());
  CHECK(bench.gateway.Count("uid-rotate-token") == 1);
  CHECK(TextOf(Find(bench.gateway.Body("auth"), {"uid-token"})) == "u-first");
  const auto refused = bench.LogIn();
  REQUIRE_FALSE(refused.ok());
  CHECK(Contains(refused.error().message(), "make it writable for the agent"));
}

TEST_CASE("universal identity: a lost reply loses nothing") {
  struct Row {
    std::string name;
    std::vector<FakeHttpClient::Reply> rotations;
    std::string used;
  };
  const auto cut = FakeHttpClient::Fail(ErrorCode::kTransient, "cut");
  const Row rows[] = {
      {"of the rotation: the old one is good", {cut}, "u-first"},
      {"of the acknowledgement: the new one is good",
       {FakeHttpClient::Respond(200, R"({"token":"u-2"})"), cut},
       "u-2"},
      {"of a token that is none",
       {FakeHttpClient::Respond(200, R"({"token":")" + std::string(20000, 'u') + R"("})")},
       "u-first"},
      {"rotation denied", {FakeHttpClient::Respond(401, R"({"error":"denied"})")}, "u-first"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    LoginBench bench(AccessType::kUniversalIdentity);
    bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-first");
    bench.gateway.On("uid-rotate-token", row.rotations);
    bench.gateway.On("auth", 200, kToken);
    REQUIRE(bench.LogIn().ok());
    CHECK(TextOf(Find(bench.gateway.Body("auth"), {"uid-token"})) == row.used);
  }
}

TEST_CASE("universal identity: refused rotations count, so a dead token does not block others") {
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-dead");
  bench.gateway.On("uid-rotate-token", 401, kRefusal);
  bench.gateway.On("auth", 401, kRefusal);
  for (int i = 0; i < 100; ++i) {
    (void)bench.LogIn();
    bench.gateway.clock.Advance(seconds(8));
  }
  CHECK(bench.gateway.Count("uid-rotate-token") + bench.gateway.Count("auth") == 4);
  CHECK(Contains(MessageOf(bench.LogIn()), "AuthenticationFailed"));
}

TEST_CASE(
    "universal identity: an accepted rotation leaves the refusals of its access id standing") {
  LoginBench bench(AccessType::kUniversalIdentity);
  FakeClock& clock = bench.gateway.clock;
  LoginGuard guard(clock);
  const auto attempt = [&](std::string_view key) {
    return AttemptOf(AccessType::kAccessKey, bench.options, key, "shop");
  };
  for (std::string_view key : {"one", "two"}) {
    LoginAttempt refused = attempt(key);
    REQUIRE(guard.Admit(Context(clock.Now(), {}), refused).ok());
    guard.Settle(refused, LoginGuard::Outcome::kRefused, "AuthenticationFailed");
  }
  bench.gateway.On("uid-rotate-token", 200, R"({"token":"u-second"})");
  UidTokens tokens(bench.api, guard, clock, {});
  const Result<UidTokens::Newest> newest =
      tokens.Get(Context(), bench.options, "u-first", "another");
  REQUIRE(newest.ok());
  CHECK(newest->token.Reveal() == "u-second");
  LoginAttempt third = attempt("three");
  CHECK_FALSE(guard.Admit(Context(clock.Now(), {}), third).ok());
}

TEST_CASE("universal identity: a token that may not be rotated stays proven for logins") {
  LoginBench bench(AccessType::kUniversalIdentity);
  FakeClock& clock = bench.gateway.clock;
  LoginGuard guard(clock);
  const auto login = [&] {
    return AttemptOf(AccessType::kUniversalIdentity, bench.options, Sha256Hex("u-first"), "shop");
  };
  LoginAttempt first = login();
  REQUIRE(guard.Admit(Context(clock.Now(), {}), first).ok());
  guard.Settle(first, LoginGuard::Outcome::kAccepted);
  bench.gateway.On("uid-rotate-token", 401, kRefusal);
  UidTokens tokens(bench.api, guard, clock, {});
  const Result<UidTokens::Newest> newest = tokens.Get(Context(), bench.options, "u-first", "shop");
  REQUIRE(newest.ok());
  REQUIRE(newest->not_rotated.has_value());
  LoginAttempt again = login();
  REQUIRE(guard.Admit(Context(clock.Now(), {}), again).ok());
  CHECK(again.trusted);
}

TEST_CASE("universal identity: several dead ones of an access id never make five refusals") {
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.gateway.On("uid-rotate-token", 401, kRefusal);
  bench.gateway.On("auth", 401, kRefusal);
  for (const char* first : {"u-1", "u-2", "u-3", "u-4"}) {
    bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes(first);
    (void)bench.LogIn();
  }
  CHECK(bench.gateway.Count("uid-rotate-token") + bench.gateway.Count("auth") == 2);
}

TEST_CASE("universal identity: where two refusals would be one too many, it logs in unrotated") {
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.gateway.On("uid-rotate-token", 401, kRefusal);
  bench.gateway.On("auth",
                   {FakeHttpClient::Respond(401, kRefusal), FakeHttpClient::Respond(200, kToken)});
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-dead");
  REQUIRE_FALSE(bench.LogIn().ok());
  REQUIRE(bench.gateway.http.Count() == 2);
  bench.gateway.clock.Advance(minutes(1));
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-denies-rotation");
  CHECK(bench.LogIn().ok());
  // The login ends the row: the upkeep may rotate right after it, but not before.
  CHECK(bench.gateway.http.Requests().at(2).url.ends_with("/auth"));
}

TEST_CASE("universal identity: refused rotations of the upkeep count") {
  RotateCalls refused;
  LoginBench bench(AccessType::kUniversalIdentity);
  std::vector<FakeHttpClient::Reply> replies(
      12, FakeHttpClient::Respond(200, R"({"token":"u-next"})"));  // rotation and acknowledgement
  replies.push_back(refused.Answer(401, kRefusal));
  bench.gateway.On("uid-rotate-token", replies);
  bench.gateway.On("auth", 200, kToken);
  for (int i = 0; i < 6; ++i) {
    bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-" + std::to_string(i));
    REQUIRE(bench.LogIn().ok());
  }
  REQUIRE(refused.Reach(4, bench.gateway.clock));
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-new");
  CHECK(CodeOf(bench.LogIn()) == "throttled");
  CHECK(bench.gateway.Count("auth") == 6);
  CHECK(refused.Count() == 4);
}

namespace {

// The tokens that were rotated, in order; each rotation returns "n1", "n2"...
class Rotations {
 public:
  FakeHttpClient::Reply Answer() {
    return [this](const Context& context, const FakeHttpClient::RecordedRequest& seen) {
      const Json body = *ParseJson(seen.body);
      if (Find(body, {"with-manual-ack"}) == nullptr) {
        return FakeHttpClient::Respond(200, "{}")(context, seen);
      }
      MutexLock lock(mutex_);
      tokens_.push_back(*TextOf(Find(body, {"uid-token"})));
      more_.notify_all();
      const std::string next = "n" + std::to_string(tokens_.size());
      return FakeHttpClient::Respond(200, R"({"token":")" + next + R"("})")(context, seen);
    };
  }
  // The tokens once there are `count`, or after ten seconds.
  std::vector<std::string> Await(std::size_t count) {
    MutexLock lock(mutex_);
    more_.wait_for(lock, seconds(10), [&] { return tokens_.size() >= count; });
    return tokens_;
  }

 private:
  Mutex mutex_;
  std::condition_variable_any more_;
  std::vector<std::string> tokens_;
};

// The upkeep looks every half minute, so the clock advances until it has.
bool AwaitSize(const UidTokens& tokens, std::size_t size, FakeClock& clock) {
  for (int i = 0; i < 1000 && tokens.size() != size; ++i) {
    clock.Advance(seconds(1));
    std::this_thread::sleep_for(milliseconds(10));
  }
  return tokens.size() == size;
}

}  // namespace

TEST_CASE("universal identity: gateways of a namespace that hang do not delay others' upkeep") {
  RotateCalls calls;
  FakeHttpClient::Gate hanging;
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.gateway.On("uid-rotate-token", {calls.Answer("u-next")});
  bench.gateway.On("auth", 200, kToken);
  const auto of_evil = [](std::string_view command) {
    return [command](std::string_view url) {
      return url.starts_with("https://evil") && url.ends_with(command);
    };
  };
  constexpr int kGateways = 20;
  std::vector<FakeHttpClient::Reply> replies(2 * 3 * kGateways,
                                             FakeHttpClient::Respond(200, R"({"token":"u-next"})"));
  replies.push_back(hanging.Then(FakeHttpClient::Respond(500, "")));
  bench.gateway.http.On("POST", of_evil("/uid-rotate-token"), replies);
  bench.gateway.http.On("POST", of_evil("/auth"), {FakeHttpClient::Respond(200, kToken)});

  const Options of_victim = bench.options;
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-victim");
  REQUIRE(bench.LogIn().ok());
  bench.pod.namespace_name = "evil";
  for (int i = 0; i < 3 * kGateways; ++i) {
    bench.options = TestOptions({AccessType::kUniversalIdentity},
                                {"https://evil" + std::to_string(i % kGateways)});
    // Of one access id, fewer than this run at a time (login_guard.h).
    bench.options.access_id = "p-evil-" + std::to_string(i);
    bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-" + std::to_string(i));
    REQUIRE(bench.LogIn().ok());
  }
  const std::size_t before = bench.gateway.http.Count("evil");
  bench.gateway.clock.Advance(2 * UidTokens::kRotateEvery);
  hanging.AwaitArrivals(UidTokens::kUpkeepThreads / 2);
  CHECK(calls.Reach(10, bench.gateway.clock));
  CHECK(bench.gateway.http.Count("evil") == before + UidTokens::kUpkeepThreads / 2);
}

TEST_CASE("universal identity: of a namespace one is rotated at a time at a gateway") {
  RotateCalls calls;
  FakeHttpClient::Gate hanging;
  LoginBench bench(AccessType::kUniversalIdentity);
  std::vector<FakeHttpClient::Reply> replies;
  for (int i = 0; i < 4; ++i) {
    const auto reply =
        FakeHttpClient::Respond(200, R"({"token":"u-next-)" + std::to_string(i) + R"("})");
    replies.insert(replies.end(), {reply, reply});  // rotation and acknowledgement
  }
  replies.push_back(hanging.Then(FakeHttpClient::Respond(500, "")));
  replies.push_back(calls.Answer("u-later"));
  bench.gateway.On("uid-rotate-token", replies);
  bench.gateway.On("auth", 200, kToken);
  for (int i = 0; i < 3; ++i) {
    bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-" + std::to_string(i));
    REQUIRE(bench.LogIn().ok());
  }
  bench.gateway.clock.Advance(seconds(30));
  bench.pod.namespace_name = "other";
  bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes("u-other");
  REQUIRE(bench.LogIn().ok());

  bench.gateway.clock.Advance(2 * UidTokens::kRotateEvery - seconds(30));
  hanging.AwaitArrivals(1);
  // That of the other namespace does not wait.
  CHECK(calls.Reach(6, bench.gateway.clock));
  int of_shop = 0;
  for (std::size_t i = 8; i < bench.gateway.Count("uid-rotate-token"); ++i) {
    const std::string token =
        *TextOf(Find(bench.gateway.Body("uid-rotate-token", i), {"uid-token"}));
    if (token != "u-next-3" && token != "u-later") ++of_shop;
  }
  CHECK(of_shop == 1);
  hanging.Release();
  CHECK(calls.Reach(calls.Count() + 6, bench.gateway.clock));
}

TEST_CASE("universal identity: the one that is due for longest is rotated first") {
  Rotations rotations;
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.gateway.On("uid-rotate-token", {rotations.Answer()});
  bench.gateway.On("auth", 200, kToken);
  std::vector<std::string> want;
  for (int i = 0; i < 8; ++i) {
    const std::string first = "u-" + std::to_string(i);
    bench.pod.credentials["akeylessUIDInitToken"] = SecretBytes(first);
    REQUIRE(bench.LogIn().ok());
    bench.gateway.clock.Advance(seconds(10));
    want.push_back(first);
  }
  for (int i = 1; i <= 8; ++i) want.push_back("n" + std::to_string(i));
  bench.gateway.clock.Advance(2 * UidTokens::kRotateEvery);
  std::vector<std::string> seen = rotations.Await(want.size());
  seen.resize(want.size());
  CHECK(seen == want);
}

TEST_CASE("universal identity: one that is not used any more is forgotten") {
  struct Row {
    std::string name;
    int rotate_status;
    std::string withheld;
    Duration kept_for;
    bool file_stays;
  };
  const Row rows[] = {
      {"at the operator's gateways", 200, "", UidTokens::kKeptFor, true},
      {"at others", 200, "not listed", UidTokens::kAtStrangersFor, false},
      {"nothing has worked", 500, "", UidTokens::kUnprovenFor, true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TempDir directory;
    LoginBench bench(AccessType::kUniversalIdentity);
    bench.options.uid_token_directory = directory.path();
    bench.options.gateways.front().node_identity_withheld = row.withheld;
    bench.gateway.On("uid-rotate-token", row.rotate_status, R"({"token":"u-next"})");
    LoginGuard guard(bench.gateway.clock);
    const UidTokenFile file(directory.path(), "u-first");
    REQUIRE(file.Write(SecretBytes("u-stored")).ok());
    UidTokens tokens(bench.api, guard, bench.gateway.clock, {});
    REQUIRE(tokens.Get(Context(), bench.options, "u-first", "shop").ok());
    bench.gateway.clock.Advance(row.kept_for - seconds(1));
    REQUIRE(tokens.Get(Context(), bench.options, "u-other", "shop").ok());
    CHECK(tokens.size() == 2);
    bench.gateway.clock.Advance(seconds(1));
    CHECK(AwaitSize(tokens, 1, bench.gateway.clock));
    // It is removed after that.
    for (int i = 0; i < 10000 && !row.file_stays && file.Read()->has_value(); ++i) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    CHECK(file.Read()->has_value() == row.file_stays);
  }
}

TEST_CASE("universal identity: a namespace keeps its share of them") {
  LoginBench bench(AccessType::kUniversalIdentity);
  bench.gateway.On("uid-rotate-token", 500, "");
  LoginGuard guard(bench.gateway.clock);
  SharedResource kept({.name = "kept_identities", .capacity = 4});
  UidTokens tokens(bench.api, guard, bench.gateway.clock, {.identities = &kept});
  const auto get = [&](const std::string& first, const std::string& tenant) {
    return CodeOf(tokens.Get(Context(), bench.options, first, tenant));
  };
  CHECK(get("u-1", "evil") == "ok");
  CHECK(get("u-2", "evil") == "ok");
  CHECK(get("u-3", "evil") == "throttled");
  CHECK(get("u-2", "evil") == "ok");
  CHECK(get("u-4", "shop") == "ok");
  CHECK(get("u-5", "") == "ok");
  bench.gateway.clock.Advance(UidTokens::kUnprovenFor);
  CHECK(AwaitSize(tokens, 0, bench.gateway.clock));
  CHECK(get("u-3", "evil") == "ok");
}

}  // namespace nodekeep::akeyless
