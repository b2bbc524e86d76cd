#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <string>

#include "providers/akeyless/test_reading.h"
#include "tests/fakes/capture_stderr.h"

namespace nodekeep::akeyless {

using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("akeyless folder: readable items are read page by page, in the order of their names") {
  ReadBench bench;
  bench.gateway.On(
      "list-items",
      {FakeHttpClient::Respond(200, R"({"items":[)" + Described("/f/b", "STATIC_SECRET", 2) + "," +
                                        Described("/f/d", "DYNAMIC_SECRET", 1) +
                                        R"(],"has_next":true,"next_page":"p2"})"),
       FakeHttpClient::Respond(200, R"({"items":[)" + Described("/f/a/x", "STATIC_SECRET", 1) +
                                        R"(],"has_next":false})")});
  bench.gateway.On("get-secret-value", 200, R"({"/f/b":"vb","/f/a/x":"vx"})");
  Result<Answer> answer = bench.ReadOne(Ask("/f/", "", "", Of(ItemKind::kFolder)));
  REQUIRE(answer.ok());
  const std::string text = Text(answer);
  CHECK(text.find("vx") < text.find("vb"));
  CHECK(text.find("/f/d") == std::string::npos);
  CHECK(TextOf(Find(bench.gateway.Body("list-items", 1), {"pagination-token"})) == "p2");
  CHECK(Find(bench.gateway.Body("list-items"), {"current-folder"}) == nullptr);
}

TEST_CASE("akeyless folder: the error for an empty list says that it may be a denial") {
  ReadBench bench;
  bench.gateway.On("list-items", 200, R"({"items":null,"folders":[]})");
  Result<Answer> answer = bench.ReadOne(Ask("/f/", "", "", Of(ItemKind::kFolder)));
  CHECK(CodeOf(answer) == "not_found");
  CHECK(MessageOf(answer).find("may list") != std::string::npos);
}

namespace {

constexpr const char* kNoAccess = R"({"error":"UnauthorizedAccess"})";

// A folder /f/ with static items a to c, of which /f/b is refused by `refusal`.
struct Folder : ReadBench {
  explicit Folder(FakeHttpClient::Reply refusal, const std::string& of_b = "", bool all = false)
      : refused(std::move(refusal)) {
    gateway.On("list-items", 200,
               R"({"items":[)" + Described("/f/a", "STATIC_SECRET", 1) + "," +
                   Described("/f/b", "STATIC_SECRET", 1, of_b) + "," +
                   Described("/f/c", "STATIC_SECRET", 1) + "]}");
    gateway.http.On("POST", std::string(kGatewayUrl) + "/get-secret-value",
                    {[this, all](const Context& context, const auto& seen) {
                      const Json names = *Find(*ParseJson(seen.body), {"names"});
                      std::string values;
                      for (const Json& name : names.array_range()) {
                        const std::string text = name.template as<std::string>();
                        if (all || text == "/f/b") return refused(context, seen);
                        values += (values.empty() ? "\"" : ",\"") + text + "\":\"v\"";
                      }
                      return FakeHttpClient::Respond(200, "{" + values + "}")(context, seen);
                    }});
  }

  static Question AskFolder(bool leave_out, const std::string& known = "") {
    ItemRequest request = Of(ItemKind::kFolder);
    request.leave_out = leave_out;
    return Ask("/f/", known, "", request);
  }

