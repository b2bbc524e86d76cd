#include "agent/identity/mount_plan.h"

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/codecs.h"

namespace nodekeep {
namespace {

constexpr char kTokensKey[] = "csi.storage.k8s.io/serviceAccount.tokens";

class PlainOptions final : public ProviderOptions {
 public:
  std::string LoginText() const override { return "plain"; }
  std::vector<std::pair<std::string, std::string>> Explain() const override { return {}; }
};

// Parses everything to one file, and remembers what it was given.
class OneFileProvider final : public Provider {
 public:
  Result<ParsedMount> Parse(const MountInput& input) const override {
    ++parses;
    attributes = input.attributes;
    if (parse_error) return *parse_error;
    ParsedMount mount;
    mount.options = std::make_shared<PlainOptions>();
    Projection projection;
    projection.object = projection.path = "db";
    projection.ref.provider = "one";
    projection.ref.path = "secret/db";
    mount.projections.push_back(std::move(projection));
    mount.audiences = audiences;
    mount.mount_error = mount_error;
    mount.credential_parameters = credential_parameters;
    return mount;
  }
  Result<Credential> Authenticate(const Context&, const ProviderOptions&,
                                  const PodIdentity&) override {
    return Error(ErrorCode::kInternal, "planning does not log in");
  }
  std::vector<Result<Answer>> Fetch(const Context&, const ProviderOptions&, const Credential&,
                                    std::span<const Question>) override {
    return {};
  }
  Result<SecretBytes> Render(const Projection&, const SecretBytes& answer) const override {
    return answer.Clone();
  }

  std::vector<std::string> audiences;
  std::string mount_error;
  std::vector<std::string> credential_parameters;
  std::optional<Error> parse_error;
  mutable int parses = 0;
  mutable std::map<std::string, std::string> attributes;  // of the last Parse
};

// Hands out "made-for-<audience>", or fails.
class FakeTokenSource final : public TokenSource {
 public:
  Result<ServiceAccountToken> Request(const Context&, const PodIdentity& identity,
                                      const std::string& audience) override {
    asked.push_back(identity.Text() + " " + audience);
    if (error) return *error;
    ServiceAccountToken token;
    token.token = SecretBytes("made-for-" + audience);
    return token;
  }

  std::vector<std::string> asked;
  std::optional<Error> error;
};

std::string Jwt(const std::string& namespace_name, const std::string& account,
                const std::string& account_uid) {
  return "e30." +
         Base64UrlEncode(fmt::format(
             R"({{"kubernetes.io":{{"namespace":"{}","serviceaccount":{{"name":"{}","uid":"{}"}}}}}})",
             namespace_name, account, account_uid)) +
         ".sig";
}

// The attribute that kubelet sends: audience -> token.
std::string TokensText(const std::map<std::string, std::string>& tokens) {
  std::string text;
  for (const auto& [audience, token] : tokens) {
    text += fmt::format(R"({}"{}":{{"token":"{}","expirationTimestamp":"2030-01-01T00:00:00Z"}})",
                        text.empty() ? "" : ",", audience, token);
  }
  return "{" + text + "}";
}

MountRequestValues RequestWith(const std::string& tokens) {
  MountRequestValues request;
  request.input.attributes = {{"csi.storage.k8s.io/pod.namespace", "shop"},
                              {"csi.storage.k8s.io/pod.name", "web-0"},
                              {"csi.storage.k8s.io/pod.uid", "uid-7"},
                              {"csi.storage.k8s.io/serviceAccount.name", "web"},
                              {"roleName", "r"}};
  request.input.tokens = SecretBytes(tokens);
  request.input.permission = "420";
  request.input.target_path = "/var/lib/kubelet/pods/uid-7/volumes/x/mount";
  request.node = "node1";
  return request;
}

}  // namespace

TEST_CASE("mount request: the driver's texts become values, the tokens leave the attributes") {
  Result<MountRequestValues> request = ReadMountRequest(
      R"({"roleName":"r","csi.storage.k8s.io/serviceAccount.tokens":"{\"vault\":{\"token\":\"t\"}}"})",
      R"({"user":"alice","password":"s3"})", "420", "/target");
  REQUIRE(request.ok());
  CHECK(request->input.attributes == std::map<std::string, std::string>{{"roleName", "r"}});
  CHECK(request->input.tokens.Reveal() == R"({"vault":{"token":"t"}})");
  CHECK(request->input.permission == "420");
  CHECK(request->input.target_path == "/target");
  REQUIRE(request->secrets.size() == 2);
  CHECK(request->secrets.at("user").Reveal() == "alice");
  CHECK(request->secrets.at("password").Reveal() == "s3");
}

