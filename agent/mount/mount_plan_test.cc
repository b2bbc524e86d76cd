#include "agent/mount/mount_plan.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/codecs.h"
#include "tests/fakes/core.h"
#include "tests/fakes/together.h"

#ifdef NODEKEEP_SANITIZED
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();  // of the sanitizer's allocator
#endif

namespace nodekeep {
namespace {

class PlainOptions final : public ProviderOptions {
 public:
  std::string LoginText() const override { return "plain"; }
  std::vector<std::pair<std::string, std::string>> Explain() const override { return {}; }
};

// Parses any class to one file, and records its input.
class OneFileProvider final : public Backend, public SpcDialect {
 public:
  Result<ParsedMount> Parse(const SpcInput& input) const override {
    ++parses;
    parameters = input.parameters;
    if (while_parsing) while_parsing();
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
                                  const Identity&) override {
    return Error(ErrorCode::kInternal, "planning does not log in");
  }
  std::vector<Result<Answer>> Fetch(const Context&, const ProviderOptions&, const Credential&,
                                    std::span<const Question>) override {
    return {};
  }
  Result<std::vector<RenderedFile>> RenderFiles(const Projection& projection,
                                                const SecretBytes& answer) const override {
    return OneFile(projection, answer.Clone());
  }

  std::vector<std::string> audiences;
  std::string mount_error;
  std::vector<std::string> credential_parameters;
  std::optional<Error> parse_error;
  std::function<void()> while_parsing;
  mutable int parses = 0;
  mutable std::map<std::string, std::string> parameters;  // of the last Parse
};

// Bytes that are allocated now.
std::size_t HeapInUse() {
#ifdef NODEKEEP_SANITIZED
  return __sanitizer_get_current_allocated_bytes();
#else
  return mallinfo2().uordblks + mallinfo2().hblkhd;
#endif
}

// Returns the token "made-for-<audience>", or `error`.
class FakeTokenSource final : public TokenSource {
 public:
  Result<ServiceAccountToken> Request(const Context&, const Identity& identity,
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

MountRequest RequestWith(const std::string& tokens) {
  MountRequest request;
  request.provider = "one";
  request.parameters = {{"roleName", "r"}};
  request.identity.namespace_name = "shop";
  request.identity.pod = {"web-0", "uid-7"};
  request.identity.service_account = "web";
  request.identity.tokens = *ParseServiceAccountTokens(SecretBytes(tokens));
  request.target_path = "/var/lib/kubelet/pods/uid-7/volumes/x/mount";
  return request;
}

SpcInput InputOf(const MountRequest& request) { return {request.parameters, request.mode}; }

}  // namespace

TEST_CASE("mount plan: contains identity, refs and target") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->audiences = {"vault"};
  MountRequest request = RequestWith(TokensText({{"vault", Jwt("shop", "web", "sa-uid")}}));
  request.identity.credentials["user"] = SecretBytes("alice");
  Result<MountPlanPtr> plan = PlanMount(Context(), ProviderOf(provider), std::move(request), {});
  REQUIRE(plan.ok());
  const ReadPlan& read = *(*plan)->read;
  CHECK(read.route.provider == "one");
  CHECK(read.route.backend == provider);
  CHECK(read.reads->at(0).ref->path == "secret/db");
  CHECK((*plan)->parsed->mount.projections.at(0).path == "db");
  CHECK((*plan)->target_path == "/var/lib/kubelet/pods/uid-7/volumes/x/mount");
  CHECK(read.identity.namespace_name == "shop");
  CHECK(read.identity.PodName() == "web-0");
  CHECK(read.identity.PodUid() == "uid-7");
  CHECK(read.identity.service_account == "web");
  CHECK(read.identity.service_account_uid == "sa-uid");
  CHECK(read.identity.credentials.at("user").Reveal() == "alice");
  REQUIRE(read.identity.Token("vault") != nullptr);
  CHECK(read.identity.Token("vault")->token.Reveal() == Jwt("shop", "web", "sa-uid"));
  CHECK(provider->parameters.at("roleName") == "r");
}

TEST_CASE("mount plan: a service account uid is used only if the token's claims match the pod") {
  struct Row {
    std::string name, token, want;
  };
  const Row rows[] = {
      {"matches", Jwt("shop", "web", "sa-uid"), "sa-uid"},
      {"another namespace", Jwt("bank", "web", "sa-uid"), ""},
      {"another account", Jwt("shop", "admin", "sa-uid"), ""},
      {"a token without uid", Jwt("shop", "web", ""), ""},
      {"not a Kubernetes token", "e30.e30.sig", ""},
      {"not a JWT", "opaque", ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto provider = std::make_shared<OneFileProvider>();
    provider->audiences = {"vault"};
    Result<MountPlanPtr> plan = PlanMount(Context(), ProviderOf(provider),
                                          RequestWith(TokensText({{"vault", row.token}})), {});
    REQUIRE(plan.ok());
    CHECK((*plan)->read->identity.service_account_uid == row.want);
  }
}

TEST_CASE("mount plan: the uid is not taken from tokens of other audiences") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->audiences = {"vault"};
  Result<MountPlanPtr> plan = PlanMount(
      Context(), ProviderOf(provider),
      RequestWith(TokensText({{"other", Jwt("shop", "web", "other-uid")}, {"vault", "opaque"}})),
      {});
  REQUIRE(plan.ok());
  CHECK((*plan)->read->identity.service_account_uid.empty());
}

TEST_CASE("mount plan: a token is requested only if the mount has none for the audiences") {
  struct Row {
    std::string name;
    std::vector<std::string> audiences;
    std::map<std::string, std::string> sent;
    std::vector<std::string> asked;
  };
  const Row rows[] = {
      {"the login needs none", {}, {}, {}},
      {"the first was sent", {"vault", ""}, {{"vault", "t"}}, {}},
      {"the second was sent", {"vault", ""}, {{"", "t"}}, {}},
      {"none was sent: the last", {"vault", "fallback"}, {}, {"shop/web-0 fallback"}},
      {"another one was sent", {"vault"}, {{"other", "t"}}, {"shop/web-0 vault"}},
      {"the cluster's default", {""}, {}, {"shop/web-0 "}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto provider = std::make_shared<OneFileProvider>();
    provider->audiences = row.audiences;
    FakeTokenSource source;
    Result<MountPlanPtr> plan =
        PlanMount(Context(), ProviderOf(provider),
                  RequestWith(row.sent.empty() ? "" : TokensText(row.sent)), {.tokens = &source});
    REQUIRE(plan.ok());
    CHECK(source.asked == row.asked);
    if (row.asked.empty()) continue;
    const std::string& audience = row.audiences.back();
    REQUIRE((*plan)->read->identity.Token(audience) != nullptr);
    CHECK((*plan)->read->identity.Token(audience)->token.Reveal() == "made-for-" + audience);
  }
}

TEST_CASE("mount plan: an expired token is replaced if possible, else kept") {
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
      {"still valid", expires - std::chrono::seconds(1), false, "old", 0},
      {"expired", expires, false, "made-for-vault", 1},
      {"expired, and the request refused", expires, true, "old", 1},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto provider = std::make_shared<OneFileProvider>();
    provider->audiences = {"vault"};
    FakeTokenSource source;
    if (row.refused) source.error = Error(ErrorCode::kDenied, "no");
    MountRequest request = RequestWith(TokensText({{"vault", "old"}}));
    const Result<MountPlanPtr> plan = PlanMount(Context(), ProviderOf(provider), std::move(request),
                                                {.tokens = &source, .now = row.now});
    REQUIRE(plan.ok());
    CHECK((*plan)->read->identity.Token("vault")->token.Reveal() == row.want);
    CHECK(source.asked.size() == row.asked);
  }
}

TEST_CASE("mount plan: the age of values is limited further for the first content of a volume") {
  FakeClock clock;
  const Provider provider = ProviderOf(std::make_shared<FakeProvider>(clock));
  struct Row {
    std::string name;
    bool at_start;
    std::string parameter;
    Duration want;
  };
  const Row rows[] = {
      {"a refresh", false, "7s", kLongestAge},
      {"the first content", true, "", std::chrono::seconds(5)},
      {"of a class that sets it", true, "7s", std::chrono::seconds(7)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    MountRequest request;
    request.provider = "fake";
    request.parameters = {{"objects", "a"}};
    if (!row.parameter.empty()) request.parameters["nodekeep/maxAgeAtStart"] = row.parameter;
    request.identity = MakeIdentity("shop", "web-1", "web");
    request.at_start = row.at_start;
    const Result<MountPlanPtr> plan = PlanMount(Context(), provider, request.Clone(), {});
    REQUIRE(plan.ok());
    CHECK((*plan)->read->max_age == row.want);
  }
}

TEST_CASE("mount plan: the token of a recovered volume has the audience that kubelet sends") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->audiences = {"vault", ""};
  FakeTokenSource source;
  MountRequest request = RequestWith("");
  request.recovered = true;
  REQUIRE(PlanMount(Context(), ProviderOf(provider), std::move(request), {.tokens = &source}).ok());
  CHECK(source.asked == std::vector<std::string>{"shop/web-0 vault"});
}

TEST_CASE("mount plan: a missing token is the upstream error with the cause and the fix") {
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
      {"no token source", nullptr, "",
       fragment + "the request carries none and the agent has no kubeconfig" + way_out},
      {"refused", &refusing, "", fragment + "kubernetes: 403 Forbidden: no" + way_out},
      {"with the dialect's prefix", &refusing, "error making mount request",
       "error making mount request: " + fragment + "kubernetes: 403 Forbidden: no" + way_out},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto provider = std::make_shared<OneFileProvider>();
    provider->audiences = {"vault"};
    provider->mount_error = row.mount_error;
    Result<MountPlanPtr> plan =
        PlanMount(Context(), ProviderOf(provider), RequestWith(""), {.tokens = row.source});
    REQUIRE_FALSE(plan.ok());
    CHECK(plan.error().message() == row.want);
    CHECK(plan.error().code() == ErrorCode::kPrecondition);
  }
}

TEST_CASE("mount plan: no token is requested for a request that does not name its pod") {
  struct Row {
    std::string name;
    std::function<void(Identity&)> change;
  };
  const Row rows[] = {
      {"no pod", [](Identity& identity) { identity.pod.reset(); }},
      {"no pod name", [](Identity& identity) { identity.pod->name.clear(); }},
      {"no pod uid", [](Identity& identity) { identity.pod->uid.clear(); }},
      {"no namespace", [](Identity& identity) { identity.namespace_name.clear(); }},
      {"no service account", [](Identity& identity) { identity.service_account.clear(); }},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto provider = std::make_shared<OneFileProvider>();
    provider->audiences = {"vault"};
    FakeTokenSource source;
    MountRequest request = RequestWith("");
    row.change(request.identity);
    const Result<MountPlanPtr> plan =
        PlanMount(Context(), ProviderOf(provider), std::move(request), {.tokens = &source});
    REQUIRE_FALSE(plan.ok());
    CHECK(plan.error().code() == ErrorCode::kPrecondition);
    CHECK(plan.error().message().find("podInfoOnMount") != std::string::npos);
    CHECK(source.asked.empty());
  }
}

TEST_CASE("mount plan: an error of the dialect is returned unchanged") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->parse_error = Error(ErrorCode::kInvalid, "missing 'roleName'");
  FakeTokenSource source;
  Result<MountPlanPtr> plan =
      PlanMount(Context(), ProviderOf(provider), RequestWith(""), {.tokens = &source});
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().message() == "missing 'roleName'");
  CHECK(source.asked.empty());
}