  FakeHttpClient::Reply refused;
};

}  // namespace

TEST_CASE("akeyless folder: the error for an item that cannot be read names it, and the way out") {
  struct Row {
    std::string name;
    FakeHttpClient::Reply refusal;
    std::string of_b, code, want;
  };
  const Row rows[] = {
      {"denied", FakeHttpClient::Respond(401, kNoAccess), "", "denied",
       "can't get secret value: /f/b: UnauthorizedAccess (status 401"},
      {"disabled", FakeHttpClient::Respond(400, R"({"error":"disabled item"})"),
       R"(,"is_enabled":false)", "invalid",
       "can't get secret value: /f/b: the item is disabled: disabled item (status 400"},
      {"disabled, by its state", FakeHttpClient::Respond(403, R"({"error":"no"})"),
       R"(,"item_state":"Disabled")", "denied",
       "can't get secret value: /f/b: the item is disabled: no (status 403"},
      {"disabled, and left out of the reply", FakeHttpClient::Respond(200, "{}"),
       R"(,"is_enabled":false)", "precondition",
       "can't get secret: /f/b: the reply does not hold it, because the item is disabled"},
      {"gone meanwhile", FakeHttpClient::Respond(404, kMissing), "", "not_found",
       "can't get secret value: /f/b: secret \"/f/b\" does not exist: NotFound (status 404"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Folder folder(row.refusal, row.of_b);
    const Result<Answer> answer = folder.ReadOne(Folder::AskFolder(false));
    CHECK(CodeOf(answer) == row.code);
    INFO(MessageOf(answer));
    CHECK(MessageOf(answer).starts_with(row.want));
    CHECK(MessageOf(answer).ends_with(
        "; nodekeep/optional: true on the folder leaves out items that cannot be read"));

    const Result<Answer> rest = folder.ReadOne(Folder::AskFolder(true));
    REQUIRE(MessageOf(rest) == "(ok)");
    CHECK(Text(rest) == R"([{"kind":"static","name":"/f/a","value":"v","version":1},)"
                        R"({"kind":"static","name":"/f/c","value":"v","version":1}])");
  }
}

TEST_CASE("akeyless folder: a disabled item does not fail the call for the others") {
  Folder folder(FakeHttpClient::Respond(400, "{}"), R"(,"is_enabled":false)");
  REQUIRE(folder.ReadOne(Folder::AskFolder(true)).ok());
  CHECK(folder.gateway.Count("get-secret-value") == 2);
}

TEST_CASE("akeyless folder: what is not the item's own fault leaves nothing out") {
  struct Row {
    std::string name;
    FakeHttpClient::Reply refusal;
    bool all;
    std::string code;
  };
  const Row rows[] = {
      {"the gateway is down", FakeHttpClient::Respond(503, "{}"), false, "transient"},
      {"throttled", FakeHttpClient::Respond(429, "{}"), false, "throttled"},
      // Neither a changed access role nor an expired token empties running pods' volumes.
      {"all denied", FakeHttpClient::Respond(401, kNoAccess), true, "denied"},
      {"the token is refused", FakeHttpClient::Respond(401, R"({"error":"expired"})"), true,
       "auth_expired"},
      {"all gone", FakeHttpClient::Respond(404, kMissing), true, "not_found"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Folder folder(row.refusal, "", row.all);
    CHECK(CodeOf(folder.ReadOne(Folder::AskFolder(true))) == row.code);
  }
}

TEST_CASE("akeyless folder: an item that was left out is looked for again after a minute") {
  Folder folder(FakeHttpClient::Respond(401, kNoAccess));
  const auto ask = [&](const std::string& known) {
    return folder.ReadOne(Folder::AskFolder(true, known));
  };
  const std::string first = ask("")->version;
  CHECK(ask(first)->unchanged);
  folder.gateway.clock.Advance(seconds(61));
  const Result<Answer> again = ask(first);
  REQUIRE_FALSE(again->unchanged);
  folder.gateway.clock.Advance(seconds(61));
  folder.refused = FakeHttpClient::Respond(200, R"({"/f/a":"v","/f/b":"v","/f/c":"v"})");
  const Result<Answer> whole = ask(again->version);
  CHECK(Text(whole).find("/f/b") != std::string::npos);
  folder.gateway.clock.Advance(minutes(20));
  CHECK(ask(whole->version)->unchanged);
}

TEST_CASE("akeyless folder: items that are left out are logged once, until there are others") {
  CaptureStderr captured;
  {
    Logger log(LogLevel::kInfo, LogFormat::kText);
    Folder folder(FakeHttpClient::Respond(401, kNoAccess));
    ItemReader reader(folder.api, folder.gateway.clock, &log);
    const auto ask = [&](const std::string& known) {
      Credential credential;
      credential.token = SecretBytes("t-1");
      const Question question = Folder::AskFolder(true, known);
      return reader.Read(Context(), folder.options, credential, {&question, 1}).front()->version;
    };
    const std::string first = ask("");
    folder.gateway.clock.Advance(seconds(61));
    const std::string second = ask(first);
    const auto lines = [&] {
      const std::string text = captured.Text();
      std::size_t count = 0;
      for (std::size_t at = 0; (at = text.find("are left out", at)) != std::string::npos; ++at) {
        ++count;
      }
      return count;
    };
    CHECK(lines() == 1);
    CHECK(captured.Text().find("/f/b") != std::string::npos);
    CHECK(captured.Text().find("/f/a") == std::string::npos);
    folder.refused = FakeHttpClient::Respond(404, kMissing);
    folder.gateway.clock.Advance(seconds(61));
    ask(second);
    CHECK(lines() == 2);
  }
}

TEST_CASE("akeyless folder: unchanged until an item is added, removed or changed") {
  ReadBench bench;
  const std::string one = R"({"items":[)" + Described("/f/a", "STATIC_SECRET", 1) + "]}";
  const std::string two = R"({"items":[)" + Described("/f/a", "STATIC_SECRET", 1) + "," +
                          Described("/f/b", "STATIC_SECRET", 1) + "]}";
  bench.gateway.On("list-items",
                   {FakeHttpClient::Respond(200, one), FakeHttpClient::Respond(200, one),
                    FakeHttpClient::Respond(200, two)});
  bench.gateway.On("get-secret-value", 200, R"({"/f/a":"v","/f/b":"w"})");
  const Question first = Ask("/f/", "", "", Of(ItemKind::kFolder));
  const std::string version = bench.ReadOne(first)->version;
  const Question known = Ask("/f/", version, "", Of(ItemKind::kFolder));
  CHECK(bench.ReadOne(known)->unchanged);
  CHECK_FALSE(bench.ReadOne(known)->unchanged);
}

}  // namespace nodekeep::akeyless
