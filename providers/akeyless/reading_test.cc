#include "providers/akeyless/reading.h"

#include <catch2/catch_test_macros.hpp>
#include <set>

#include "providers/akeyless/test_reading.h"

namespace nodekeep::akeyless {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

using Bench = ReadBench;

}  // namespace

TEST_CASE("akeyless read: a static secret is described and read by the server's name") {
  Bench bench;
  bench.Describe("/secret2", "STATIC_SECRET", 3);
  bench.gateway.On("get-secret-value", 200, R"({"/secret2":"the value"})");
  Result<Answer> answer = bench.ReadOne(Ask("secret2"));
  CHECK(Text(answer) == R"({"kind":"static","name":"/secret2","value":"the value","version":3})");
  CHECK(answer->lifetime == Duration::zero());
  CHECK(bench.gateway.BodyText("describe-item") == R"({"name":"secret2","token":"t-1"})");
  CHECK(bench.gateway.BodyText("get-secret-value") == R"({"names":["/secret2"],"token":"t-1"})");
}

TEST_CASE("akeyless read: a token that list or describe refuses is not sent further") {
  const FakeHttpClient::Reply stale =
      FakeHttpClient::Respond(401, R"({"error":"InvalidCredentials: expired"})");
  const FakeHttpClient::Reply no_items = FakeHttpClient::Respond(200, R"({"items":[]})");
  const Question mint = Ask("/d", "", "", Of(ItemKind::kDynamic));
  const Question folder_a = Ask("/a", "", "", Of(ItemKind::kFolder));
  const Question folder_b = Ask("/b", "", "", Of(ItemKind::kFolder));
  const Question folder_c = Ask("/c", "", "", Of(ItemKind::kFolder));
  struct Row {
    std::string name;
    std::vector<Question> questions;
    FakeHttpClient::Reply list;
    std::size_t lists, descriptions, mints;  // sent
  };
  std::vector<Row> rows;
  rows.push_back({"ten items of one folder", {}, stale, 1, 1, 0});
  for (int i = 0; i < 10; ++i) rows[0].questions.push_back(Ask("/f/s" + std::to_string(i)));
  rows.push_back({"and a dynamic secret", {Ask("/f/a"), Ask("/f/b"), mint}, stale, 1, 1, 0});
  rows.push_back({"one item and a dynamic secret", {Ask("/f/a"), mint}, stale, 1, 1, 0});
  rows.push_back({"three folders", {folder_a, folder_b, folder_c}, stale, 2, 0, 0});
  rows.push_back({"a folder and items", {folder_a, Ask("/f/a"), Ask("/g/a")}, stale, 1, 1, 0});
  // A list is answered, so it is the paths that are denied.
  rows.push_back({"denied items", {Ask("/f/a"), Ask("/f/b"), mint}, no_items, 1, 2, 1});
  rows.push_back({"a denied item", {Ask("/f/a"), mint}, no_items, 1, 1, 1});
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.gateway.On("list-items", {row.list});
    bench.gateway.On("describe-item", {stale});
    bench.gateway.On("get-dynamic-secret-value", {stale});
    const std::vector<Result<Answer>> answers = bench.Read(row.questions);
    REQUIRE(answers.size() == row.questions.size());
    for (const Result<Answer>& answer : answers) CHECK(CodeOf(answer) == "auth_expired");
    CHECK(bench.gateway.Count("list-items") == row.lists);
    CHECK(bench.gateway.Count("describe-item") == row.descriptions);
    CHECK(bench.gateway.Count("get-dynamic-secret-value") == row.mints);
  }
}

TEST_CASE("akeyless read: a universal identity's token is sent as uid-token") {
  Bench bench;
  bench.token = "u-1";
  bench.Describe("/a", "STATIC_SECRET", 1);
  bench.gateway.On("get-secret-value", 200, R"({"/a":"v"})");
  REQUIRE(bench.ReadOne(Ask("/a")).ok());
  CHECK(bench.gateway.BodyText("get-secret-value") == R"({"names":["/a"],"uid-token":"u-1"})");
}

