// The akeyless provider on a scripted gateway: k8s logins with the pods' tokens, and static secrets
// that all service accounts or only one may read.

#include <algorithm>

#include "agent/base/codecs.h"
#include "agent/base/go_json.h"
#include "agent/base/json.h"
#include "tests/conformance/http_subject.h"

namespace nodekeep::conformance {
namespace {

constexpr std::string_view kGateway = "https://gateway.test:8000/api/v2";
constexpr std::string_view kDenied = R"({"error":"UnauthorizedAccess: no access to the item"})";

constexpr std::string_view kFolder = "/app/";

class AkeylessSubject final : public HttpSubject {
 public:
  AkeylessSubject(FakeClock& clock, Logger& log)
      : HttpSubject(clock, R"({"error":"the backend's words"})", "") {
    provider_ = MakeRegistered("akeyless",
                               {{"gatewayUrl", std::string(kGateway)},
                                {"accessType", "k8s"},
                                {"accessId", "p-0123456789km"},
                                {"k8sAuthConfigName", "cluster"},
                                {"shareByServiceAccount", "true"}},
                               http_, clock, log);
  }

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

  std::vector<Fault> Faults() override {
    std::vector<Fault> faults = CommonFaults(ErrorCode::kInvalid, ErrorCode::kAuthExpired);
    faults.push_back(
        AnsweredRead("read: 401 of a path", 401, std::string(kDenied), ErrorCode::kDenied));
    faults.push_back(
        AnsweredRead("read: cut JSON", 200, R"({"/app/a":"va)", ErrorCode::kTransient));
    return faults;
  }

  std::vector<LoginChange> LoginChanges() const override {
    std::vector<LoginChange> changes;
    const auto parameter = [&](const std::string& name, const std::string& value,
                               const Attributes& base = {}) {
      Attributes after = base;
      after[name] = value;
      changes.push_back({name, {base, {}}, {after, {}}});
    };
    const auto of_type = [](const std::string& type) {
      return Attributes{{"akeylessAccessType", type}, {"akeylessAuthAs", "pod"}};
    };
    const auto of_agent = [](const std::string& type) {
      return Attributes{{"akeylessAccessType", type}, {"akeylessAuthAs", "agent"}};
    };
    parameter("akeylessGatewayURL", "https://other", of_type("k8s"));
    parameter("nodekeep/fallbackGateways", "https://other", of_type("k8s"));
    parameter("akeylessAccessType", "jwt", of_type("k8s"));
    parameter("akeylessAccessID", "p-other", of_type("k8s"));
    parameter("akeylessAuthAs", "agent", of_type("k8s"));
    parameter("akeylessK8sAuthConfigName", "other", of_type("k8s"));
    parameter("nodekeep/k8sGatewayURL", "https://other", of_type("k8s"));
    parameter("nodekeep/audience", "other", of_type("k8s"));
    parameter("nodekeep/caFile", "/other", of_type("k8s"));
    parameter("nodekeep/caBundle", "-----BEGIN CERTIFICATE-----", of_type("k8s"));
    parameter("nodekeep/tlsServerName", "other", of_type("k8s"));
    parameter("akeylessAzureObjectID", "other", of_agent("azure_ad"));
    parameter("akeylessGCPAudience", "other", of_agent("gcp"));
    parameter("nodekeep/stsRegion", "eu-central-1", of_agent("aws_iam"));
    const auto setting = [&](const std::string& name, const std::string& value,
                             const Attributes& base, const SettingValues& others = {}) {
      SettingValues after = others;
      after[name] = value;
      changes.push_back({"setting " + name, {base, others}, {base, after}});
    };
    setting("gatewayUrl", "https://other", of_type("k8s"));
    setting("fallbackGateways", "https://other", of_type("k8s"));
    setting("accessType", "jwt", {{"akeylessAuthAs", "pod"}}, {{"accessType", "k8s"}});
    setting("accessId", "p-other", of_type("k8s"));
    setting("k8sAuthConfigName", "other", of_type("k8s"));
    setting("k8sGatewayUrl", "https://other", of_type("k8s"));
    setting("caFile", "/other", of_type("k8s"));
    setting("tlsServerName", "other", of_type("k8s"));
    setting("shareByServiceAccount", "true", of_type("k8s"));
    setting("azureObjectId", "other", of_agent("azure_ad"));
    setting("gcpAudience", "other", of_agent("gcp"));
    setting("stsRegion", "eu-central-1", of_agent("aws_iam"));
    // A class with an STS of its own, which the operator has named or not.
    setting("stsEndpoint", "https://sts.named",
            {{"akeylessAccessType", "aws_iam"},
             {"akeylessAuthAs", "agent"},
             {"nodekeep/stsRegion", "eu-central-1"},
             {"nodekeep/stsEndpoint", "https://sts.named"}},
            {{"stsRegion", "eu-central-1"}});
    setting("stsEndpoint", "https://sts.other", of_agent("aws_iam"),
            {{"stsRegion", "eu-central-1"}});
    setting("serviceAccountTokenFile", "/other", of_agent("k8s"));
    setting("jwtFile", "/other", of_agent("jwt"), {{"jwtFile", "/jwt"}});
    setting("certFile", "/other", of_agent("cert"), {{"certFile", "/c"}, {"certKeyFile", "/k"}});
    setting("certKeyFile", "/other", of_agent("cert"), {{"certFile", "/c"}, {"certKeyFile", "/k"}});
    // The node's credential goes to such a gateway only if this is set.
    setting("allowPlainHttp", "true",
            {{"akeylessAccessType", "access_key"},
             {"akeylessAuthAs", "agent"},
             {"nodekeep/allowPlainHttp", "true"}},
            {{"gatewayUrl", "http://gw"}, {"nodeIdentityGateways", "http://gw.test"}});
    setting("nodeIdentityGateways", "https://gw",
            {{"akeylessAccessType", "access_key"},
             {"akeylessAuthAs", "agent"},
             {"akeylessGatewayURL", "https://gw"}});
    setting("legacyProbing", "true", of_agent("k8s"));
    return changes;
  }

  std::set<std::string> SettingsOutsideLogins() const override {
    // uidTokenDirectory is only where a token is stored.
    return {"uidTokenDirectory", "timeout"};
  }

  std::vector<std::string> Tokens() const override { return {"jwt-of.", "t-canary", "canary"}; }

 private:
  bool IsLogin(const Seen& seen) const override { return CommandOf(seen) == "auth"; }

  static std::string CommandOf(const Seen& seen) { return seen.url.substr(kGateway.size() + 1); }

  Result<HttpResponse> Respond(const Seen& seen) NODEKEEP_REQUIRES(mutex_) override {
    const std::string command = CommandOf(seen);
    const Json body = *ParseJson(seen.body);
    if (command == "auth") return LogIn(body);
    auto owner = tokens_.find(TextOf(Find(body, {"token"})).value_or(""));
    if (owner == tokens_.end()) return Reply(401, R"({"error":"InvalidCredentials"})");
    if (command == "list-items") return List(owner->second);
    if (command == "describe-item") {
      return Describe(owner->second, TextOf(Find(body, {"name"})).value_or(""));
    }
    if (command == "get-secret-value") return Read(owner->second, *Find(body, {"names"}));
    return Reply(404, "404 page not found\n");
  }

  Result<HttpResponse> LogIn(const Json& body) NODEKEEP_REQUIRES(mutex_) {
    const std::string encoded = TextOf(Find(body, {"k8s-service-account-token"})).value_or("");
    auto found = accounts_.find(std::string(Base64Decode(encoded)->Reveal()));
    if (found == accounts_.end()) return Reply(401, R"({"error":"AuthenticationFailed"})");
    const std::string token = "t-canary-" + std::to_string(++logins_);
    tokens_[token] = found->second.name;
    return Reply(200, fmt::format(R"({{"token":"{}","creds":{{}}}})", token));
  }

  // "" for a path outside the folder.
  static std::string NameOf(const std::string& path) {
    return path.starts_with(kFolder) ? path.substr(kFolder.size()) : "";
  }

  bool MayRead(const std::string& account, const Stored& stored) const {
    return stored.account.empty() || stored.account == account;
  }

  static std::string Description(const std::string& name, const Stored& stored) {
    return fmt::format(R"({{"item_name":"{}{}","item_type":"STATIC_SECRET","last_version":{}}})",
                       kFolder, name, stored.version);
  }

  // Omits items that the account may not read.
  Result<HttpResponse> List(const std::string& account) NODEKEEP_REQUIRES(mutex_) {
    std::string items;
    for (const auto& [name, stored] : secrets_) {
      if (MayRead(account, stored)) {
        items += (items.empty() ? "" : ",") + Description(name, stored);
      }
    }
    return Reply(200, R"({"items":[)" + items + R"(],"has_next":false})");
  }

  // The error for an item that does not exist or may not be read; nullopt when it may.
  std::optional<HttpResponse> Refusal(const std::string& account, const std::string& path)
      NODEKEEP_REQUIRES(mutex_) {
    auto found = secrets_.find(NameOf(path));
    if (found == secrets_.end()) return Reply(404, R"({"error":"NotFound: the item"})");
    if (!MayRead(account, found->second)) return Reply(401, std::string(kDenied));
    return std::nullopt;
  }

  Result<HttpResponse> Describe(const std::string& account, const std::string& path)
      NODEKEEP_REQUIRES(mutex_) {
    if (std::optional<HttpResponse> refusal = Refusal(account, path)) return *std::move(refusal);
    return Reply(200, Description(NameOf(path), secrets_[NameOf(path)]));
  }

  Result<HttpResponse> Read(const std::string& account, const Json& names)
      NODEKEEP_REQUIRES(mutex_) {
    std::string values;
    for (const Json& member : names.array_range()) {
      const std::string path = TextOf(member).value_or("");
      if (std::optional<HttpResponse> refusal = Refusal(account, path)) return *std::move(refusal);
      values += (values.empty() ? "" : ",") + GoJsonString(path) + ":" +
                GoJsonString(secrets_[NameOf(path)].value);
    }
    return Reply(200, "{" + values + "}");
  }

  std::size_t logins_ NODEKEEP_GUARDED_BY(mutex_) = 0;
};

}  // namespace

namespace akeyless {

std::unique_ptr<Subject> MakeSubject(FakeClock& clock, Logger& log) {
  return std::make_unique<AkeylessSubject>(clock, log);
}

}  // namespace akeyless

}  // namespace nodekeep::conformance
