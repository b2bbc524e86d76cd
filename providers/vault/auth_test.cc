#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "providers/vault/test_mount.h"

using Catch::Matchers::ContainsSubstring;
using namespace std::chrono_literals;

namespace nodekeep::vault {
namespace {

// The reply of OpenBao 2.4 to a kubernetes login.
constexpr const char* kKubernetesReply = R"({"auth":{"client_token":"hvs.abc","accessor":"x",
  "policies":["default","app"],"metadata":{"role":"app","service_account_name":"web",
  "service_account_namespace":"shop","service_account_secret_name":"",
  "service_account_uid":"sa-uid-1"},"lease_duration":3600,"renewable":true}})";

std::string Replace(std::string text, const std::string& what, const std::string& with) {
  const std::size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

// A file that is removed at the end of the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    char name[] = "/tmp/nodekeep-vault-XXXXXX";
    const int file = ::mkstemp(name);
    REQUIRE(file >= 0);
    ::close(file);
    path_ = name;
    std::ofstream(path_) << content;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("vault: a kubernetes login posts role and token and returns the server's token") {
  TestMount vault(Attributes{{"vaultNamespace", "team/a"}, {"vaultAuthMountPath", "k8s/one"}});
  vault.http.On("POST", "https://vault:8200/v1/auth/k8s/one/login",
                {FakeHttpClient::Respond(200, kKubernetesReply)});
  Result<Credential> login = vault.LogIn();
  REQUIRE(MessageOf(login) == "(ok)");
  CHECK(login->token.Reveal() == "hvs.abc");
  CHECK(login->lifetime == 1h);
  CHECK(login->expires == vault.clock.Now() + 1h);
  CHECK(login->renewable);

  const FakeHttpClient::RecordedRequest seen = vault.http.Requests().at(0);
  CHECK(seen.body == R"({"jwt":"header.payload.signature-of-the-pod","role":"app"})");
  CHECK(seen.headers.at("x-vault-request") == "true");
  CHECK(seen.headers.at("x-vault-namespace") == "team/a");
  CHECK(seen.headers.at("content-type") == "application/json");
  CHECK_FALSE(seen.headers.contains("x-vault-token"));
}

TEST_CASE("vault: without a namespace none is sent") {
  TestMount vault;
  vault.http.On("", "*", {FakeHttpClient::Respond(200, kKubernetesReply)});
  REQUIRE(vault.LogIn().ok());
  CHECK_FALSE(vault.http.Requests().at(0).headers.contains("x-vault-namespace"));
}

TEST_CASE("vault: the login goes to its own namespace and the read to the other") {
  TestMount vault(Attributes{{"vaultNamespace", "team"}, {"nodekeep/authNamespace", "login"}});
  vault.http.On("POST", "*", {FakeHttpClient::Respond(200, kKubernetesReply)});
  vault.http.On("GET", "*", {FakeHttpClient::Respond(200, R"({"data":{"k":"v"}})")});
  REQUIRE(vault.LogIn().ok());
  REQUIRE(vault.FetchOne().ok());
  CHECK(vault.http.Requests().at(0).headers.at("x-vault-namespace") == "login");
  CHECK(vault.http.Requests().at(1).headers.at("x-vault-namespace") == "team");
}

TEST_CASE("vault: a login is shared only when the reply proves that it depends on the account") {
  struct Row {
    std::string name, method, reply;
    Sharing want;
  };
  const std::string full = kKubernetesReply;
  const Row rows[] = {
      {"kubernetes", "kubernetes", full, Sharing::kServiceAccount},
      {"the jwt method, with any reply", "jwt", full, Sharing::kPod},
      {"no uid", "kubernetes", Replace(full, "\"service_account_uid\":\"sa-uid-1\"", "\"x\":\"y\""),
       Sharing::kPod},
      {"an empty uid", "kubernetes", Replace(full, "sa-uid-1", ""), Sharing::kPod},
      {"no metadata", "kubernetes", R"({"auth":{"client_token":"t","metadata":null}})",
       Sharing::kPod},
      {"another account", "kubernetes",
       Replace(full, "\"service_account_name\":\"web\"", "\"service_account_name\":\"db\""),
       Sharing::kPod},
      {"another namespace", "kubernetes", Replace(full, ":\"shop\"", ":\"other\""), Sharing::kPod},
      {"metadata as claim mappings of a jwt mount could fill it", "kubernetes",
       Replace(full, "\"service_account_secret_name\":\"\",", ""), Sharing::kPod},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TestMount vault(Attributes{{"nodekeep/auth", row.method}});
    vault.http.On("", "*", {FakeHttpClient::Respond(200, row.reply)});
    Result<Credential> login = vault.LogIn();
    REQUIRE(MessageOf(login) == "(ok)");
    CHECK((row.want == Sharing::kServiceAccount) == (login->sharing == Sharing::kServiceAccount));
    if (row.want == Sharing::kServiceAccount) CHECK(login->service_account_uid == "sa-uid-1");
  }
}

TEST_CASE("vault: a login of a pod without service account is never shared") {
  TestMount vault;
  std::string reply = Replace(kKubernetesReply, "\"service_account_name\":\"web\"",
                              "\"service_account_name\":\"\"");
  vault.http.On("", "*", {FakeHttpClient::Respond(200, reply)});
  Identity pod = TestPod();
  pod.service_account.clear();
  Result<Credential> login = vault.LogIn(pod);
  REQUIRE(login.ok());
  CHECK(login->sharing == Sharing::kPod);
}

TEST_CASE("vault: the error for a missing token names the audience, the present ones and the fix") {
  TestMount vault(Attributes{{"audience", "bao"}});
  Result<Credential> login = vault.LogIn();
  CHECK(CodeOf(login) == "invalid");
  CHECK_THAT(MessageOf(login),
             ContainsSubstring("failed to create a service account token for requesting pod "
                               "{web-0 pod-uid-1 shop web }: no token for audience \"bao\"") &&
                 ContainsSubstring("present: \"vault\"") && ContainsSubstring("tokenRequests"));
  CHECK(vault.http.Requests().empty());
}

TEST_CASE("vault: a token for the default audience is used where the class names none") {
  struct Row {
    std::string name;
    Attributes parameters;
    std::vector<std::string> present;  // audiences; each token is "jwt-<audience>"
    std::string sent;                  // "" = none is
  };
  const Row rows[] = {
      {"both came", {}, {"vault", ""}, "jwt-vault"},
      {"only the default", {}, {""}, "jwt-"},
      {"another audience", {}, {"other"}, ""},
      {"the class names one", {{"audience", "bao"}}, {"vault", ""}, ""},
      {"the class names vault", {{"audience", "vault"}}, {""}, ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TestMount vault(row.parameters);
    vault.http.On("", "*", {FakeHttpClient::Respond(200, R"({"auth":{"client_token":"t"}})")});
    Identity pod = TestPod();
    pod.tokens.clear();
    for (const std::string& audience : row.present) {
      pod.tokens[audience].token = SecretBytes("jwt-" + audience);
    }
    CHECK(vault.LogIn(pod).ok() == !row.sent.empty());
    REQUIRE(vault.http.Requests().size() == (row.sent.empty() ? 0 : 1));
    if (row.sent.empty()) continue;
    CHECK_THAT(vault.http.Requests()[0].body,
               ContainsSubstring("\"" + row.sent + "\""));
  }
}

TEST_CASE("vault: a token with unlimited lifetime has no expiry") {
  TestMount vault;
  vault.http.On(
      "", "*",
      {FakeHttpClient::Respond(200, R"({"auth":{"client_token":"t","lease_duration":0}})")});
  Result<Credential> login = vault.LogIn();
  REQUIRE(login.ok());
  CHECK(login->lifetime == 0ms);
  CHECK(login->expires == SteadyTime::max());
  CHECK_FALSE(login->renewable);
}

TEST_CASE("vault: an excessive lifetime is limited and does not overflow") {
  TestMount vault;
  vault.http.On("", "*",
                {FakeHttpClient::Respond(
                    200, R"({"auth":{"client_token":"t","lease_duration":9223372036854775807}})")});
  Result<Credential> login = vault.LogIn();
  REQUIRE(login.ok());
  CHECK(login->expires > vault.clock.Now());
  CHECK(login->expires < vault.clock.Now() + 24h * 366 * 11);
}

TEST_CASE("vault: the error of a refused login has the server's message, the mount and the role") {
  struct Row {
    std::string name;
    int status;
    std::string body, code, want;
  };
  const Row rows[] = {
      {"service account not bound", 403, R"({"errors":["service account name not authorized"]})",
       "denied",
       "* service account name not authorized; login by auth mount \"kubernetes\", role "
       "\"app\" was refused"},
      {"no such role", 400, R"({"errors":["invalid role name \"app\""]})", "denied",
       "* invalid role name \"app\""},
      {"two errors", 403, R"({"errors":["one","two"]})", "denied", "Errors: * one * two;"},
      {"no mount", 404, R"({"errors":["no handler for route"]})", "invalid",
       "no login at auth mount \"kubernetes\", role \"app\": check vaultAuthMountPath"},
      {"unauthorised", 401, "", "denied", "Code: 401. Errors: none given; login by"},
      {"method not allowed", 405, "", "invalid", "Code: 405"},
      {"behind", 412, R"({"errors":["required index state not present"]})", "transient",
       "required index state"},
      {"internal", 500, R"({"errors":["internal error"]})", "transient", "internal error"},
      {"not initialised", 501, R"({"errors":["not initialized"]})", "precondition", "not init"},
      {"sealed", 503, R"({"errors":["Vault is sealed"]})", "transient",
       "* Vault is sealed; the server is sealed or in maintenance"},
      {"a proxy's page", 502, "<html>bad gateway</html>", "transient", "the reply is not JSON"},
      {"odd", 418, "{}", "invalid", "Code: 418"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TestMount vault;
    vault.http.On("", "*", {FakeHttpClient::Respond(row.status, row.body)});
    Result<Credential> login = vault.LogIn();
    CHECK(row.code == CodeOf(login));
    CHECK_THAT(MessageOf(login), ContainsSubstring(row.want));
    CHECK_THAT(MessageOf(login),
               ContainsSubstring("failed to login: Error making API request. URL: POST "
                                 "https://vault:8200/v1/auth/kubernetes/login Code: ") &&
                   !ContainsSubstring("\n") && !ContainsSubstring("<html>"));
  }
}