TEST_CASE("akeyless read: static items of one folder take one list-items and one read") {
  Bench bench;
  std::string items, values;
  std::vector<Question> questions;
  for (int i = 0; i < 10; ++i) {
    const std::string name = "/app/s" + std::to_string(i);
    items += (i ? "," : "") + Described(name, "STATIC_SECRET", i + 1);
    values += (i ? ",\"" : "\"") + name + "\":\"value " + std::to_string(i) + "\"";
    questions.push_back(Ask(name));
  }
  bench.gateway.On("list-items", 200, R"({"items":[)" + items + R"(],"has_next":false})");
  bench.gateway.On("get-secret-value", 200, "{" + values + "}");
  const auto answers = bench.Read(questions);
  for (int i = 0; i < 10; ++i) {
    CHECK(Text(answers[i]) == R"({"kind":"static","name":"/app/s)" + std::to_string(i) +
                                  R"(","value":"value )" + std::to_string(i) + R"(","version":)" +
                                  std::to_string(i + 1) + "}");
  }
  CHECK(bench.gateway.http.Count() == 2);
  CHECK(bench.gateway.BodyText("list-items") ==
        R"({"auto-pagination":"disabled","current-folder":true,"path":"/app/","token":"t-1"})");
}

TEST_CASE("akeyless read: an item that a list does not contain is described by itself") {
  struct Row {
    std::string name;
    FakeHttpClient::Reply list;
  };
  const Row rows[] = {
      {"one is hidden",
       FakeHttpClient::Respond(200, R"({"items":[)" + Described("/app/a", "STATIC_SECRET", 1) +
                                        R"(],"has_next":true})")},
      {"versions are left out",
       FakeHttpClient::Respond(
           200, R"({"items":[{"item_name":"/app/a","item_type":"STATIC_SECRET"}]})")},
      {"listing is denied", FakeHttpClient::Respond(401, R"({"error":"UnauthorizedAccess"})")},
      {"a strange reply", FakeHttpClient::Respond(200, "[]")},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.gateway.On("list-items", {row.list});
    bench.gateway.http.On("POST", std::string(kGatewayUrl) + "/describe-item",
                          {[](const Context&, const FakeHttpClient::RecordedRequest& seen) {
                            const std::string name = *TextOf(Find(*ParseJson(seen.body), {"name"}));
                            if (name == "/app/b")
                              return FakeHttpClient::Respond(404, kMissing)(Context(), seen);
                            return FakeHttpClient::Respond(
                                200, Described(name, "STATIC_SECRET", 1))(Context(), seen);
                          }});
    bench.gateway.On("get-secret-value", 200, R"({"/app/a":"v"})");
    const auto answers = bench.Read({Ask("/app/a"), Ask("/app/b")});
    CHECK(answers[0].ok());
    CHECK(MessageOf(answers[1])
              .starts_with("can't describe item: /app/b, error: secret \"/app/b\" does not exist: "
                           "NotFound (status 404"));
    CHECK(CodeOf(answers[1]) == "not_found");
  }
}

TEST_CASE("akeyless read: a large folder is listed once, then its items are described") {
  Bench bench;
  std::string items;
  for (int i = 0; i < 100; ++i) {
    items += (i ? "," : "") + Described("/app/s" + std::to_string(i), "STATIC_SECRET", 1);
  }
  bench.gateway.On("list-items", 200, R"({"items":[)" + items + "]}");
  bench.gateway.On("describe-item", 200, Described("/app/s1", "STATIC_SECRET", 1));
  bench.gateway.On("get-secret-value", 200, R"({"/app/s1":"v","/app/s2":"w"})");
  (void)bench.Read({Ask("/app/s1"), Ask("/app/s2")});
  (void)bench.Read({Ask("/app/s1"), Ask("/app/s2")});
  CHECK(bench.gateway.Count("list-items") == 1);
  CHECK(bench.gateway.Count("describe-item") == 2);
}

TEST_CASE("akeyless read: a value that is known to be current is not read") {
  Bench bench;
  bench.Describe("/a", "STATIC_SECRET", 3, R"(,"modification_date":"2026-01-01T00:00:00Z")");
  bench.gateway.On("get-secret-value", 200, R"({"/a":"v"})");
  const std::string version = bench.ReadOne(Ask("/a"))->version;
  Result<Answer> again = bench.ReadOne(Ask("/a", version));
  REQUIRE(again.ok());
  CHECK(again->unchanged);
  CHECK(again->version == version);
  CHECK(bench.gateway.Count("get-secret-value") == 1);
}