TEST_CASE("parse memo: a class is parsed once for all pods that mount it") {
  struct Row {
    std::string name;
    std::function<void(MountRequest&)> change;
    int parses;
  };
  const Row rows[] = {
      {"equal", [](MountRequest&) {}, 1},
      {"other tokens", [](MountRequest& r) { r.identity.tokens["x"].token = SecretBytes("t"); }, 1},
      {"another pod",
       [](MountRequest& r) {
         r.identity.pod = {"web-1", "uid-8"};
       },
       1},
      {"another target", [](MountRequest& r) { r.target_path = "/elsewhere"; }, 1},
      {"another value", [](MountRequest& r) { r.parameters["roleName"] = "s"; }, 2},
      {"one more parameter", [](MountRequest& r) { r.parameters["x"] = ""; }, 2},
      {"a value that looks like two parameters",
       [](MountRequest& r) { r.parameters["roleName"] = "r1:x0:"; }, 2},
      {"another mode", [](MountRequest& r) { r.mode = 0400; }, 2},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto provider = std::make_shared<OneFileProvider>();
    SharedResource class_bytes{{.name = "class_bytes", .capacity = 32 << 20}};
    ParseMemo memo(class_bytes);
    MountRequest request = RequestWith("");
    CHECK(memo.Find(provider, InputOf(request)) == nullptr);
    REQUIRE(memo.Parse("shop", provider, InputOf(request)).ok());
    row.change(request);
    CHECK((memo.Find(provider, InputOf(request)) != nullptr) == (row.parses == 1));
    REQUIRE(memo.Parse("shop", provider, InputOf(request)).ok());
    CHECK(provider->parses == row.parses);
  }
}

