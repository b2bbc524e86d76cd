// The akeyless provider on a scripted gateway: k8s logins with the pods' tokens, and static secrets
// that everybody or one service account may read.

#include <algorithm>
#include <mutex>

#include "agent/base/codecs.h"
#include "agent/base/go_json.h"
#include "agent/base/json.h"
#include "tests/conformance/subject.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep::conformance {
namespace {

using Seen = FakeHttpClient::Seen;

constexpr std::string_view kGateway = "https://gateway.test:8000/api/v2";
constexpr std::string_view kDenied = R"({"error":"UnauthorizedAccess: no access to the item"})";

HttpResponse Reply(int status, std::string body,
                   std::vector<std::pair<std::string, std::string>> headers = {}) {
  HttpResponse response;
  response.status = status;
  response.headers = std::move(headers);
  response.body = SecretBytes(body);
  return response;
}

class AkeylessSubject final : public Subject {
 public:
  AkeylessSubject(FakeClock& clock, Logger& log) : clock_(clock) {
    http_.On("", "*",
             {[this](const Context& context, const Seen& seen) { return Answer(context, seen); }});
    provider_ = MakeRegistered("akeyless",
                               {{"gatewayUrl", std::string(kGateway)},
                                {"accessType", "k8s"},
                                {"accessId", "p-0123456789km"},
                                {"k8sAuthConfigName", "cluster"},
                                {"shareByServiceAccount", "true"}},
                               http_, clock, log);
  }

  std::shared_ptr<Provider> provider() override { return provider_; }

  Attributes Mount(const std::vector<std::string>& names) const override {
    std::string objects;
    for (const std::string& name : names) {
      objects += "- {fileName: " + name + ", secretPath: /app/" + name + "}\n";
    }
    return {{"akeylessAuthAs", "pod"}, {"objects", objects}};
  }

  std::vector<BadInput> BadInputs() const override {
    Attributes no_objects = Mount({"db"});
    no_objects.erase("objects");
    Attributes reserved = Mount({"db"});
    reserved["nodekeep/refreshafter"] = "1s";
    const auto with = [](const std::string& objects) { return Attributes{{"objects", objects}}; };
    return {
        {"file outside the volume", with("- {fileName: ../evil, secretPath: /x}\n"), {"../evil"}},
        {"bad mode",
         with("- {fileName: cert, secretPath: /x, nodekeep/filePermission: 99999}\n"),
         {"nodekeep/filePermission"}},
        {"one file of two secrets",
         with("- {fileName: db, secretPath: /x}\n- {fileName: db, secretPath: /y}\n"),
         {"db"}},
        {"no path", with("- fileName: db\n"), {"db"}},
        {"no objects", no_objects, {"objects"}},
        {"reserved typo", reserved, {"nodekeep/refreshafter"}},
    };
  }

  void Set(const std::string& name, const std::string& value, const std::string& account) override {
    std::lock_guard lock(mutex_);
    Stored& stored = secrets_["/app/" + name];
    stored.value = value;
    stored.account = account;
    ++stored.version;
  }

  void Remove(const std::string& name) override {
    std::lock_guard lock(mutex_);
    secrets_.erase("/app/" + name);
  }