TEST_CASE("akeyless read: which changes make a known value be read again past the cache") {
  const std::string before =
      Described("/a", "STATIC_SECRET", 3, R"(,"modification_date":"2026-01-01T00:00:00Z")");
  struct Row {
    std::string name, after;
    Duration later;
    bool read;
  };
  const Row rows[] = {
      {"nothing", before, seconds(59), false},
      {"a new version",
       Described("/a", "STATIC_SECRET", 4, R"(,"modification_date":"2026-01-01T00:00:00Z")"),
       seconds(1), true},
      {"overwritten in place",
       Described("/a", "STATIC_SECRET", 3, R"(,"modification_date":"2026-01-02T00:00:00Z")"),
       seconds(1), true},
      // The first read may have been answered by a gateway's cache.
      {"a minute", before, minutes(1), true},
      {"a clock set back", before, -minutes(1), true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.gateway.On("describe-item", {FakeHttpClient::Respond(200, before),
                                       FakeHttpClient::Respond(200, row.after)});
    bench.gateway.On("get-secret-value", 200, R"({"/a":"v"})");
    const std::string version = bench.ReadOne(Ask("/a"))->version;
    CHECK(Find(bench.gateway.Body("get-secret-value"), {"ignore-cache"}) == nullptr);
    bench.gateway.clock.JumpWall(row.later);
    Result<Answer> again = bench.ReadOne(Ask("/a", version));
    REQUIRE(again.ok());
    CHECK(again->unchanged != row.read);
    REQUIRE(bench.gateway.Count("get-secret-value") == (row.read ? 2 : 1));
    if (!row.read) continue;
    CHECK(again->version != version);
    CHECK(TextOf(Find(bench.gateway.Body("get-secret-value", 1), {"ignore-cache"})) == "true");
  }
}

TEST_CASE("akeyless read: a value read past the cache is current for half an hour") {
  Bench bench;
  bench.Describe("/a", "STATIC_SECRET", 3);
  bench.gateway.On("get-secret-value", 200, R"({"/a":"v"})");
  ItemRequest request;
  request.ignore_cache = true;
  const std::string version = bench.ReadOne(Ask("/a", "", "", request))->version;
  CHECK(TextOf(Find(bench.gateway.Body("get-secret-value"), {"ignore-cache"})) == "true");
  bench.gateway.clock.Advance(minutes(29));
  CHECK(bench.ReadOne(Ask("/a", version, "", request))->unchanged);
  bench.gateway.clock.Advance(minutes(1));
  CHECK_FALSE(bench.ReadOne(Ask("/a", version, "", request))->unchanged);
}

TEST_CASE("akeyless read: a pinned version is read by its number") {
  Bench bench;
  bench.Describe("/a", "STATIC_SECRET", 9);
  bench.gateway.On("get-secret-value", 200, R"({"/a":"v"})");
  Result<Answer> answer = bench.ReadOne(Ask("/a", "", "3"));
  CHECK(Text(answer) == R"({"kind":"static","name":"/a","value":"v","version":3})");
  CHECK(IntOf(Find(bench.gateway.Body("get-secret-value"), {"version"})) == 3);
}

TEST_CASE("akeyless read: a pinned version that was overwritten in place is read again") {
  const auto described = [](const std::string& day) {
    return FakeHttpClient::Respond(
        200, Described("/a", "STATIC_SECRET", 3,
                       R"(,"modification_date":"2026-01-)" + day + R"(T00:00:00Z")"));
  };
  Bench bench;
  bench.gateway.On("describe-item", {described("01"), described("01"), described("02")});
  bench.gateway.On("get-secret-value", {FakeHttpClient::Respond(200, R"({"/a":"old"})"),
                                        FakeHttpClient::Respond(200, R"({"/a":"new"})")});
  Result<Answer> first = bench.ReadOne(Ask("/a", "", "3"));
  REQUIRE(first.ok());
  CHECK_FALSE(first->immutable);
  CHECK(bench.ReadOne(Ask("/a", first->version, "3"))->unchanged);
  Result<Answer> second = bench.ReadOne(Ask("/a", first->version, "3"));
  CHECK(Text(second) == R"({"kind":"static","name":"/a","value":"new","version":3})");
  const Json body = bench.gateway.Body("get-secret-value", 1);
  CHECK(IntOf(Find(body, {"version"})) == 3);
  CHECK(TextOf(Find(body, {"ignore-cache"})) == "true");
}

TEST_CASE("akeyless read: the values of a reply are found under any spelling of their name") {
  struct Row {
    std::string name, reply, want;
  };
  const Row rows[] = {
      {"the server's", R"({"/a":"v"})", "v"},
      {"the class's", R"({"a":"v"})", "v"},
      {"alone", R"({"/renamed":"v"})", "v"},
      {"of several, none", R"({"/x":"v","/y":"w"})", ""},
      {"empty", "{}", ""},
      {"no object", R"(["v"])", ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.Describe("/a", "STATIC_SECRET", 1);
    bench.gateway.On("get-secret-value", 200, row.reply);
    Result<Answer> answer = bench.ReadOne(Ask("a"));
    if (row.want.empty()) {
      CHECK(MessageOf(answer).starts_with("can't get secret: a"));
      CHECK(CodeOf(answer) == "transient");
    } else {
      CHECK(Text(answer) ==
            R"({"kind":"static","name":"/a","value":")" + row.want + R"(","version":1})");
    }
  }
}

TEST_CASE("akeyless read: one refused name of a batch does not fail the others") {
  struct Row {
    std::string name;
    FakeHttpClient::Reply batch;
  };
  const Row rows[] = {
      {"the call fails", FakeHttpClient::Respond(401, R"({"error":"UnauthorizedAccess"})")},
      {"the name is left out", FakeHttpClient::Respond(200, R"({"/app/a":"v"})")},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.gateway.On("list-items", 200,
                     R"({"items":[)" + Described("/app/a", "STATIC_SECRET", 1) + "," +
                         Described("/app/b", "STATIC_SECRET", 1) + "]}");
    bench.gateway.http.On(
        "POST", std::string(kGatewayUrl) + "/get-secret-value",
        {[&](const Context& context, const FakeHttpClient::RecordedRequest& seen) {
          const Json names = *Find(*ParseJson(seen.body), {"names"});
          if (names.size() > 1) return row.batch(context, seen);
          if (names[0].as<std::string>() == "/app/a") {
            return FakeHttpClient::Respond(200, R"({"/app/a":"v"})")(context, seen);
          }
          return FakeHttpClient::Respond(401, R"({"error":"UnauthorizedAccess"})")(context, seen);
        }});
    const auto answers = bench.Read({Ask("/app/a"), Ask("/app/b")});
    CHECK(answers[0].ok());
    CHECK(CodeOf(answers[1]) == "denied");
    CHECK(MessageOf(answers[1])
              .starts_with("can't get secret value: /app/b: UnauthorizedAccess (status 401"));
  }
}

TEST_CASE("akeyless read: a batch with a transient failure is not split") {
  Bench bench;
  bench.gateway.On("list-items", 200,
                   R"({"items":[)" + Described("/app/a", "STATIC_SECRET", 1) + "," +
                       Described("/app/b", "STATIC_SECRET", 1) + "]}");
  bench.gateway.On("get-secret-value", 429, R"({"error":"slow down"})", {{"retry-after", "3"}});
  const auto answers = bench.Read({Ask("/app/a"), Ask("/app/b")});
  CHECK(CodeOf(answers[0]) == "throttled");
  CHECK(answers[1].error().retry_after() == seconds(3));
  CHECK(bench.gateway.Count("get-secret-value") == 1);
}

TEST_CASE("akeyless read: each type is read with its own call") {
  struct Row {
    std::string name, type;
    ItemRequest request;
    std::string command, reply, body, want;
  };
  const Row rows[] = {
      {"certificate",
       "CERTIFICATE",
       {},
       "get-certificate-value",
       R"({"certificate_pem":"C","private_key_pem":null,"x":1})",
       R"({"name":"/a","token":"t-1"})",
       R"({"kind":"certificate","name":"/a","value":{"certificate_pem":"C"},"version":2})"},
      {"rotated",
       "ROTATED_SECRET",
       {},
       "get-rotated-secret-value",
       R"({"value":{"username":"u","password":"p"}})",
       R"({"json":true,"names":"/a","token":"t-1"})",
       R"({"kind":"rotated","name":"/a","value":{"password":"p","username":"u"},"version":2})"},
      {"rotated without value",
       "ROTATED_SECRET",
       {},
       "get-rotated-secret-value",
       R"({"payload":"x"})",
       R"({"json":true,"names":"/a","token":"t-1"})",
       R"({"kind":"rotated","name":"/a","value":{"payload":"x"},"version":2})"},
      {"classic key", "AES256GCM", Of(ItemKind::kClassicKey), "export-classic-key",
       R"({"key":"k"})", R"({"name":"/a","token":"t-1"})",
       R"({"kind":")" + std::string(ItemKindName(ItemKind::kClassicKey)) +
           R"(","name":"/a","value":{"key":"k"},"version":2})"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.Describe("/a", row.type, 2);
    bench.gateway.On(row.command, 200, row.reply);
    CHECK(Text(bench.ReadOne(Ask("/a", "", "", row.request))) == row.want);
    CHECK(bench.gateway.BodyText(row.command) == row.body);
  }
}