TEST_CASE("parse memo: errors and results of a destroyed provider are not reused") {
  SharedResource class_bytes{{.name = "class_bytes", .capacity = 32 << 20}};
  ParseMemo memo(class_bytes);
  const SpcInput input = InputOf(RequestWith(""));
  auto provider = std::make_shared<OneFileProvider>();
  provider->parse_error = Error(ErrorCode::kInvalid, "missing 'roleName'");
  CHECK_FALSE(memo.Parse("shop", provider, input).ok());
  provider->parse_error.reset();
  CHECK(memo.Parse("shop", provider, input).ok());
  CHECK(provider->parses == 2);

  auto reloaded = std::make_shared<OneFileProvider>();
  reloaded->audiences = {"new"};
  CHECK(memo.Find(reloaded, input) == nullptr);
  Result<ParsedClassPtr> parsed = memo.Parse("shop", reloaded, input);
  REQUIRE(parsed.ok());
  CHECK((*parsed)->mount.audiences == std::vector<std::string>{"new"});
}

TEST_CASE("parse memo: the namespace's least recently used class is dropped first") {
  // Room for one parsed class, but not for two, beside what the parsing of another takes.
  SharedResource class_bytes{{.name = "class_bytes", .capacity = 48 << 10}};
  ParseMemo memo(class_bytes);
  auto provider = std::make_shared<OneFileProvider>();
  const auto ask = [&](const std::string& role) {
    SpcInput input = InputOf(RequestWith(""));
    input.parameters["roleName"] = role;
    REQUIRE(memo.Parse("shop", provider, input).ok());
    return provider->parses;
  };
  CHECK(ask("a") == 1);
  CHECK(ask("b") == 2);
  CHECK(ask("a") == 2);
  CHECK(ask("c") == 3);  // replaces b
  CHECK(ask("a") == 3);
  CHECK(ask("b") == 4);
}