TEST_CASE("mount request: no secrets may be spelled in three ways") {
  struct Row {
    std::string name, secrets;
  };
  const Row rows[] = {{"empty", ""}, {"Go's nil map", "null"}, {"object", "{}"}};
  for (const Row& row : rows) {
    INFO(row.name);
    Result<MountRequestValues> request = ReadMountRequest(R"({"a":"b"})", row.secrets, "420", "/t");
    REQUIRE(request.ok());
    CHECK(request->secrets.empty());
    CHECK(request->input.attributes == std::map<std::string, std::string>{{"a", "b"}});
  }
}

TEST_CASE("mount request: tokens inside `secrets` are neither tokens nor credentials") {
  Result<MountRequestValues> request = ReadMountRequest(
      R"({"a":"b"})",
      R"({"csi.storage.k8s.io/serviceAccount.tokens":"{\"vault\":{\"token\":\"t\"}}","user":"u"})",
      "420", "/t");
  REQUIRE(request.ok());
  CHECK(request->input.tokens.empty());
  CHECK_FALSE(request->secrets.contains(kTokensKey));
  CHECK(request->secrets.size() == 1);
}

TEST_CASE("mount request: a text that cannot be read is an error without its content") {
  struct Row {
    std::string name, attributes, secrets, want;
  };
  const Row rows[] = {
      {"no attributes", "", "", "failed to unmarshal attributes: unexpected end of JSON input"},
      {"broken off", R"({"a":"hunter2)", "", "failed to unmarshal attributes: "},
      {"not a map", R"(["hunter2"])", "",
       "failed to unmarshal attributes: json: cannot unmarshal array"},
      {"a number", R"({"a":1})", "",
       "failed to unmarshal attributes: json: cannot unmarshal number"},
      {"secrets broken off", "{}", R"({"a":"hunter2)", "failed to unmarshal secrets: "},
      {"secrets of another type", "{}", R"({"hunter":{"hunter2":"x"}})",
       "failed to unmarshal secrets: json: cannot unmarshal object"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<MountRequestValues> request = ReadMountRequest(row.attributes, row.secrets, "420", "/t");
    REQUIRE_FALSE(request.ok());
    INFO(request.error().message());
    CHECK(request.error().code() == ErrorCode::kInvalid);
    CHECK(request.error().message().starts_with(row.want));
    CHECK(request.error().message().find("hunter2") == std::string::npos);
  }
}

TEST_CASE("mount plan: identity, refs and target come together") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->audiences = {"vault"};
  MountRequestValues request = RequestWith(TokensText({{"vault", Jwt("shop", "web", "sa-uid")}}));
  request.secrets["user"] = SecretBytes("alice");
  Result<PlanPtr> plan = PlanMount(Context(), "one", provider, std::move(request), nullptr);
  REQUIRE(plan.ok());
  const FetchPlan& made = **plan;
  CHECK(made.provider == "one");
  CHECK(made.backend == provider);
  CHECK(made.mount.projections.at(0).path == "db");
  CHECK(made.target_path == "/var/lib/kubelet/pods/uid-7/volumes/x/mount");
  CHECK(made.identity.namespace_name == "shop");
  CHECK(made.identity.pod == "web-0");
  CHECK(made.identity.pod_uid == "uid-7");
  CHECK(made.identity.service_account == "web");
  CHECK(made.identity.service_account_uid == "sa-uid");
  CHECK(made.identity.node == "node1");
  CHECK(made.identity.secrets.at("user").Reveal() == "alice");
  REQUIRE(made.identity.Token("vault") != nullptr);
  CHECK(made.identity.Token("vault")->token.Reveal() == Jwt("shop", "web", "sa-uid"));
  CHECK(provider->attributes.at("roleName") == "r");
}

