// The vault provider on a scripted Vault: kubernetes login, and reads of a KV v2 engine whose
// policies are a table.

#include <mutex>

#include "agent/base/go_json.h"
#include "agent/base/json.h"
#include "tests/conformance/subject.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep::conformance {
namespace {

using Seen = FakeHttpClient::Seen;

constexpr std::string_view kServer = "http://vault.test:8200";
constexpr std::string_view kLogin = "/v1/auth/kubernetes/login";
constexpr std::string_view kData = "/v1/secret/data/";

HttpResponse Reply(int status, std::string body,
                   std::vector<std::pair<std::string, std::string>> headers = {}) {
  HttpResponse response;
  response.status = status;
  response.headers = std::move(headers);
  response.body = SecretBytes(body);
  return response;
}

class VaultSubject final : public Subject {
 public:
  VaultSubject(FakeClock& clock, Logger& log) : clock_(clock) {
    http_.On("", "*",
             {[this](const Context& context, const Seen& seen) { return Answer(context, seen); }});
    provider_ = MakeRegistered("vault", {{"address", std::string(kServer)}}, http_, clock, log);
  }

  std::shared_ptr<Provider> provider() override { return provider_; }

  Attributes Mount(const std::vector<std::string>& names) const override {
    std::string objects;
    for (const std::string& name : names) {
      objects +=
          "- {objectName: " + name + ", secretPath: secret/data/" + name + ", secretKey: value}\n";
    }
    return {{"roleName", "app"}, {"objects", objects}};
  }

  std::vector<BadInput> BadInputs() const override {
    Attributes no_objects = Mount({"db"});
    no_objects.erase("objects");
    Attributes reserved = Mount({"db"});
    reserved["nodekeep/refreshafter"] = "1s";
    const auto with = [](const std::string& objects) {
      return Attributes{{"roleName", "app"}, {"objects", objects}};
    };
    return {
        {"file outside the volume",
         with("- {objectName: ../evil, secretPath: secret/data/x}\n"),
         {"../evil"}},
        {"bad mode",
         with("- {objectName: cert, secretPath: s/x, filePermission: 99999}\n"),
         {"cert"}},
        {"twice", Mount({"db", "db"}), {"db"}},
        {"no path", with("- objectName: db\n"), {"db"}},
        {"no objects", no_objects, {"objects"}},
        {"reserved typo", reserved, {"nodekeep/refreshafter"}},
    };
  }

  void Set(const std::string& name, const std::string& value, const std::string& account) override {
    std::lock_guard lock(mutex_);
    Stored& stored = secrets_[name];
    stored.value = value;
    stored.account = account;
    ++stored.version;
  }

  void Remove(const std::string& name) override {
    std::lock_guard lock(mutex_);
    secrets_.erase(name);
  }

  std::vector<Fault> Faults() override {
    using std::chrono::seconds;
    const std::string cut = "the connection was cut";
    return {
        Status(true, 400, ErrorCode::kDenied),
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
         [this] { Break(false, Reply(200, R"({"data":{"da)")); },
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
    identity.tokens["vault"].token = SecretBytes(token);
  }

  std::vector<std::string> Tokens() const override { return {"jwt-of.", "hvs.", "canary"}; }

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
      Break(at_login, Reply(status, R"({"errors":["the backend's words"]})", headers));
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
    const std::string_view path = std::string_view(seen.url).substr(kServer.size());
    std::unique_lock lock(mutex_);
    if (hanging_) {
      ++hung_;
      changed_.notify_all();
      clock_.WaitUntil(lock, changed_, context.stop(), context.deadline(), [] { return false; });
      return context.Check(clock_).error();
    }
    const Instead& instead = path == kLogin ? broken_at_login_ : broken_at_read_;
    if (instead) return instead();
    return path == kLogin ? LogIn(seen) : Read(std::string(path), seen);
  }

  // Called with mutex_ held.
  Result<HttpResponse> LogIn(const Seen& seen) {
    const std::string jwt = *TextOf(Find(*ParseJson(seen.body), {"jwt"}));
    auto found = accounts_.find(jwt);
    if (found == accounts_.end()) return Reply(403, R"({"errors":["permission denied"]})");
    const std::string& name = found->second.name;
    const std::size_t slash = name.find('/');
    const std::string token = "hvs." + std::to_string(++logins_) + ".canary";
    tokens_[token] = name;
    return Reply(
        200, fmt::format(R"({{"auth":{{"client_token":"{}","lease_duration":3600,"renewable":true,)"
                         R"("metadata":{{"role":"app","service_account_name":"{}",)"
                         R"("service_account_namespace":"{}","service_account_secret_name":"",)"
                         R"("service_account_uid":"{}"}}}}}})",
                         token, name.substr(slash + 1), name.substr(0, slash), found->second.uid));
  }

  Result<HttpResponse> Read(const std::string& path, const Seen& seen) {
    auto token = seen.headers.find("x-vault-token");
    auto owner = token == seen.headers.end() ? tokens_.end() : tokens_.find(token->second);
    if (owner == tokens_.end()) return Reply(403, R"({"errors":["permission denied"]})");
    if (!path.starts_with(kData)) return Reply(404, R"({"errors":[]})");
    auto found = secrets_.find(path.substr(kData.size()));
    if (found == secrets_.end()) return Reply(404, R"({"errors":[]})");
    const Stored& stored = found->second;
    if (!stored.account.empty() && stored.account != owner->second) {
      return Reply(403, R"({"errors":["1 error occurred:\n\t* permission denied\n\n"]})");
    }
    return Reply(200,
                 fmt::format(R"({{"request_id":"r{}","data":{{"data":{{"value":{}}},)"
                             R"("metadata":{{"version":{},"created_time":"t{}"}}}}}})",
                             ++reads_, GoJsonString(stored.value), stored.version, stored.version));
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
  std::size_t reads_ = 0;

  std::shared_ptr<Provider> provider_;
};

}  // namespace

std::unique_ptr<Subject> MakeVaultSubject(FakeClock& clock, Logger& log) {
  return std::make_unique<VaultSubject>(clock, log);
}

}  // namespace nodekeep::conformance