TEST_CASE("parse memo: what a parsed class is charged is what it occupies") {
  FakeClock clock;
  const FakeProvider provider(clock);
  struct Row {
    std::string name;
    std::size_t objects, path;
  };
  const Row rows[] = {{"one object", 1, 5},
                      {"very many short objects", 5000, 5},
                      {"long paths", 300, 900},
                      {"one very long path", 1, 200'000},
                      {"warnings", 1, 5}};
  for (const Row& row : rows) {
    INFO(row.name);
    SpcInput input;
    for (std::size_t i = 0; i < row.objects; ++i) {
      const std::string number = std::to_string(i);
      input.parameters["objects"] += number + std::string(row.path, 'p') + ",";
    }
    Result<ParsedMount> mount = provider.Parse(input);
    REQUIRE(mount.ok());
    for (int i = 0; row.name == "warnings" && i < 20; ++i) {
      mount->warnings.Add([] { return std::string(1000, 'w'); });
    }
    const std::size_t charged = MemoryOf(*mount, BytesOf(input));
    const std::size_t before = HeapInUse();
    const ParsedClassPtr parsed = MakeParsedClass(*mount, BytesOf(input));
    const std::size_t real = HeapInUse() - before;
    INFO("charged " << charged << ", real " << real);
    CHECK(charged >= real);
    CHECK(charged <= 2 * real + 2 * BytesOf(input) + 8192);  // the options are not in `real`
  }
}

TEST_CASE("parse memo: classes in use and cached stay within the share of their namespace") {
  constexpr std::size_t kCapacity = 1 << 20;
  std::vector<std::string> refusals;
  SharedResource class_bytes{{.name = "class_bytes",
                              .capacity = kCapacity,
                              .on_refusal = [&](std::string_view, const std::string& whose) {
                                refusals.push_back(whose);
                              }}};
  ParseMemo memo(class_bytes);
  auto provider = std::make_shared<OneFileProvider>();
  const auto parse = [&](const std::string& whose, int number, std::size_t size) {
    SpcInput input = InputOf(RequestWith(""));
    input.parameters["roleName"] = std::to_string(number) + std::string(size, 'r');
    return memo.Parse(whose, provider, input);
  };
  REQUIRE(parse("honest", 0, 100).ok());
  const int parses = provider->parses;

  INFO("cached classes give way to others of their namespace");
  for (int i = 1; i < 200; ++i) REQUIRE(parse("greedy", i, 1000).ok());
  CHECK(class_bytes.used() <= kCapacity / 2 + (64 << 10));
  CHECK(refusals.empty());
  REQUIRE(parse("honest", 0, 100).ok());
  CHECK(provider->parses == parses + 199);

  INFO("classes in use do not, so the next one is refused");
  std::vector<ParsedClassPtr> in_use;
  std::string refused;
  for (int i = 200; i < 400 && refused.empty(); ++i) {
    Result<ParsedClassPtr> parsed = parse("greedy", i, 1000);
    if (parsed.ok()) {
      in_use.push_back(*parsed);
    } else {
      refused = parsed.error().message();
    }
  }
  CHECK(in_use.size() > 5);
  CHECK(in_use.size() < 100);
  CHECK(refused.find("namespace \"greedy\"") != std::string::npos);
  CHECK(refusals == std::vector<std::string>{"greedy"});
  CHECK(parse("honest", 1, 100).ok());

  in_use.clear();
  CHECK(parse("greedy", 500, 1000).ok());
}

TEST_CASE("parse memo: without room for more, a namespace parses one class after the other") {
  // Parsing one takes more than half of the share; beside it there is room for what each thread
  // has.
  SharedResource class_bytes{{.name = "class_bytes", .capacity = 200 << 10}};
  ParseMemo memo(class_bytes);
  auto provider = std::make_shared<OneFileProvider>();
  std::atomic<int> parsing = 0, most = 0;
  provider->while_parsing = [&] {
    most = std::max<int>(most, ++parsing);
    std::this_thread::yield();
    --parsing;
  };
  std::atomic<int> refused = 0;
  auto pods = RunConcurrently(4, [&](std::size_t i) {
    for (int j = 0; j < 5; ++j) {
      SpcInput input = InputOf(RequestWith(""));
      input.parameters["roleName"] = fmt::format("{}-{}-{}", i, j, std::string(1000, 'r'));
      if (!memo.Parse("shop", provider, input).ok()) ++refused;
    }
  });
  pods.clear();
  CHECK(refused == 0);
  CHECK(most == 1);
  CHECK(provider->parses == 20);
}

TEST_CASE("parse memo: pods that mount at the same time parse their class once") {
  SharedResource class_bytes{{.name = "class_bytes", .capacity = 32 << 20}};
  ParseMemo memo(class_bytes);
  auto provider = std::make_shared<OneFileProvider>();
  std::latch entered(1), leave(1);
  provider->while_parsing = [&] {
    entered.count_down();
    leave.wait();
  };
  constexpr std::size_t kPods = 20;
  std::vector<ParsedClassPtr> parsed(kPods);
  std::atomic<std::size_t> asking = 0;
  auto pods = RunConcurrently(kPods, [&](std::size_t i) {
    // The others ask while the first parses.
    if (i > 0) entered.wait();
    ++asking;
    Result<ParsedClassPtr> result = memo.Parse("shop", provider, InputOf(RequestWith("")));
    if (result.ok()) parsed[i] = *result;
  });
  while (asking < kPods) std::this_thread::yield();
  leave.count_down();
  pods.clear();
  CHECK(provider->parses == 1);
  for (const ParsedClassPtr& one : parsed) CHECK((one != nullptr && one == parsed[0]));
}

TEST_CASE("known mount: planned without parsing or waiting, with the current request's identity") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->audiences = {"vault"};
  SharedResource class_bytes{{.name = "class_bytes", .capacity = 32 << 20}};
  ParseMemo memo(class_bytes);
  MountRequest first = RequestWith(TokensText({{"vault", Jwt("shop", "web", "sa-uid")}}));
  CHECK(PlanKnownMount(ProviderOf(provider), first, memo) == nullptr);
  REQUIRE(PlanMount(Context(), ProviderOf(provider), std::move(first), {.memo = &memo}).ok());

  MountRequest again = RequestWith(TokensText({{"vault", Jwt("shop", "web", "new-uid")}}));
  const MountPlanPtr plan = PlanKnownMount(ProviderOf(provider), again, memo);
  REQUIRE(plan != nullptr);
  CHECK(provider->parses == 1);
  CHECK(plan->read->route.provider == "one");
  CHECK(plan->read->route.backend == provider);
  CHECK(plan->parsed->mount.projections.at(0).path == "db");
  CHECK(plan->read->identity.service_account_uid == "new-uid");
  CHECK(plan->read->identity.Token("vault")->token.Reveal() == Jwt("shop", "web", "new-uid"));
  CHECK(plan->target_path == again.target_path);
}

