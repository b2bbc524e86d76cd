// The vault provider on a scripted Vault: kubernetes logins, and reads of a KV v2 engine with a
// table of policies.

#include "agent/base/go_json.h"
#include "agent/base/json.h"
#include "tests/conformance/http_subject.h"

namespace nodekeep::conformance {
namespace {

constexpr std::string_view kServer = "http://vault.test:8200";
constexpr std::string_view kLogin = "/v1/auth/kubernetes/login";
constexpr std::string_view kData = "/v1/secret/data/";

class VaultSubject final : public HttpSubject {
 public:
  VaultSubject(FakeClock& clock, Logger& log)
      : HttpSubject(clock, R"({"errors":["the backend's words"]})", "vault") {
    provider_ = MakeRegistered("vault", {{"address", std::string(kServer)}}, http_, clock, log);
  }

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

  std::vector<Fault> Faults() override {
    std::vector<Fault> faults = CommonFaults(ErrorCode::kDenied, ErrorCode::kAuthExpired);
    faults.push_back(AnsweredRead("read: cut JSON", 200, R"({"data":{"da)", ErrorCode::kTransient));
    return faults;
  }

  std::vector<LoginChange> LoginChanges() const override {
    const Attributes at = {{"vaultAddress", "https://v"}};
    const Attributes cert = {{"vaultAddress", "https://v"},
                             {"nodekeep/auth", "cert"},
                             {"vaultTLSClientCertPath", "/c"},
                             {"vaultTLSClientKeyPath", "/k"}};
    const auto with = [](Attributes base, const std::string& name, const std::string& value) {
      base[name] = value;
      return base;
    };
    std::vector<LoginChange> changes;
    const auto parameter = [&](const std::string& name, const std::string& value,
                               const Attributes& base) {
      changes.push_back({name, {base, {}}, {with(base, name, value), {}}});
    };
    parameter("roleName", "other", {});
    parameter("vaultAddress", "https://other", {});
    parameter("vaultNamespace", "other", {});
    parameter("nodekeep/authNamespace", "other", {});
    parameter("vaultAuthMountPath", "other", {});
    parameter("vaultKubernetesMountPath", "other", {});
    parameter("audience", "other", {});
    parameter("nodekeep/auth", "jwt", {{"vaultAuthMountPath", "kubernetes"}});
    parameter("vaultSkipTLSVerify", "true", at);
    parameter("vaultCACertPath", "/other", at);
    parameter("vaultCADirectory", "/other", at);
    parameter("vaultTLSServerName", "other", at);
    parameter("vaultTLSClientCertPath", "/other", cert);
    parameter("vaultTLSClientKeyPath", "/other", cert);
    const auto setting = [&](const std::string& name, const std::string& value,
                             const Attributes& base = {}, const SettingValues& others = {}) {
      SettingValues after = others;
      after[name] = value;
      changes.push_back({"setting " + name, {base, others}, {base, after}});
    };
    const SettingValues paths = {{"nodeCredentialPaths", "secret"}};
    const auto and_paths = [&](SettingValues values) {
      values.insert(paths.begin(), paths.end());
      return values;
    };
    setting("address", "https://other");
    setting("namespace", "other");
    setting("authMount", "other");
    setting("caFile", "/other");
    setting("caDirectory", "/other");
    setting("caPem", "-----BEGIN CERTIFICATE-----");
    setting("tlsServerName", "other");
    setting("skipTlsVerify", "true");
    setting("clientCertFile", "/other", {}, {{"clientCertFile", "/c"}, {"clientKeyFile", "/k"}});
    setting("clientKeyFile", "/other", {}, {{"clientCertFile", "/c"}, {"clientKeyFile", "/k"}});
    setting("tokenFile", "/other", {{"nodekeep/auth", "token"}}, and_paths({{"tokenFile", "/t"}}));
    setting("approleRoleId", "other", {{"nodekeep/auth", "approle"}},
            and_paths({{"approleRoleId", "r"}, {"approleSecretIdFile", "/s"}}));
    setting("approleSecretIdFile", "/other", {{"nodekeep/auth", "approle"}},
            and_paths({{"approleRoleId", "r"}, {"approleSecretIdFile", "/s"}}));
    setting("nodeCredentialPaths", "secret", {{"nodekeep/auth", "cert"}},
            {{"address", "https://v"}, {"clientCertFile", "/c"}, {"clientKeyFile", "/k"}});
    return changes;
  }

  std::set<std::string> SettingsOutsideLogins() const override {
    return {"timeout", "unixSockets", "redirectHosts", "nullValues"};
  }

  std::vector<std::string> Tokens() const override { return {"jwt-of.", "hvs.", "canary"}; }

 private:
  bool IsLogin(const Seen& seen) const override { return PathOf(seen) == kLogin; }

  Result<HttpResponse> Respond(const Seen& seen) NODEKEEP_REQUIRES(mutex_) override {
    return IsLogin(seen) ? LogIn(seen) : Read(PathOf(seen), seen);
  }

  static std::string PathOf(const Seen& seen) { return seen.url.substr(kServer.size()); }

  Result<HttpResponse> LogIn(const Seen& seen) NODEKEEP_REQUIRES(mutex_) {
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

  Result<HttpResponse> Read(const std::string& path, const Seen& seen) NODEKEEP_REQUIRES(mutex_) {
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

  std::size_t logins_ NODEKEEP_GUARDED_BY(mutex_) = 0;
  std::size_t reads_ NODEKEEP_GUARDED_BY(mutex_) = 0;
};

}  // namespace

namespace vault {

std::unique_ptr<Subject> MakeSubject(FakeClock& clock, Logger& log) {
  return std::make_unique<VaultSubject>(clock, log);
}

}  // namespace vault

}  // namespace nodekeep::conformance