TEST_CASE("akeyless read: the error for a type that needs nodekeep/type names the one to set") {
  struct Row {
    std::string type, hint;
  };
  const Row rows[] = {{"DYNAMIC_SECRET", "nodekeep/type: dynamic"},
                      {"PKI_CERT_ISSUER", "nodekeep/type: pki"},
                      {"SSH_CERT_ISSUER", "nodekeep/type: ssh"},
                      {"AES256GCM", "static, certificate and rotated"}};
  for (const Row& row : rows) {
    INFO(row.type);
    Bench bench;
    bench.Describe("/a", row.type, 1);
    Result<Answer> answer = bench.ReadOne(Ask("/a"));
    CHECK(CodeOf(answer) == "invalid");
    CHECK(MessageOf(answer).starts_with("unsupported item type " + row.type + " for secret /a"));
    CHECK(MessageOf(answer).find(row.hint) != std::string::npos);
  }
}

TEST_CASE("akeyless dynamic: minted once for its lifetime") {
  struct Row {
    std::string name, reply, item;
    Duration lifetime;
  };
  const Row rows[] = {
      {"text", R"({"user":"u","ttl_in_minutes":"30"})", "", minutes(30)},
      {"number", R"({"user":"u","ttl_in_minutes":45})", "", minutes(45)},
      {"of the item", R"({"user":"u"})",
       R"(,"item_general_info":{"dynamic_secret_producer_details":{"user_ttl":"1h30m"}})",
       minutes(90)},
      {"not said", R"({"user":"u","ttl_in_minutes":"never"})", "", minutes(60)},
      {"beyond reason",
       R"({"user":"u","ttl_in_minutes":"9999999d9999999d9999999d9999999d9999999d9999999d9999999d)"
       R"(9999999d9999999d9999999d9999999d9999999d"})",
       "", minutes(60)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.Describe("/d", "DYNAMIC_SECRET", 1, row.item);
    bench.gateway.On("get-dynamic-secret-value", 200, row.reply);
    ItemRequest request = Of(ItemKind::kDynamic);
    request.args = {"a=b"};
    request.host = "h";
    request.target = "t";
    request.db_name = "n";
    request.timeout_seconds = 20;
    Result<Answer> answer = bench.ReadOne(Ask("/d", "", "", request));
    REQUIRE(answer.ok());
    CHECK(answer->lifetime == row.lifetime);
    CHECK(bench.gateway.Count("get-dynamic-secret-value") == 1);
    CHECK(
        bench.gateway.BodyText("get-dynamic-secret-value") ==
        R"({"args":["a=b"],"dbname":"n","host":"h","name":"/d","target":"t","timeout":20,"token":"t-1"})");
  }
}