TEST_CASE("known mount: each mount uses the credential of the class before that of the Secret") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->credential_parameters = {"accessKey", "absent"};
  SharedResource class_bytes{{.name = "class_bytes", .capacity = 32 << 20}};
  ParseMemo memo(class_bytes);
  const auto request = [](const std::string& in_class) {
    MountRequest values = RequestWith("");
    values.parameters["accessKey"] = in_class;
    values.identity.credentials["accessKey"] = SecretBytes("of the Secret");
    values.identity.credentials["absent"] = SecretBytes("of the Secret");
    return values;
  };
  Result<MountPlanPtr> first =
      PlanMount(Context(), ProviderOf(provider), request("of the class"), {.memo = &memo});
  REQUIRE(first.ok());
  MountRequest again = request("of the class");
  const MountPlanPtr known = PlanKnownMount(ProviderOf(provider), again, memo);
  REQUIRE(known != nullptr);
  CHECK(provider->parses == 1);
  for (const MountPlanPtr& plan : {*first, known}) {
    CHECK(plan->read->identity.credentials.at("accessKey").Reveal() == "of the class");
    CHECK(plan->read->identity.credentials.at("absent").Reveal() == "of the Secret");
  }
  // A different credential makes it a different class.
  MountRequest other = request("another");
  CHECK(PlanKnownMount(ProviderOf(provider), other, memo) == nullptr);
}