TEST_CASE("vault: a mount that was not found is named by where it was set") {
  struct Row {
    std::string name;
    Attributes attributes;
    std::string of_node, want;
    bool doubled;
  };
  const Row rows[] = {
      {"nowhere", {}, "kubernetes", "check vaultAuthMountPath and", false},
      {"in the class",
       {{"vaultAuthMountPath", "k8s"}},
       "kubernetes",
       "check vaultAuthMountPath and",
       false},
      {"by the other name",
       {{"vaultKubernetesMountPath", "k8s"}},
       "kubernetes",
       "check vaultKubernetesMountPath and",
       false},
      {"in the node's configuration",
       {},
       "k8s",
       "check providers.vault.authMount of the node's configuration and",
       false},
      {"in the class, over the node's",
       {{"vaultAuthMountPath", "k8s"}},
       "other",
       "check vaultAuthMountPath and",
       false},
      {"with auth/",
       {{"vaultAuthMountPath", "/auth/k8s/"}},
       "kubernetes",
       "; vaultAuthMountPath \"auth/k8s\" begins with \"auth/\", which is added to it: write "
       "\"k8s\"; no login at auth mount \"auth/k8s\"",
       true},
      {"with auth/, by the other name",
       {{"vaultKubernetesMountPath", "auth/k8s"}},
       "kubernetes",
       "; vaultKubernetesMountPath \"auth/k8s\" begins with",
       true},
      {"with auth/, in the node's configuration",
       {},
       "auth/k8s",
       "; providers.vault.authMount of the node's configuration \"auth/k8s\" begins with",
       true},
      {"another method's default",
       {{"nodekeep/auth", "jwt"}},
       "auth/k8s",
       "check vaultAuthMountPath and",
       false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    VaultSettings settings;
    settings.auth_mount = row.of_node;
    TestMount vault(row.attributes, std::move(settings));
    REQUIRE(vault.parse_error == "");
    vault.http.On("", "*", {FakeHttpClient::Respond(404, R"({"errors":["no handler"]})")});
    const std::string message = MessageOf(vault.LogIn());
    CHECK_THAT(message, ContainsSubstring(row.want));
    CHECK(ContainsSubstring("which is added to it").match(message) == row.doubled);
  }
  // A mount may have that name, so the login is sent as it is written, as upstream sends it.
  TestMount vault(Attributes{{"vaultAuthMountPath", "auth/k8s"}});
  vault.http.On("", "https://vault:8200/v1/auth/auth/k8s/login",
                {FakeHttpClient::Respond(200, R"({"auth":{"client_token":"hvs.x"}})")});
  CHECK(MessageOf(vault.LogIn()) == "(ok)");
}

TEST_CASE("vault: a throttled login has a retry_after") {
  TestMount vault;
  vault.http.On("", "*",
                {FakeHttpClient::Respond(429, R"({"errors":["request path rate limit"]})",
                                         {{"retry-after", "7"}})});
  Result<Credential> login = vault.LogIn();
  CHECK(CodeOf(login) == "throttled");
  REQUIRE(login.error().retry_after().has_value());
  CHECK(*login.error().retry_after() == 7s);
}

TEST_CASE("vault: with a client certificate the reply must be from the method of the class") {
  struct Row {
    std::string name, method, metadata;
    bool certificate, accepted;
  };
  const Row rows[] = {
      {"of the cert method", "kubernetes", R"({"cert_name":"n","common_name":"node"})", true,
       false},
      {"of the cert method, with a role", "jwt", R"({"cert_name":"n","role":"app"})", true, false},
      {"without metadata", "kubernetes", "null", true, false},
      {"kubernetes", "kubernetes", R"({"service_account_name":"web","role":"app"})", true, true},
      {"jwt", "jwt", R"({"role":"app"})", true, true},
      {"a jwt mount that the class takes for kubernetes", "kubernetes", R"({"role":"app"})", true,
       true},
      {"approle", "approle", R"({"role_name":"app"})", true, true},
      {"without a certificate", "kubernetes", "null", false, true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Attributes attributes = {{"nodekeep/auth", row.method}, {"vaultAuthMountPath", "m"}};
    if (row.certificate) {
      attributes["vaultTLSClientCertPath"] = "/c";
      attributes["vaultTLSClientKeyPath"] = "/k";
    }
    TestMount vault(attributes);
    REQUIRE(vault.parse_error == "");
    vault.http.On("POST", "https://vault:8200/v1/auth/m/login",
                  {FakeHttpClient::Respond(200, R"({"auth":{"client_token":"hvs.x","metadata":)" +
                                                    row.metadata + "}}")});
    vault.http.On("POST", "https://vault:8200/v1/auth/token/revoke-self",
                  {FakeHttpClient::Respond(204, "")});
    Identity pod = TestPod();
    pod.credentials["role_id"] = SecretBytes("r");
    const Result<Credential> login = vault.LogIn(pod);
    INFO(MessageOf(login));
    CHECK(login.ok() == row.accepted);
    // The token issued to the certificate is revoked.
    CHECK(vault.http.Requests().size() == (row.accepted ? 1 : 2));
    if (row.accepted) continue;
    CHECK(CodeOf(login) == "invalid");
    CHECK(vault.http.Requests().at(1).headers.at("x-vault-token") == "hvs.x");
  }
}

TEST_CASE("vault: a reply that is not a login is an error") {
  struct Row {
    std::string name, body, code, want;
  };
  const Row rows[] = {
      {"empty", "", "transient", "failed to parse login response"},
      {"HTML", "<html>", "transient", "failed to parse login response"},
      {"cut off", R"({"auth":{"client_tok)", "transient", "failed to parse login response"},
      {"no auth", R"({"data":{}})", "invalid", "it has no \"auth\""},
      {"null auth", R"({"auth":null})", "invalid", "it has no \"auth\""},
      {"auth is a list", R"({"auth":[]})", "invalid", "it has no \"auth\""},
      {"no token", R"({"auth":{}})", "invalid", "it has no token"},
      {"an empty token", R"({"auth":{"client_token":""}})", "invalid", "it has no token"},
      {"a token that splits the header", R"({"auth":{"client_token":"a\r\nb: c"}})", "invalid",
       "its token is malformed"},
      {"a second factor",
       R"({"auth":{"client_token":"","mfa_requirement":{"mfa_request_id":"x"}}})", "invalid",
       "asks for a second factor"},
      {"a list", "[]", "invalid", "it has no \"auth\""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TestMount vault;
    vault.http.On("", "*", {FakeHttpClient::Respond(200, row.body)});
    Result<Credential> login = vault.LogIn();
    CHECK(row.code == CodeOf(login));
    CHECK_THAT(MessageOf(login), ContainsSubstring(row.want));
  }
}

TEST_CASE("vault: a network failure keeps its code and names the request") {
  TestMount vault;
  vault.http.On("", "*", {FakeHttpClient::Fail(ErrorCode::kTransient, "connection refused")});
  Result<Credential> login = vault.LogIn();
  CHECK(CodeOf(login) == "transient");
  CHECK(MessageOf(login) ==
        "failed to login: POST https://vault:8200/v1/auth/kubernetes/login: connection refused");
}

TEST_CASE("vault: a server that repeats the credential is not quoted") {
  struct Row {
    std::string name;
    Attributes changes;
  };
  const Row rows[] = {{"jwt", {}},
                      {"approle", {{"nodekeep/auth", "approle"}}},
                      {"token", {{"nodekeep/auth", "token"}}}};
  for (const Row& row : rows) {
    INFO(row.name);
    TestMount vault(row.changes);
    Identity pod = TestPod();
    pod.credentials["role_id"] = SecretBytes("the-role");
    pod.credentials["secret_id"] = SecretBytes("the-confidential-id");
    pod.credentials["token"] = SecretBytes("the-confidential-token");
    vault.http.On("", "*",
                  {FakeHttpClient::Respond(403, R"({"errors":["bad: )" + std::string(kPodToken) +
                                                    R"( the-confidential-id )"
                                                    R"(the-confidential-token"]})")});
    Result<Credential> login = vault.LogIn(pod);
    CHECK(CodeOf(login) == "denied");
    if (row.name == "jwt") CHECK_THAT(MessageOf(login), !ContainsSubstring(kPodToken));
    if (row.name == "approle") {
      CHECK_THAT(MessageOf(login), !ContainsSubstring("the-confidential-id"));
    }
    if (row.name == "token") {
      CHECK_THAT(MessageOf(login), !ContainsSubstring("the-confidential-token"));
    }
  }
}

TEST_CASE("vault: an endless or binary error text is cut and cleaned") {
  TestMount vault;
  vault.http.On("", "*",
                {FakeHttpClient::Respond(
                    403, R"({"errors":["a\nb\u0000c )" + std::string(100000, 'x') + R"("]})")});
  const std::string message = MessageOf(vault.LogIn());
  CHECK(message.size() < 2000);
  CHECK_THAT(message, ContainsSubstring("* a b c xxx"));
}

TEST_CASE("vault: approle takes the pod's ids, else the node's, never one of each") {
  TemporaryFile secret_id("node-secret\n");
  VaultSettings settings;
  settings.address = "https://vault:8200";
  settings.approle_role_id = "node-role";
  settings.approle_secret_id_file = secret_id.path();
  struct Row {
    std::string name;
    std::map<std::string, std::string> secrets;
    std::string want;
  };
  const std::vector<Row> rows = {
      {"both from the pod",
       {{"role_id", "r\n"}, {"secret_id", " s\n"}},
       R"({"role_id":"r","secret_id":"s"})"},
      {"a role that takes no secret id", {{"role_id", "r"}}, R"({"role_id":"r"})"},
      {"both from the node", {}, R"({"role_id":"node-role","secret_id":"node-secret"})"},
      {"a stray secret id of the pod",
       {{"secret_id", "s"}},
       R"({"role_id":"node-role","secret_id":"node-secret"})"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    VaultSettings copy;
    copy.address = settings.address;
    copy.approle_role_id = settings.approle_role_id;
    copy.approle_secret_id_file = settings.approle_secret_id_file;
    copy.node_paths = {{"", "/v1/secret"}};
    TestMount vault(Attributes{{"nodekeep/auth", "approle"}}, std::move(copy));
    Identity pod = TestPod();
    for (const auto& [key, value] : row.secrets) pod.credentials[key] = SecretBytes(value);
    vault.http.On("POST", "https://vault:8200/v1/auth/approle/login",
                  {FakeHttpClient::Respond(200, kKubernetesReply)});
    Result<Credential> login = vault.LogIn(pod);
    REQUIRE(MessageOf(login) == "(ok)");
    CHECK(row.want == vault.http.Requests().at(0).body);
    CHECK(login->sharing == Sharing::kPod);
  }
}

TEST_CASE("vault: a configured token is looked up for its lifetime") {
  TestMount vault(Attributes{{"nodekeep/auth", "token"}, {"roleName", ""}});
  vault.http.On("GET", "https://vault:8200/v1/auth/token/lookup-self",
                {FakeHttpClient::Respond(200, R"({"data":{"ttl":600,"renewable":true}})")});
  Identity pod = TestPod();
  pod.credentials["token"] = SecretBytes("hvs.given\n");
  Result<Credential> login = vault.LogIn(pod);
  REQUIRE(MessageOf(login) == "(ok)");
  CHECK(login->token.Reveal() == "hvs.given");
  CHECK(login->lifetime == 10min);
  CHECK(login->renewable);
  CHECK(login->sharing == Sharing::kPod);
  CHECK(vault.http.Requests().at(0).headers.at("x-vault-token") == "hvs.given");
}

TEST_CASE("vault: missing or unusable credentials are named") {
  TemporaryFile empty(" \n");
  TemporaryFile large(std::string(70000, 'x'));
  TemporaryFile good("hvs.node");
  struct Row {
    std::string name;
    Attributes changes;
    std::string token_file, pod_token, want;
  };
  const std::vector<Row> rows = {
      {"no token anywhere",
       {},
       "",
       "",
       "needs key \"token\" in the Secret of nodePublishSecretRef"},
      {"no such file", {}, "/nowhere/token", "", "cannot read /nowhere/token"},
      {"an empty file", {}, empty.path(), "", "is empty"},
      {"a large file", {}, large.path(), "", "is too large for a credential"},
      {"a directory", {}, "/tmp", "", "cannot read /tmp"},
      {"white space inside", {}, "", "a b", "not allowed in a token"},
      {"withheld",
       {{"vaultAddress", "https://elsewhere"}},
       good.path(),
       "",
       "the node's own credential is withheld because the class sets another vaultAddress"},
      {"no approle anywhere",
       {{"nodekeep/auth", "approle"}},
       "",
       "",
       "needs keys \"role_id\" and \"secret_id\""},
  };
  for (Row row : rows) {
    INFO(row.name);
    row.changes.try_emplace("nodekeep/auth", "token");
    VaultSettings settings;
    settings.address = "https://vault:8200";
    settings.token_file = row.token_file;
    settings.node_paths = {{"", "/v1/secret"}};
    TestMount vault(row.changes, std::move(settings));
    Identity pod = TestPod();
    if (!row.pod_token.empty()) pod.credentials["token"] = SecretBytes(row.pod_token);
    Result<Credential> login = vault.LogIn(pod);
    CHECK(CodeOf(login) == "invalid");
    CHECK_THAT(MessageOf(login), ContainsSubstring(row.want));
    CHECK(vault.http.Requests().empty());
  }
}

TEST_CASE("vault: a certificate login sends its role and the certificate") {
  struct Row {
    std::string role, want;
  };
  for (const Row& row : {Row{"web", R"({"name":"web"})"}, Row{"", "{}"}}) {
    INFO(row.role);
    VaultSettings settings;
    settings.address = "https://vault:8200";
    settings.node_paths = {{"", "/v1/secret"}};
    TestMount vault(Attributes{{"nodekeep/auth", "cert"},
                               {"roleName", row.role},
                               {"vaultTLSClientCertPath", "/c"},
                               {"vaultTLSClientKeyPath", "/k"}},
                    std::move(settings));
    REQUIRE(vault.parse_error == "");
    vault.http.On("POST", "https://vault:8200/v1/auth/cert/login",
                  {FakeHttpClient::Respond(200, kKubernetesReply)});
    Result<Credential> login = vault.LogIn();
    REQUIRE(MessageOf(login) == "(ok)");
    CHECK(login->sharing == Sharing::kPod);
    const FakeHttpClient::RecordedRequest seen = vault.http.Requests().at(0);
    CHECK(row.want == seen.body);
    CHECK(seen.tls->client_cert_file == "/c");
    CHECK(seen.tls->client_key_file == "/k");
  }
}

TEST_CASE("vault: a certificate login is not sent for a class with a path that is not listed") {
  TestMount vault(Attributes{{"nodekeep/auth", "cert"},
                             {"vaultTLSClientCertPath", "/c"},
                             {"vaultTLSClientKeyPath", "/k"}});
  REQUIRE(vault.parse_error == "");
  const Result<Credential> login = vault.LogIn();
  CHECK(CodeOf(login) == "invalid");
  CHECK_THAT(MessageOf(login), ContainsSubstring("a certificate of the node, which is withheld"));
  CHECK(vault.http.Requests().empty());
}

}  // namespace nodekeep::vault