TEST_CASE(
    "mount plan: a service account's uid is taken only from a token that agrees with kubelet") {
  struct Row {
    std::string name, token, want;
  };
  const Row rows[] = {
      {"agrees", Jwt("shop", "web", "sa-uid"), "sa-uid"},
      {"another namespace", Jwt("bank", "web", "sa-uid"), ""},
      {"another account", Jwt("shop", "admin", "sa-uid"), ""},
      {"a token without uid", Jwt("shop", "web", ""), ""},
      {"no Kubernetes token", "e30.e30.sig", ""},
      {"no JWT", "opaque", ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto provider = std::make_shared<OneFileProvider>();
    provider->audiences = {"vault"};
    Result<PlanPtr> plan = PlanMount(Context(), "one", provider,
                                     RequestWith(TokensText({{"vault", row.token}})), nullptr);
    REQUIRE(plan.ok());
    CHECK((*plan)->identity.service_account_uid == row.want);
  }
}

TEST_CASE("mount plan: tokens of other audiences lend no uid") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->audiences = {"vault"};
  Result<PlanPtr> plan = PlanMount(
      Context(), "one", provider,
      RequestWith(TokensText({{"other", Jwt("shop", "web", "other-uid")}, {"vault", "opaque"}})),
      nullptr);
  REQUIRE(plan.ok());
  CHECK((*plan)->identity.service_account_uid.empty());
}

TEST_CASE("mount plan: a token is asked for only when none of the audiences came along") {
  struct Row {
    std::string name;
    std::vector<std::string> audiences;
    std::map<std::string, std::string> sent;
    std::vector<std::string> asked;
  };
  const Row rows[] = {
      {"the login needs none", {}, {}, {}},
      {"the first came", {"vault", ""}, {{"vault", "t"}}, {}},
      {"the second came", {"vault", ""}, {{"", "t"}}, {}},
      {"none came: the last", {"vault", "fallback"}, {}, {"shop/web-0 fallback"}},
      {"another one came", {"vault"}, {{"other", "t"}}, {"shop/web-0 vault"}},
      {"the cluster's default", {""}, {}, {"shop/web-0 "}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto provider = std::make_shared<OneFileProvider>();
    provider->audiences = row.audiences;
    FakeTokenSource source;
    Result<PlanPtr> plan =
        PlanMount(Context(), "one", provider,
                  RequestWith(row.sent.empty() ? "" : TokensText(row.sent)), &source);
    REQUIRE(plan.ok());
    CHECK(source.asked == row.asked);
    if (row.asked.empty()) continue;
    const std::string& audience = row.audiences.back();
    REQUIRE((*plan)->identity.Token(audience) != nullptr);
    CHECK((*plan)->identity.Token(audience)->token.Reveal() == "made-for-" + audience);
  }
}

TEST_CASE("mount plan: a token that has expired is replaced where that is allowed, else kept") {
  const WallTime expires =
      ParseServiceAccountTokens(SecretBytes(TokensText({{"vault", "old"}})))->at("vault").expires;
  struct Row {
    std::string name;
    WallTime now;
    bool refused;
    std::string want;
    std::size_t asked;
  };
  const Row rows[] = {
      {"still good", expires - std::chrono::seconds(1), false, "old", 0},
      {"expired", expires, false, "made-for-vault", 1},
      {"expired, and none to be had", expires, true, "old", 1},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto provider = std::make_shared<OneFileProvider>();
    provider->audiences = {"vault"};
    FakeTokenSource source;
    if (row.refused) source.error = Error(ErrorCode::kDenied, "no");
    MountRequestValues request = RequestWith(TokensText({{"vault", "old"}}));
    request.now = row.now;
    const Result<PlanPtr> plan = PlanMount(Context(), "one", provider, std::move(request), &source);
    REQUIRE(plan.ok());
    CHECK((*plan)->identity.Token("vault")->token.Reveal() == row.want);
    CHECK(source.asked.size() == row.asked);
  }
}

TEST_CASE("mount plan: a volume found again is asked for in the audience kubelet sends") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->audiences = {"vault", ""};
  FakeTokenSource source;
  MountRequestValues request = RequestWith("");
  request.found_again = true;
  REQUIRE(PlanMount(Context(), "one", provider, std::move(request), &source).ok());
  CHECK(source.asked == std::vector<std::string>{"shop/web-0 vault"});
}