TEST_CASE("known mount: a request without a token for the login is left to PlanMount") {
  auto provider = std::make_shared<OneFileProvider>();
  provider->audiences = {"vault"};
  SharedResource class_bytes{{.name = "class_bytes", .capacity = 32 << 20}};
  ParseMemo memo(class_bytes);
  FakeTokenSource source;
  REQUIRE(PlanMount(Context(), ProviderOf(provider), RequestWith(""),
                    {.tokens = &source, .memo = &memo})
              .ok());
  struct Row {
    std::string name, tokens;
  };
  const Row rows[] = {{"none", ""}, {"of another audience", TokensText({{"other", "t"}})}};
  for (const Row& row : rows) {
    INFO(row.name);
    MountRequest request = RequestWith(row.tokens);
    CHECK(PlanKnownMount(ProviderOf(provider), request, memo) == nullptr);
    // The request is unchanged for PlanMount.
    CHECK(request.identity.PodName() == "web-0");
    CHECK(request.identity.tokens.size() == (row.tokens.empty() ? 0 : 1));
    CHECK(request.parameters.contains("roleName"));
  }
  CHECK(source.asked.size() == 1);
}

TEST_CASE("plan: Explain prints everything except secrets") {
  FakeClock clock;
  auto backend = std::make_shared<FakeProvider>(clock);
  Identity identity = MakeIdentity("shop", "web-1", "web");
  identity.credentials["password"] = SecretBytes("hunter2-secret");
  identity.tokens["vault"].token = SecretBytes("hunter2-token");
  MountRequest request;
  request.provider = "fake";
  request.parameters = {{"objects", "app/db#user,app/db#password,app/cert"},
                        {"nodekeep/optional", "app/cert"},
                        {"nodekeep/refreshAfter", "90s"}};
  request.identity = std::move(identity);
  const MountPlanPtr made = *PlanMount(Context(), ProviderOf(backend), std::move(request), {});
  ParsedMount mount = made->parsed->mount;
  mount.audiences = {"vault", "openbao"};
  mount.projections[0].mode = 0400;
  mount.projections[1].encoding = "base64";
  mount.projections[2].ref.version = "3";
  const MountPlan plan{made->read, made->dialect, MakeParsedClass(mount, 0), made->target_path};

  CHECK(plan.Explain() ==
        "provider: fake\n"
        "login: fake\n"
        "pod: shop/web-1\n"
        "service account: shop/web\n"
        "token audience: vault (present)\n"
        "token audience: openbao (absent)\n"
        "refresh after: 1m30s\n"
        "serve stale for: 1h0m0s\n"
        "max age at start: 5s\n"
        "backend reads when nothing is cached: 2\n"
        "file: app-db.user (mode 0400) <- fake:app/db, key user\n"
        "file: app-db.password (mode 0644) <- fake:app/db, key password, decode base64\n"
        "file: app-cert (mode 0644) <- fake:app/cert@3, optional\n");
}