  std::vector<Fault> Faults() override {
    using std::chrono::seconds;
    const std::string cut = "the connection was cut";
    return {
        Status(true, 400, ErrorCode::kInvalid),
        Status(true, 401, ErrorCode::kDenied),
        Status(true, 403, ErrorCode::kDenied),
        Status(true, 404, ErrorCode::kInvalid),
        Status(true, 429, ErrorCode::kThrottled, seconds(7)),
        Status(true, 500, ErrorCode::kTransient),
        Status(true, 502, ErrorCode::kTransient),
        Status(true, 503, ErrorCode::kTransient),
        Failure("login: cut", true, ErrorCode::kTransient, cut),
        Status(false, 400, ErrorCode::kInvalid),
        Status(false, 401, ErrorCode::kAuthExpired),
        {"read: 401 of a path",
         false,
         [this] { Break(false, Reply(401, std::string(kDenied))); },
         ErrorCode::kDenied,
         {}},
        Status(false, 403, ErrorCode::kDenied),
        Status(false, 404, ErrorCode::kNotFound),
        Status(false, 429, ErrorCode::kThrottled, seconds(7)),
        Status(false, 500, ErrorCode::kTransient),
        Status(false, 502, ErrorCode::kTransient),
        Status(false, 503, ErrorCode::kTransient),
        Failure("read: cut", false, ErrorCode::kTransient, cut),
        Failure("read: too large", false, ErrorCode::kTooLarge, "the reply is too large"),
        {"read: no JSON",
         false,
         [this] { Break(false, Reply(200, "<html>canary</html>")); },
         ErrorCode::kTransient,
         {}},
        {"read: cut JSON",
         false,
         [this] { Break(false, Reply(200, R"({"/app/a":"va)")); },
         ErrorCode::kTransient,
         {}},
    };
  }

  void Heal() override {
    std::lock_guard lock(mutex_);
    broken_at_login_ = nullptr;
    broken_at_read_ = nullptr;
  }

  bool Hang() override {
    std::lock_guard lock(mutex_);
    hanging_ = true;
    return true;
  }

  void AwaitCall() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return hung_ > 0; });
    hung_ = 0;
  }

  void Equip(PodIdentity& identity) override {
    const std::string account = identity.namespace_name + "/" + identity.service_account;
    const std::string token = "jwt-of." + identity.pod_uid + ".canary";
    std::lock_guard lock(mutex_);
    accounts_[token] = {account, identity.service_account_uid};
    identity.tokens[""].token = SecretBytes(token);
  }

  std::vector<std::string> Tokens() const override { return {"jwt-of.", "t-canary", "canary"}; }

 private:
  struct Stored {
    std::string value, account;
    int version = 0;
  };
  struct Account {
    std::string name, uid;
  };

  // What is answered instead, made anew each time, because a response is move-only.
  using Instead = std::function<Result<HttpResponse>()>;

  void Break(bool at_login, Instead instead) {
    std::lock_guard lock(mutex_);
    (at_login ? broken_at_login_ : broken_at_read_) = std::move(instead);
  }
  void Break(bool at_login, HttpResponse response) {
    auto shared = std::make_shared<HttpResponse>(std::move(response));
    Break(at_login, [shared]() -> Result<HttpResponse> {
      return Reply(shared->status, std::string(shared->body.Reveal()), shared->headers);
    });
  }