TEST_CASE("mount plan: a missing token is upstream's error with the cause and the way out") {
  FakeTokenSource refusing;
  refusing.error = Error(ErrorCode::kDenied, "kubernetes: 403 Forbidden: no");
  struct Row {
    std::string name;
    TokenSource* source;
    std::string mount_error, want;
  };
  const std::string fragment =
      "failed to create a service account token for requesting pod {web-0 uid-7 shop web }: ";
  const std::string way_out =
      "; add audience \"vault\" to spec.tokenRequests of the CSIDriver object "
      "secrets-store.csi.k8s.io";
  const Row rows[] = {
      {"nobody to ask", nullptr, "",
       fragment + "the request carries none and the agent has no kubeconfig" + way_out},
      {"refused", &refusing, "", fragment + "kubernetes: 403 Forbidden: no" + way_out},
      {"with the dialect's own start", &refusing, "error making mount request",
       "error making mount request: " + fragment + "kubernetes: 403 Forbidden: no" + way_out},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto provider = std::make_shared<OneFileProvider>();
    provider->audiences = {"vault"};
    provider->mount_error = row.mount_error;
    Result<PlanPtr> plan = PlanMount(Context(), "one", provider, RequestWith(""), row.source);
    REQUIRE_FALSE(plan.ok());
    CHECK(plan.error().message() == row.want);
    CHECK(plan.error().code() == ErrorCode::kPrecondition);
  }
}

TEST_CASE("mount plan: tokens that cannot be read are an error that does not quote them") {
  auto provider = std::make_shared<OneFileProvider>();
  for (const std::string text : {"hunter2", "{\"vault\":\"hunter2\"}", "[\"hunter2\"]"}) {
    INFO(text);
    Result<PlanPtr> plan = PlanMount(Context(), "one", provider, RequestWith(text), nullptr);
    REQUIRE_FALSE(plan.ok());
    CHECK(plan.error().code() == ErrorCode::kInvalid);
    CHECK(plan.error().message().starts_with("failed to unmarshal service account tokens: "));
    CHECK(plan.error().message().find("hunter2") == std::string::npos);
  }
}

TEST_CASE("mount plan: what the dialect refuses is said as the dialect says it") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->parse_error = Error(ErrorCode::kInvalid, "missing 'roleName'");
  FakeTokenSource source;
  Result<PlanPtr> plan = PlanMount(Context(), "one", provider, RequestWith(""), &source);
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().message() == "missing 'roleName'");
  CHECK(source.asked.empty());
}

TEST_CASE("parse memo: a request is parsed once, however often it is made") {
  struct Row {
    std::string name;
    std::function<void(MountInput&)> change;
    int parses;
  };
  const Row rows[] = {
      {"equal", [](MountInput&) {}, 1},
      {"other tokens", [](MountInput& input) { input.tokens = SecretBytes("{}"); }, 1},
      {"another value", [](MountInput& input) { input.attributes["roleName"] = "s"; }, 2},
      {"one more parameter", [](MountInput& input) { input.attributes["x"] = ""; }, 2},
      {"a value that reads like two parameters",
       [](MountInput& input) { input.attributes["roleName"] = "r1:x0:"; }, 2},
      {"another permission", [](MountInput& input) { input.permission = "256"; }, 2},
      {"another target", [](MountInput& input) { input.target_path = "/elsewhere"; }, 2},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto provider = std::make_shared<OneFileProvider>();
    ParseMemo memo;
    MountInput input = std::move(RequestWith("").input);
    CHECK(memo.Find(provider, input) == nullptr);
    REQUIRE(memo.Parse(provider, input).ok());
    row.change(input);
    CHECK((memo.Find(provider, input) != nullptr) == (row.parses == 1));
    REQUIRE(memo.Parse(provider, input).ok());
    CHECK(provider->parses == row.parses);
  }
}

TEST_CASE("parse memo: errors, and the answers of a provider that is gone, are not remembered") {
  ParseMemo memo;
  const MountInput input = std::move(RequestWith("").input);
  auto provider = std::make_shared<OneFileProvider>();
  provider->parse_error = Error(ErrorCode::kInvalid, "missing 'roleName'");
  CHECK_FALSE(memo.Parse(provider, input).ok());
  provider->parse_error.reset();
  CHECK(memo.Parse(provider, input).ok());
  CHECK(provider->parses == 2);

  auto reloaded = std::make_shared<OneFileProvider>();
  reloaded->audiences = {"new"};
  CHECK(memo.Find(reloaded, input) == nullptr);
  Result<ParsedMount> parsed = memo.Parse(reloaded, input);
  REQUIRE(parsed.ok());
  CHECK(parsed->audiences == std::vector<std::string>{"new"});
}