TEST_CASE("plan: Explain says that the class asks for a shorter age than the node allows") {
  FakeClock clock;
  const MountPlanPtr made = FakePlan(std::make_shared<FakeProvider>(clock), "a", Identity());
  ParsedMount mount = made->parsed->mount;
  mount.policy = *ReadPolicy({{"nodekeep/refreshAfter", "1ms"}}, Policy(), {});
  const MountPlan plan{made->read, made->dialect, MakeParsedClass(mount, 0, {}), made->target_path};
  CHECK(plan.Explain().find(
            "\nrefresh after: 10s (nodekeep/refreshAfter is 1ms; the node allows no "
            "less than 10s (policy.refreshAfterMin), which is used)\n") != std::string::npos);
}

TEST_CASE("plan: Explain ends with the warnings of the class") {
  FakeClock clock;
  const MountPlanPtr made = FakePlan(std::make_shared<FakeProvider>(clock), "a", Identity());
  ParsedMount mount = made->parsed->mount;
  mount.warnings.Add([] { return "parameter x: is unknown"; });
  const MountPlan one{made->read, made->dialect, MakeParsedClass(mount, 0, {}), made->target_path};
  CHECK(one.Explain().ends_with("<- fake:a\nwarning: parameter x: is unknown\n"));
  for (std::size_t i = 0; i < SpcWarnings::kMost; ++i) mount.warnings.Add([] { return "y"; });
  const MountPlan many{made->read, made->dialect, MakeParsedClass(mount, 0, {}), made->target_path};
  CHECK(many.Explain().ends_with("\nwarning: y\nwarning: and 1 more\n"));
}

TEST_CASE("plan: Explain without a pod prints \"(no pod)\"") {
  FakeClock clock;
  const MountPlanPtr plan = FakePlan(std::make_shared<FakeProvider>(clock), "a", Identity());
  CHECK(plan->Explain() ==
        "provider: fake\n"
        "login: fake\n"
        "pod: (no pod)\n"
        "refresh after: 2m0s\n"
        "serve stale for: 1h0m0s\n"
        "max age at start: 5s\n"
        "backend reads when nothing is cached: 1\n"
        "file: a (mode 0644) <- fake:a\n");
}

TEST_CASE("plan: refs are distinct and in the manifest's order") {
  FakeClock clock;
  const MountPlanPtr plan = FakePlan(std::make_shared<FakeProvider>(clock), "z#1,a,z#2,m,a#x",
                                     MakeIdentity("shop", "web-1", "web"));
  std::vector<std::string> paths;
  for (const PlannedRead& read : *plan->read->reads) paths.push_back(read.ref->path);
  CHECK(paths == std::vector<std::string>{"z", "a", "m"});
}

}  // namespace nodekeep