  Fault Status(bool at_login, int status, ErrorCode want,
               std::optional<std::chrono::seconds> retry_after = {}) {
    Fault fault;
    fault.name = fmt::format("{}: {}", at_login ? "login" : "read", status);
    fault.at_login = at_login;
    fault.want = want;
    if (retry_after) fault.retry_after = *retry_after;
    fault.inflict = [=, this] {
      std::vector<std::pair<std::string, std::string>> headers;
      if (retry_after) headers.emplace_back("retry-after", std::to_string(retry_after->count()));
      Break(at_login, Reply(status, R"({"error":"the backend's words"})", headers));
    };
    return fault;
  }

  Fault Failure(std::string name, bool at_login, ErrorCode code, std::string words) {
    Fault fault;
    fault.name = std::move(name);
    fault.at_login = at_login;
    fault.want = code;
    fault.inflict = [=, this] {
      Break(at_login, Instead([=]() -> Result<HttpResponse> { return Error(code, words); }));
    };
    return fault;
  }

  Result<HttpResponse> Answer(const Context& context, const Seen& seen) {
    const std::string_view command = std::string_view(seen.url).substr(kGateway.size() + 1);
    std::unique_lock lock(mutex_);
    if (hanging_) {
      ++hung_;
      changed_.notify_all();
      clock_.WaitUntil(lock, changed_, context.stop(), context.deadline(), [] { return false; });
      return context.Check(clock_).error();
    }
    const bool login = command == "auth";
    const Instead& instead = login ? broken_at_login_ : broken_at_read_;
    if (instead) return instead();
    const Json body = *ParseJson(seen.body);
    if (login) return LogIn(body);
    auto owner = tokens_.find(TextOf(Find(body, {"token"})).value_or(""));
    if (owner == tokens_.end()) return Reply(401, R"({"error":"InvalidCredentials"})");
    if (command == "list-items") return List(owner->second);
    if (command == "describe-item") {
      return Describe(owner->second, TextOf(Find(body, {"name"})).value_or(""));
    }
    if (command == "get-secret-value") return Read(owner->second, *Find(body, {"names"}));
    return Reply(404, "404 page not found\n");
  }

  // The following are called with mutex_ held.

  Result<HttpResponse> LogIn(const Json& body) {
    const std::string encoded = TextOf(Find(body, {"k8s-service-account-token"})).value_or("");
    auto found = accounts_.find(std::string(Base64Decode(encoded)->Reveal()));
    if (found == accounts_.end()) return Reply(401, R"({"error":"AuthenticationFailed"})");
    const std::string token = "t-canary-" + std::to_string(++logins_);
    tokens_[token] = found->second.name;
    return Reply(200, fmt::format(R"({{"token":"{}","creds":{{}}}})", token));
  }

  bool MayRead(const std::string& account, const Stored& stored) const {
    return stored.account.empty() || stored.account == account;
  }

  static std::string Description(const std::string& name, const Stored& stored) {
    return fmt::format(R"({{"item_name":"{}","item_type":"STATIC_SECRET","last_version":{}}})",
                       name, stored.version);
  }

  // Hides what may not be read.
  Result<HttpResponse> List(const std::string& account) {
    std::string items;
    for (const auto& [name, stored] : secrets_) {
      if (MayRead(account, stored)) {
        items += (items.empty() ? "" : ",") + Description(name, stored);
      }
    }
    return Reply(200, R"({"items":[)" + items + R"(],"has_next":false})");
  }

  // The error for what is not there, or may not be read; null when all is well.
  std::optional<HttpResponse> Refusal(const std::string& account, const std::string& name) {
    auto found = secrets_.find(name);
    if (found == secrets_.end()) return Reply(404, R"({"error":"NotFound: the item"})");
    if (!MayRead(account, found->second)) return Reply(401, std::string(kDenied));
    return std::nullopt;
  }

  Result<HttpResponse> Describe(const std::string& account, const std::string& name) {
    if (std::optional<HttpResponse> refusal = Refusal(account, name)) return *std::move(refusal);
    return Reply(200, Description(name, secrets_[name]));
  }

  Result<HttpResponse> Read(const std::string& account, const Json& names) {
    std::string values;
    for (const Json& member : names.array_range()) {
      const std::string name = TextOf(member).value_or("");
      if (std::optional<HttpResponse> refusal = Refusal(account, name)) return *std::move(refusal);
      values += (values.empty() ? "" : ",") + GoJsonString(name) + ":" +
                GoJsonString(secrets_[name].value);
    }
    return Reply(200, "{" + values + "}");
  }

  FakeClock& clock_;
  FakeHttpClient http_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  std::map<std::string, Stored> secrets_;
  std::map<std::string, Account> accounts_;    // by the pod's token
  std::map<std::string, std::string> tokens_;  // our token -> account
  Instead broken_at_login_;                    // null = works
  Instead broken_at_read_;
  bool hanging_ = false;
  std::size_t hung_ = 0;
  std::size_t logins_ = 0;

  std::shared_ptr<Provider> provider_;
};

}  // namespace

std::unique_ptr<Subject> MakeAkeylessSubject(FakeClock& clock, Logger& log) {
  return std::make_unique<AkeylessSubject>(clock, log);
}

}  // namespace nodekeep::conformance