TEST_CASE("parse memo: the least recently used goes first") {
  ParseMemo memo(2);
  auto provider = std::make_shared<OneFileProvider>();
  const auto ask = [&](const std::string& role) {
    MountInput input = std::move(RequestWith("").input);
    input.attributes["roleName"] = role;
    REQUIRE(memo.Parse(provider, input).ok());
    return provider->parses;
  };
  CHECK(ask("a") == 1);
  CHECK(ask("b") == 2);
  CHECK(ask("a") == 2);
  CHECK(ask("c") == 3);  // in b's place
  CHECK(ask("a") == 3);
  CHECK(ask("b") == 4);
}

TEST_CASE("known mount: planned without parsing or waiting, for the pod that asks now") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->audiences = {"vault"};
  ParseMemo memo;
  MountRequestValues first = RequestWith(TokensText({{"vault", Jwt("shop", "web", "sa-uid")}}));
  CHECK(PlanKnownMount("one", provider, first, memo) == nullptr);
  REQUIRE(PlanMount(Context(), "one", provider, std::move(first), nullptr, &memo).ok());

  MountRequestValues again = RequestWith(TokensText({{"vault", Jwt("shop", "web", "new-uid")}}));
  const PlanPtr plan = PlanKnownMount("one", provider, again, memo);
  REQUIRE(plan != nullptr);
  CHECK(provider->parses == 1);
  CHECK(plan->provider == "one");
  CHECK(plan->backend == provider);
  CHECK(plan->mount.projections.at(0).path == "db");
  CHECK(plan->identity.service_account_uid == "new-uid");
  CHECK(plan->identity.Token("vault")->token.Reveal() == Jwt("shop", "web", "new-uid"));
  CHECK(plan->target_path == again.input.target_path);
}

TEST_CASE("known mount: a credential of the class goes with each mount, before one of the Secret") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->credential_parameters = {"accessKey", "absent"};
  ParseMemo memo;
  const auto request = [](const std::string& in_class) {
    MountRequestValues values = RequestWith("");
    values.input.attributes["accessKey"] = in_class;
    values.secrets["accessKey"] = SecretBytes("of the Secret");
    values.secrets["absent"] = SecretBytes("of the Secret");
    return values;
  };
  Result<PlanPtr> first =
      PlanMount(Context(), "one", provider, request("of the class"), nullptr, &memo);
  REQUIRE(first.ok());
  MountRequestValues again = request("of the class");
  const PlanPtr known = PlanKnownMount("one", provider, again, memo);
  REQUIRE(known != nullptr);
  CHECK(provider->parses == 1);
  for (const PlanPtr& plan : {*first, known}) {
    CHECK(plan->identity.secrets.at("accessKey").Reveal() == "of the class");
    CHECK(plan->identity.secrets.at("absent").Reveal() == "of the Secret");
  }
  // Another credential is another class.
  MountRequestValues other = request("another");
  CHECK(PlanKnownMount("one", provider, other, memo) == nullptr);
}

TEST_CASE(
    "known mount: a request without its token, or with one that cannot be read, is not for it") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->audiences = {"vault"};
  ParseMemo memo;
  FakeTokenSource source;
  REQUIRE(PlanMount(Context(), "one", provider, RequestWith(""), &source, &memo).ok());
  struct Row {
    std::string name, tokens;
  };
  const Row rows[] = {
      {"none", ""}, {"of another audience", TokensText({{"other", "t"}})}, {"unreadable", "{"}};
  for (const Row& row : rows) {
    INFO(row.name);
    MountRequestValues request = RequestWith(row.tokens);
    CHECK(PlanKnownMount("one", provider, request, memo) == nullptr);
    // PlanMount gets the request whole.
    CHECK(request.input.tokens.Reveal() == row.tokens);
    CHECK(request.input.attributes.contains("roleName"));
  }
  CHECK(source.asked.size() == 1);
}

}  // namespace nodekeep