TEST_CASE("akeyless dynamic: a mint with an unknown outcome is not repeated at once") {
  Bench bench;
  bench.gateway.On("get-dynamic-secret-value",
                   {FakeHttpClient::Fail(ErrorCode::kTransient, "cut")});
  Result<Answer> answer = bench.ReadOne(Ask("/d", "", "", Of(ItemKind::kDynamic)));
  CHECK(MessageOf(answer).starts_with("can't get dynamic secret value: /d: POST"));
  CHECK(answer.error().retry_after() >= minutes(1));
}

TEST_CASE("akeyless dynamic: a producer with a longer timeout than ours is not called") {
  struct Row {
    std::string name;
    seconds left;  // of the budget; the node's timeout is 30 s
    int timeout;
    std::string want;
  };
  const Row rows[] = {
      {"not said", seconds(10), 0, "ok"},
      {"shorter", seconds(10), 9, "ok"},
      {"the whole budget", seconds(10), 10, "timeout 10s is not within the 10s that"},
      {"longer than the budget", seconds(10), 15, "timeout 15s is not within the 10s that"},
      {"longer than the node's timeout", seconds(90), 60,
       "timeout 1m0s is not within the 30s that"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.options = TestOptions({AccessType::kAccessKey}, {kGatewayUrl, "https://two"});
    bench.gateway.On("get-dynamic-secret-value", 200, R"({"user":"u","ttl_in_minutes":"60"})");
    ItemRequest request = Of(ItemKind::kDynamic);
    request.timeout_seconds = row.timeout;
    const Context context(bench.gateway.clock.Now() + row.left, {});
    const std::vector<Result<Answer>> answers = bench.Read({Ask("/d", "", "", request)}, context);
    const bool sent = row.want == "ok";
    CHECK(CodeOf(answers.at(0)) == (sent ? "ok" : "deadline_exceeded"));
    CHECK(bench.gateway.http.Count() == (sent ? 1 : 0));
    if (sent) continue;
    CHECK(MessageOf(answers.at(0))
              .starts_with("can't get dynamic secret value: /d: nodekeep/arguments: " + row.want));
  }
}

TEST_CASE("akeyless dynamic: the error for a producer's failure does not quote its message") {
  Bench bench;
  bench.gateway.On("get-dynamic-secret-value", 200, R"({"error":"password hunter2 refused"})");
  Result<Answer> answer = bench.ReadOne(Ask("/d", "", "", Of(ItemKind::kDynamic)));
  CHECK(CodeOf(answer) == "precondition");
  CHECK(MessageOf(answer).find("hunter2") == std::string::npos);
}

TEST_CASE("akeyless pki: a request is sent, never a key") {
  Bench bench;
  bench.gateway.On("get-pki-certificate", 200, R"({"data":"no certificate"})");
  ItemRequest request = Of(ItemKind::kPki);
  request.common_name = "web.shop";
  request.alt_names = "a.shop, b.shop";
  request.ttl_seconds = 3600;
  request.key_type = "ec256";
  Result<Answer> answer = bench.ReadOne(Ask("/issuer", "", "", request));
  CHECK(MessageOf(answer) ==
        "can't get pki certificate: /issuer: the issuer's reply holds no PEM certificate");
  const Json body = bench.gateway.Body("get-pki-certificate");
  std::set<std::string> members;
  for (const auto& member : body.object_range()) members.insert(std::string(member.key()));
  CHECK(members == std::set<std::string>{"alt-names", "cert-issuer-name", "common-name",
                                         "csr-data-base64", "token", "ttl"});
  CHECK(TextOf(Find(body, {"ttl"})) == "3600s");
}

TEST_CASE("akeyless read: a secret, version or folder that is not there says so first") {
  Bench bench;
  bench.gateway.On("describe-item",
                   {FakeHttpClient::Respond(404, kMissing),
                    FakeHttpClient::Respond(200, Described("/a", "STATIC_SECRET", 3))});
  bench.gateway.On("get-secret-value", 404, kMissing);
  bench.gateway.On("list-items", 404, kMissing);
  bench.gateway.On("get-dynamic-secret-value", 404, kMissing);
  bench.gateway.On("get-ssh-certificate", 404, kMissing);
  struct Row {
    Question question;
    std::string want;
  };
  ItemRequest ssh = Of(ItemKind::kSsh);
  ssh.key_type = "ed25519";
  ssh.username = "u";
  const Row rows[] = {
      {Ask("/x"), "can't describe item: /x, error: secret \"/x\" does not exist: NotFound (status"},
      {Ask("/a", "", "9"),
       "can't get secret value: /a: version 9 of secret \"/a\" does not exist: NotFound (status"},
      {Ask("/a"), "can't get secret value: /a: secret \"/a\" does not exist: NotFound (status"},
      {Ask("/f/", "", "", Of(ItemKind::kFolder)),
       "can't list folder: /f/, error: folder \"/f/\" does not exist: NotFound (status"},
      {Ask("/d", "", "", Of(ItemKind::kDynamic)),
       "can't get dynamic secret value: /d: secret \"/d\" does not exist: NotFound (status"},
      {Ask("/i", "", "", ssh),
       "can't get ssh certificate: /i: certificate issuer \"/i\" does not exist: NotFound (status"},
  };
  for (const Row& row : rows) {
    INFO(row.want);
    const Result<Answer> answer = bench.ReadOne(row.question);
    INFO(MessageOf(answer));
    CHECK(CodeOf(answer) == "not_found");
    CHECK(MessageOf(answer).starts_with(row.want));
  }
}

}  // namespace nodekeep::akeyless
