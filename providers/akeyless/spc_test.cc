#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "agent/base/codecs.h"
#include "agent/base/yaml.h"
#include "providers/akeyless/item.h"
#include "providers/akeyless/options.h"
#include "tests/source_dir.h"

namespace nodekeep::akeyless {
namespace {

using Attributes = std::map<std::string, std::string>;

constexpr char kOne[] = "- {fileName: a, secretPath: /a}";

SpcInput Input(Attributes attributes) {
  SpcInput input;
  attributes.try_emplace("objects", kOne);
  input.parameters = std::move(attributes);
  return input;
}

Result<ParsedMount> Parse(Attributes attributes, const AkeylessSettings& settings = {}) {
  return ParseMount(Input(std::move(attributes)), settings);
}

Options OptionsOf(const Result<ParsedMount>& mount) {
  return static_cast<const Options&>(*mount->options);
}

// The message, or "accepted".
std::string Refusal(const Result<ParsedMount>& mount) {
  return mount.ok() ? "accepted" : mount.error().message();
}

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::shared_ptr<const SecretBytes> Secret(std::string_view text) {
  return std::make_shared<const SecretBytes>(text);
}

Identity WithSecret(std::string_view key, std::string_view value) {
  Identity identity;
  identity.credentials[std::string(key)] = SecretBytes(value);
  return identity;
}

// `identity` as the login gets it, with the credentials of the class.
Identity AsMounted(Identity identity, Attributes attributes) {
  const SpcInput input = Input(std::move(attributes));
  Result<ParsedMount> mount = ParseMount(input, {});
  REQUIRE(Refusal(mount) == "accepted");
  AddCredentials(*mount, input.parameters, identity);
  return identity;
}

std::string Logins(const Options& options) {
  std::string names;
  for (AccessType type : options.login_order) {
    names += (names.empty() ? "" : " ") + std::string(AccessTypeName(type));
  }
  return names;
}

constexpr char kAllOfThem[] = "access_key aws_iam azure_ad gcp k8s universal_identity";
// Without the node's cloud identities, which exist without being configured.
constexpr char kProbed[] = "access_key k8s universal_identity";

}  // namespace

TEST_CASE("akeyless: two objects, one with secretArgs, type by default") {
  Result<ParsedMount> mount = Parse({{"objects",
                                      "- secretPath: /F1/F2/secret1\n"
                                      "  fileName: secret1\n"
                                      "  secretArgs: {foo: bar}\n"
                                      "- secretPath: /secret2\n"
                                      "  fileName: secret2\n"
                                      "  secretType: static\n"}});
  REQUIRE(Refusal(mount) == "accepted");
  REQUIRE(mount->projections.size() == 2);
  CHECK(mount->projections[0].path == "secret1");
  CHECK(mount->projections[0].ref.path == "/F1/F2/secret1");
  CHECK(mount->projections[0].mode == 0644);
  CHECK(mount->projections[1].path == "secret2");
  CHECK(mount->projections[1].ref.path == "/secret2");
  for (const Projection& projection : mount->projections) {
    CHECK(projection.ref.provider == "akeyless");
    CHECK(projection.ref.endpoint == "https://api.akeyless.io");
    CHECK(projection.ref.version.empty());
    CHECK(projection.ref.request.empty());
    CHECK(projection.encoding.empty());
    CHECK_FALSE(projection.optional);
  }
  CHECK(OptionsOf(mount).type_text == "access_key");
  CHECK(mount->audiences.empty());
}

TEST_CASE("akeyless: attributes as the driver sends them") {
  AkeylessSettings other;
  other.gateway = "https://other.example";
  Result<ParsedMount> mount =
      Parse({{"csi.storage.k8s.io/ephemeral", "true"},
             {"csi.storage.k8s.io/pod.name", "nginx"},
             {"csi.storage.k8s.io/pod.namespace", "test"},
             {"csi.storage.k8s.io/pod.uid", "9aeb260f-d64a-426c-9872-95b6bab37e00"},
             {"csi.storage.k8s.io/serviceAccount.name", "default"},
             {"secretProviderClass", "akeyless-test"},
             {"akeylessGatewayURL", "https://vault.akeyless.io"},
             {"objects",
              "- secretPath: /foo/bar\n  fileName: bar1\n- secretPath: /bar2\n  fileName: bar2\n"}},
            other);
  REQUIRE(Refusal(mount) == "accepted");
  const Options& options = OptionsOf(mount);
  REQUIRE(options.gateways.size() == 1);
  CHECK(options.gateways[0].base == "https://vault.akeyless.io");
  CHECK(options.gateways[0].problem.empty());
  CHECK(options.type_text == "access_key");
  CHECK(mount->projections[0].path == "bar1");
  CHECK(mount->projections[1].path == "bar2");
}

TEST_CASE("akeyless: what a class does not say comes from the node") {
  AkeylessSettings settings;
  settings.gateway = "https://gw.example:8000/api/v2/";
  settings.fallback_gateways = {"https://gw2.example/api/v2"};
  settings.access_id = "p-node";
  settings.access_type = "k8s";
  settings.k8s_auth_config = "cluster-1";
  settings.azure_object_id = "object";
  settings.gcp_audience = "audience";
  Result<ParsedMount> mount = Parse({}, settings);
  REQUIRE(Refusal(mount) == "accepted");
  const Options& node = OptionsOf(mount);
  CHECK(node.Endpoint() == "https://gw.example:8000/api/v2,https://gw2.example/api/v2");
  CHECK(node.access_id == "p-node");
  CHECK(node.k8s_auth_config == "cluster-1");
  CHECK(node.azure_object_id == "object");
  CHECK(node.gcp_audience == "audience");
  CHECK(Logins(node) == "k8s");

  Result<ParsedMount> own = Parse({{"akeylessGatewayURL", "https://own.example"},
                                   {"akeylessAccessID", "p-own"},
                                   {"akeylessAccessType", "gcp"},
                                   {"akeylessK8sAuthConfigName", "own"},
                                   {"akeylessAzureObjectID", "own object"},
                                   {"akeylessGCPAudience", "own audience"}},
                                  settings);
  REQUIRE(Refusal(own) == "accepted");
  CHECK(OptionsOf(own).Endpoint() == "https://own.example");
  CHECK(OptionsOf(own).access_id == "p-own");
  CHECK(OptionsOf(own).k8s_auth_config == "own");
  CHECK(OptionsOf(own).azure_object_id == "own object");
  CHECK(OptionsOf(own).gcp_audience == "own audience");
  CHECK(Logins(OptionsOf(own)) == "gcp");
  CHECK(Refusal(Parse({{"akeylessAccessID", ""}}, settings)) == "accepted");
  CHECK(OptionsOf(Parse({{"akeylessAccessID", ""}}, settings)).access_id == "p-node");
}

TEST_CASE("akeyless: an unknown type and a gateway that is not a URL are kept as written") {
  Result<ParsedMount> mount = Parse({{"akeylessAccessType", "aws"},
                                     {"akeylessGatewayURL", "my-vault-address"},
                                     {"vaultKubernetesMountPath", "kubernetes"},
                                     {"KubernetesServiceAccountPath", "my-account-path"}});
  REQUIRE(Refusal(mount) == "accepted");
  CHECK(OptionsOf(mount).type_text == "aws");
  CHECK(OptionsOf(mount).gateways[0].base == "my-vault-address");
  CHECK(Contains(OptionsOf(mount).gateways[0].problem, "must start with https://"));
  CHECK(Logins(OptionsOf(mount)) == kProbed);
}

TEST_CASE("akeyless: a class without objects is refused in upstream's words") {
  CHECK(Refusal(Parse({{"objects", ""}})).starts_with("no secrets configured"));
  CHECK(Refusal(Parse({{"objects", "[]"}})).starts_with("no secrets configured"));
}

TEST_CASE("akeyless: the access key is the class's, else the Secret's, else the node's") {
  AkeylessSettings settings;
  settings.access_key = Secret("of the node");
  const Result<ParsedMount> without = Parse({}, settings);
  REQUIRE(Refusal(without) == "accepted");
  const Identity secret = WithSecret("akeylessAccessKey", "of the secret");
  const Identity both = AsMounted(WithSecret("akeylessAccessKey", "of the secret"),
                                  {{"akeylessAccessKey", "of the class"}});
  CHECK(OptionsOf(without).AccessKey(both).text == "of the class");
  CHECK_FALSE(OptionsOf(without).AccessKey(both).of_node);
  const Identity empty =
      AsMounted(WithSecret("akeylessAccessKey", "of the secret"), {{"akeylessAccessKey", ""}});
  CHECK(OptionsOf(without).AccessKey(empty).text == "of the secret");
  CHECK(OptionsOf(without).AccessKey(secret).text == "of the secret");
  CHECK_FALSE(OptionsOf(without).AccessKey(secret).of_node);
  CHECK(OptionsOf(without).AccessKey(Identity()).text == "of the node");
  CHECK(OptionsOf(without).AccessKey(Identity()).of_node);
  CHECK(OptionsOf(Parse({})).AccessKey(Identity()).text.empty());
}

TEST_CASE("akeyless: upstream's probing applies only to missing or unknown types") {
  struct Row {
    std::string name, of_class, of_node;
    bool legacy;
    std::string want;
  };
  const Row rows[] = {
      {"no type set", "", "", false, kProbed},
      {"the class names one", "k8s", "", false, "k8s"},
      {"the node names one", "", "aws_iam", false, "aws_iam"},
      {"the class wins over the node", "gcp", "aws_iam", false, "gcp"},
      {"the default's name is a name", "access_key", "", false, "access_key"},
      {"access_key's other name", "api_key", "", false, "access_key"},
      {"an unknown type", "aws", "", false, kProbed},
      {"case matters, as upstream", "K8S", "", false, kProbed},
      {"a cloud identity that the operator configured", "aws", "gcp", false,
       "access_key gcp k8s universal_identity"},
      {"the operator wants it", "k8s", "", true, kAllOfThem},
      {"not for what upstream does not have", "cert", "", false, "cert"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    AkeylessSettings settings;
    settings.access_type = row.of_node;
    settings.legacy_probing = row.legacy;
    Result<ParsedMount> mount = Parse({{"akeylessAccessType", row.of_class}}, settings);
    REQUIRE(Refusal(mount) == "accepted");
    CHECK(Logins(OptionsOf(mount)) == row.want);
  }
}

TEST_CASE("akeyless: a pod logs in with its own token where the class says so") {
  struct Row {
    std::string name;
    Attributes attributes;
    AkeylessSettings settings;
    std::string want_logins;
    std::vector<std::string> want_audiences;
  };
  Row rows[] = {
      {"k8s as the pod: for the API server's audience",
       {{"akeylessAccessType", "k8s"}, {"akeylessAuthAs", "pod"}},
       {},
       "k8s",
       {""}},
      {"k8s as the pod: for the audience of the auth method",
       {{"akeylessAccessType", "k8s"}, {"akeylessAuthAs", "pod"}, {"nodekeep/audience", "x"}},
       {},
       "k8s",
       {"x"}},
      {"k8s by default as the agent", {{"akeylessAccessType", "k8s"}}, {}, "k8s", {}},
      {"k8s as the agent",
       {{"akeylessAccessType", "k8s"}, {"akeylessAuthAs", "agent"}},
       {},
       "k8s",
       {}},
      {"jwt by default as the pod", {{"akeylessAccessType", "jwt"}}, {}, "jwt", {"akeyless.io"}},
      {"jwt with the node's", {{"akeylessAccessType", "jwt"}}, {}, "jwt", {}},
      {"jwt as the pod although the node has one",
       {{"akeylessAccessType", "jwt"}, {"akeylessAuthAs", "pod"}},
       {},
       "jwt",
       {"akeyless.io"}},
      {"no probing for a class that uses the pod's identity",
       {{"akeylessAccessType", "k8s"}, {"akeylessAuthAs", "pod"}},
       {},
       "k8s",
       {""}},
  };
  rows[5].settings.jwt_file = "/jwt";
  rows[6].settings.jwt_file = "/jwt";
  rows[7].settings.legacy_probing = true;
  for (const Row& row : rows) {
    INFO(row.name);
    Result<ParsedMount> mount = Parse(row.attributes, row.settings);
    REQUIRE(Refusal(mount) == "accepted");
    CHECK(mount->audiences == row.want_audiences);
    CHECK(OptionsOf(mount).as_pod == !row.want_audiences.empty());
    CHECK(Logins(OptionsOf(mount)) == row.want_logins);
  }
}

TEST_CASE("akeyless: a k8s login sends the gateway that reviews the token, where one is set") {
  AkeylessSettings none, node;
  node.k8s_gateway = "https://node-gw:8000";
  struct Row {
    std::string name, type, url;
    bool of_node;
    std::string want;
  };
  const Row rows[] = {
      {"not set", "k8s", "", false, ""},
      {"its own URL", "k8s", "https://gw:8000", false, "https://gw:8000"},
      {"the URL of its API", "k8s", "https://gw:8000/api/v2/", false, "https://gw:8000"},
      {"plain HTTP, which only the service calls", "k8s", "http://gw:8080/", false,
       "http://gw:8080"},
      {"the node's", "k8s", "", true, "https://node-gw:8000"},
      {"the class before the node", "k8s", "https://gw", true, "https://gw"},
      {"probing may come to k8s", "", "https://gw", false, "https://gw"},
      {"of no concern to other types", "jwt", "", true, ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<ParsedMount> mount =
        Parse({{"akeylessAccessType", row.type}, {"nodekeep/k8sGatewayURL", row.url}},
              row.of_node ? node : none);
    REQUIRE(Refusal(mount) == "accepted");
    CHECK(OptionsOf(mount).k8s_gateway == row.want);
  }
}

TEST_CASE("akeyless: a login with a pod's token is shared only where the operator has enabled it") {
  AkeylessSettings settings;
  const Attributes pod = {{"akeylessAccessType", "k8s"}, {"akeylessAuthAs", "pod"}};
  CHECK_FALSE(OptionsOf(Parse(pod, settings)).share_by_service_account);
  settings.share_by_service_account = true;
  CHECK(OptionsOf(Parse(pod, settings)).share_by_service_account);
  CHECK(
      Contains(Refusal(Parse({{"nodekeep/shareByServiceAccount", "true"}}, settings)), "unknown"));
}

TEST_CASE("akeyless: the error for a wrong parameter names the fix") {
  struct Row {
    std::string name;
    Attributes attributes;
    std::string want;
  };
  const Row rows[] = {
      {"misspelt authAs", {{"akeylessAuthAS", "pod"}}, "did you mean akeylessAuthAs?"},
      {"misspelt authAs by a letter", {{"akeylessAuthA", "pod"}}, "did you mean akeylessAuthAs?"},
      {"authAs with dashes", {{"akeyless-auth-as", "pod"}}, "did you mean akeylessAuthAs?"},
      {"authAs with swapped letters", {{"akeylessAtuhAs", "pod"}}, "did you mean akeylessAuthAs?"},
      {"authAs of an unknown value", {{"akeylessAuthAs", "Pod"}}, "use pod or agent"},
      {"authAs pod without a type",
       {{"akeylessAuthAs", "pod"}},
       "aws_iam, azure_ad or gcp, not access_key"},
      {"authAs agent with jwt",
       {{"akeylessAuthAs", "agent"}, {"akeylessAccessType", "jwt"}},
       "needs jwtFile"},
      {"misspelt extension",
       {{"nodekeep/ignorCache", "true"}},
       "did you mean nodekeep/ignoreCache?"},
      {"ignoreCache is not a boolean", {{"nodekeep/ignoreCache", "yes"}}, "must be true or false"},
      {"jsonText is not a boolean", {{"nodekeep/jsonText", ""}}, "nodekeep/jsonText"},
      {"allowPlainHttp is not a boolean",
       {{"nodekeep/allowPlainHttp", "on"}},
       "must be true or false"},
      {"plain HTTP", {{"akeylessGatewayURL", "http://gw:8080"}}, "unencrypted"},
      {"plain HTTP in other letters", {{"akeylessGatewayURL", "HTTP://gw:8080"}}, "unencrypted"},
      {"plain HTTP behind",
       {{"akeylessGatewayURL", "https://gw"}, {"nodekeep/fallbackGateways", "http://gw2"}},
       "nodekeep/fallbackGateways: \"http://gw2\""},
      {"two trusts",
       {{"nodekeep/caFile", "/ca"}, {"nodekeep/caBundle", "-----BEGIN CERTIFICATE-----"}},
       "set one of them"},
      {"a server name that is more than a name",
       {{"nodekeep/tlsServerName", "gw/x?"}},
       "parameter nodekeep/tlsServerName: \"gw/x?\" is not a host name"},
      {"a bundle that is too long",
       {{"nodekeep/caBundle", std::string(65537, 'A')}},
       "parameter nodekeep/caBundle has 65537 bytes; 65536 are the most"},
      {"a name that is too long",
       {{"akeylessAccessID", std::string(4097, 'p')}},
       "parameter akeylessAccessID has 4097 bytes; 4096 are the most"},
      {"no bundle", {{"nodekeep/caBundle", "not pem"}}, "must be PEM certificates"},
      {"base64 of no bundle", {{"nodekeep/caBundle", "bm8="}}, "must be PEM certificates"},
      {"optional names nothing", {{"nodekeep/optional", "b"}}, "no object is named \"b\""},
      {"a gateway for Kubernetes without it",
       {{"akeylessAccessType", "gcp"}, {"nodekeep/k8sGatewayURL", "https://gw"}},
       "nodekeep/k8sGatewayURL: goes with akeylessAccessType k8s, not gcp"},
      {"a gateway for Kubernetes that is not a URL",
       {{"akeylessAccessType", "k8s"}, {"nodekeep/k8sGatewayURL", "gw"}},
       "nodekeep/k8sGatewayURL: \"gw\": it must start with https://"},
      {"a gateway for Kubernetes with a password",
       {{"akeylessAccessType", "k8s"}, {"nodekeep/k8sGatewayURL", "https://u:p@gw"}},
       "nodekeep/k8sGatewayURL: the URL holds a user name"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Contains(Refusal(Parse(row.attributes)), row.want));
  }
}

TEST_CASE("akeyless: a password in a URL is refused and never repeated") {
  const std::string refusal = Refusal(Parse({{"akeylessGatewayURL", "https://u:s3cret@gw"}}));
  CHECK(Contains(refusal, "user name"));
  CHECK_FALSE(Contains(refusal, "s3cret"));
}

TEST_CASE("akeyless: plain HTTP is called where class or node allow it") {
  AkeylessSettings settings;
  const Attributes plain = {{"akeylessGatewayURL", "http://gw:8080/v2/"}};
  Attributes allowed = plain;
  allowed["nodekeep/allowPlainHttp"] = "true";
  REQUIRE(Refusal(Parse(allowed, settings)) == "accepted");
  CHECK(OptionsOf(Parse(allowed, settings)).gateways[0].base == "http://gw:8080/v2");
  CHECK(OptionsOf(Parse(allowed, settings)).gateways[0].problem.empty());
  settings.allow_plain_http = true;
  CHECK(Refusal(Parse(plain, settings)) == "accepted");
  allowed["nodekeep/allowPlainHttp"] = "false";
  CHECK(Contains(Refusal(Parse(allowed, settings)), "unencrypted"));
}

TEST_CASE("akeyless: gateways are tried in the order written, with their path prefixes") {
  AkeylessSettings settings;
  settings.fallback_gateways = {"https://node-fallback"};
  const Options& options =
      OptionsOf(Parse({{"akeylessGatewayURL", "https://a/akeyless-api/v2/"},
                       {"nodekeep/fallbackGateways", " https://b:8000/api/v2, https://c//"}},
                      settings));
  REQUIRE(options.gateways.size() == 3);
  CHECK(options.gateways[0].base == "https://a/akeyless-api/v2");
  CHECK(options.gateways[1].base == "https://b:8000/api/v2");
  CHECK(options.gateways[2].base == "https://c");
  // A class with its own gateway does not use the node's fallbacks.
  CHECK(OptionsOf(Parse({{"akeylessGatewayURL", "https://a"}}, settings)).Endpoint() ==
        "https://a");
}

TEST_CASE("akeyless: a gateway that is written twice is tried once, and there are at most nine") {
  const Options& options = OptionsOf(
      Parse({{"akeylessGatewayURL", "https://a"},
             {"nodekeep/fallbackGateways",
              "https://b/x, https://A:443/, https://b:443/x, https://b/X, no url, no url"}}));
  CHECK(options.Endpoint() == "https://a,https://b/x,https://b/X,no url");

  const auto with = [](int fallbacks) {
    std::string list;
    for (int i = 0; i < fallbacks; ++i) list += "https://gw" + std::to_string(i) + ",";
    return Parse({{"akeylessGatewayURL", "https://a"}, {"nodekeep/fallbackGateways", list}});
  };
  CHECK(OptionsOf(with(8)).gateways.size() == 9);
  CHECK(Refusal(with(9)) == "parameter nodekeep/fallbackGateways: it lists more than 8 gateways");
}

TEST_CASE("akeyless: no message repeats a long value") {
  const std::string value(4000, 'x');
  const std::string longer(200000, 'x');
  const std::map<std::string, std::string> rows[] = {
      {{"akeylessAuthAs", value}},
      {{"akeylessAuthAs", "pod"}, {"akeylessAccessType", value}},
      {{"akeylessGatewayURL", "http://" + value}},
      {{"akeylessAccessType", "k8s"}, {"nodekeep/k8sGatewayURL", value}},
      {{"nodekeep/tlsServerName", value}},
      {{"nodekeep/stsRegion", value}},
      {{"nodekeep/optional", value}},
      {{"nodekeep/allowPlainHttp", value}},
      {{"objects", "- {fileName: ../" + longer + ", secretPath: /a}"}},
      {{"objects", "- {fileName: a, secretPath: /a, nodekeep/type: " + longer + "}"}},
      {{"objects", "- {fileName: a, secretPath: /a, nodekeep/" + longer + ": b}"}},
      {{"objects", "- {fileName: a, secretPath: /a, nodekeep/filePermission: " + longer + "}"}},
  };
  for (const auto& row : rows) {
    const std::string message = Refusal(Parse(row));
    INFO(message.substr(0, 2000));
    CHECK(message != "accepted");
    CHECK(message.size() < 1200);
  }
}

TEST_CASE("akeyless: the login, not the parser, reports a gateway that cannot be called") {
  struct Row {
    std::string name, url;
  };
  const Row rows[] = {
      {"white space", "https://a b"},     {"query", "https://a?x"},
      {"other scheme", "ftp://a"},        {"no host", "https://"},
      {"bad port", "https://a:notaport"}, {"control character", "https://a\n"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<ParsedMount> mount = Parse({{"akeylessGatewayURL", row.url}});
    REQUIRE(Refusal(mount) == "accepted");
    CHECK_FALSE(OptionsOf(mount).gateways[0].problem.empty());
  }
}

TEST_CASE("akeyless: the node's identity goes only to gateways that the operator has named") {
  AkeylessSettings node, listed, any, plain;
  for (AkeylessSettings* settings : {&node, &listed, &any, &plain}) {
    settings->gateway = "https://gw:8000/api/v2";
    settings->fallback_gateways = {"https://second"};
  }
  listed.node_identity_gateways = {"https://third/api/v2/"};
  any.node_identity_gateways = {"*"};
  plain.allow_plain_http = true;
  plain.node_identity_gateways = {"http://plain"};
  const Attributes over_http = {{"akeylessGatewayURL", "http://plain"},
                                {"nodekeep/allowPlainHttp", "true"}};
  constexpr char kUnlisted[] = "providers.akeyless.nodeIdentityGateways";
  constexpr char kTrust[] = "changes how the gateway is trusted";
  const auto at = [](std::string url, Attributes more = {}) {
    more["akeylessGatewayURL"] = std::move(url);
    return more;
  };
  struct Row {
    std::string name;
    const AkeylessSettings& settings;
    Attributes attributes;
    std::string want;  // part of the reason; "" = allowed
  };
  const Row rows[] = {
      {"none named: the node's", node, {}, ""},
      {"the node's by its URL", node, at("https://gw:8000/api/v2"), ""},
      {"a final slash", node, at("https://gw:8000/api/v2/"), ""},
      {"a name in capitals", node, at("HTTPS://GW:8000/api/v2"), ""},
      {"the node's fallback, its port said", node, at("https://second:443"), ""},
      {"another server", node, at("https://evil"), kUnlisted},
      {"another port", node, at("https://gw:8001/api/v2"), kUnlisted},
      {"another path, where another server may answer", node, at("https://gw:8000"), kUnlisted},
      {"a path in capitals", node, at("https://gw:8000/API/v2"), kUnlisted},
      {"a path that leads elsewhere", node, at("https://gw:8000/api/v2/../../evil"), kUnlisted},
      {"a scheme with one slash", node, at("https:/gw:8000/evil/x://y/api/v2"), kUnlisted},
      {"a longer name", node, at("https://gw.evil:8000/api/v2"), kUnlisted},
      {"a star in the class", node, at("*"), kUnlisted},
      {"listed", listed, at("https://third/api/v2"), ""},
      {"the node's own beside the list", listed, {}, ""},
      {"not listed", listed, at("https://third"), kUnlisted},
      {"any, where the operator wrote so", any, at("https://anywhere"), ""},
      {"another CA", node, {{"nodekeep/caFile", "/tmp/ca"}}, kTrust},
      {"another CA at a listed gateway", listed,
       at("https://third/api/v2", {{"nodekeep/caFile", "/tmp/ca"}}), kTrust},
      {"another CA where any gateway will do", any,
       at("https://anywhere", {{"nodekeep/caBundle", "-----BEGIN CERTIFICATE-----"}}), kTrust},
      {"another name in the certificate", any, {{"nodekeep/tlsServerName", "evil"}}, kTrust},
      {"a server and a CA of the class", node, at("https://evil", {{"nodekeep/caFile", "/tmp/ca"}}),
       "; the class changes how"},
      {"plain HTTP that only the class allows", any, over_http,
       "allowPlainHttp of the node's configuration"},
      {"plain HTTP that the operator allows and lists", plain, over_http, ""},
      {"the other scheme of a listed gateway", plain, at("https://plain"), kUnlisted},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<ParsedMount> mount = Parse(row.attributes, row.settings);
    REQUIRE(Refusal(mount) == "accepted");
    const Gateway gateway = OptionsOf(mount).gateways[0];
    INFO(gateway.node_identity_withheld);
    CHECK(gateway.node_identity_withheld.empty() == row.want.empty());
    CHECK(Contains(gateway.node_identity_withheld, row.want));
    CHECK(gateway.unlisted == (row.want == kUnlisted));
  }
}

TEST_CASE("akeyless: one fallback of the class that is not trusted withholds the node's identity") {
  AkeylessSettings settings;
  settings.gateway = "https://gw";
  Result<ParsedMount> mount = Parse({{"akeylessGatewayURL", "https://gw"},
                                     {"nodekeep/fallbackGateways", "https://evil, https://gw"}},
                                    settings);
  REQUIRE(Refusal(mount) == "accepted");
  const Options options = OptionsOf(mount);
  CHECK(options.gateways[0].node_identity_withheld.empty());
  CHECK(options.gateways[1].unlisted);
}

TEST_CASE("akeyless: a class cannot send the agent's token or the node's AWS identity elsewhere") {
  AkeylessSettings settings;
  settings.gateway = "https://gw:8000/api/v2";
  settings.sts_endpoint = "https://sts.internal/";
  settings.sts_region = "eu-west-1";
  const auto review = [&](const std::string& url) {
    Result<ParsedMount> mount =
        Parse({{"akeylessAccessType", "k8s"}, {"nodekeep/k8sGatewayURL", url}}, settings);
    REQUIRE(Refusal(mount) == "accepted");
    return OptionsOf(mount).k8s_gateway_withheld;
  };
  CHECK(review("").empty());
  CHECK(review("https://gw:8000").empty());
  CHECK(review("https://gw:8000/api/v2/").empty());
  CHECK(Contains(review("https://evil:8000"), "withheld from \"https://evil:8000\""));
  const auto sts = [&](const std::string& url) {
    Result<ParsedMount> mount = Parse({{"akeylessAccessType", "aws_iam"},
                                       {"nodekeep/stsEndpoint", url},
                                       {"nodekeep/stsRegion", "eu-west-1"}},
                                      settings);
    REQUIRE(Refusal(mount) == "accepted");
    return OptionsOf(mount).sts_withheld;
  };
  CHECK(sts("").empty());
  CHECK(sts("https://sts.internal/").empty());
  CHECK(Contains(sts("https://evil/"), "not signed for \"https://evil/\""));
  settings.node_identity_gateways = {"*"};
  CHECK(review("https://evil:8000").empty());
  CHECK(sts("https://evil/").empty());
}

TEST_CASE("akeyless: a class reports which settings of the node it needs") {
  AkeylessSettings settings;
  settings.gateway = "https://gw";
  const auto needs = [&](Attributes attributes) {
    attributes.try_emplace("akeylessGatewayURL", "https://other");
    Result<ParsedMount> mount = Parse(std::move(attributes), settings);
    REQUIRE(Refusal(mount) == "accepted");
    std::string text;
    for (const NeededSetting& needed : mount->options->NeededSettings()) {
      text += needed.key + "=" + needed.value + (needed.unless_secret ? "? " : " ");
    }
    return text;
  };
  CHECK(needs({{"akeylessAccessType", "aws_iam"}}) == "nodeIdentityGateways=https://other ");
  CHECK(needs({{"akeylessAccessType", "access_key"}}) == "nodeIdentityGateways=https://other? ");
  CHECK(needs({}) == "nodeIdentityGateways=https://other? ");
  CHECK(needs({{"akeylessAccessType", "k8s"}}) ==
        "nodeIdentityGateways=https://other serviceAccountTokenFile= ");
  CHECK(needs({{"akeylessAccessType", "aws_iam"}, {"akeylessGatewayURL", "https://gw"}}).empty());
  // Credentials of the class or the pod may be sent to any gateway of the class.
  CHECK(needs({{"akeylessAccessType", "k8s"}, {"akeylessAuthAs", "pod"}}).empty());
  CHECK(needs({{"akeylessAccessKey", "k"}}).empty());
  settings.service_account_token_file = "/token";
  CHECK(needs({{"akeylessAccessType", "k8s"}}) == "nodeIdentityGateways=https://other ");
}

TEST_CASE("akeyless: a CA bundle of the class replaces the node's") {
  AkeylessSettings settings;
  settings.tls.ca_file = "/node-ca";
  const std::string pem = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";
  CHECK(OptionsOf(Parse({}, settings)).tls->ca_file == "/node-ca");
  for (const std::string& bundle : {pem, Base64Encode(pem)}) {
    const Options& options = OptionsOf(Parse({{"nodekeep/caBundle", bundle}}, settings));
    CHECK(options.tls->ca_pem == pem);
    CHECK(options.tls->ca_file.empty());
  }
  const Options& file =
      OptionsOf(Parse({{"nodekeep/caFile", "/own"}, {"nodekeep/tlsServerName", "gw"}}, settings));
  CHECK(file.tls->ca_file == "/own");
  CHECK(file.tls->server_name == "gw");
}

TEST_CASE("akeyless: defaults of the class apply to objects that set nothing") {
  Result<ParsedMount> mount =
      Parse({{"nodekeep/ignoreCache", "true"},
             {"nodekeep/jsonText", "true"},
             {"nodekeep/optional", "a"},
             {"objects",
              "- {fileName: a, secretPath: /a}\n"
              "- {fileName: b, secretPath: /b, nodekeep/ignoreCache: false,"
              " nodekeep/jsonText: false, nodekeep/filePermission: 0400}\n"
              "- {fileName: c, secretPath: /c, nodekeep/type: dynamic}\n"
              "- {fileName: d, secretPath: /d, nodekeep/decode: base64}\n"}});
  REQUIRE(Refusal(mount) == "accepted");
  const auto& files = mount->projections;
  CHECK(files[0].ref.request == R"({"ignoreCache":true})");
  CHECK(files[0].encoding == "json");
  CHECK(files[0].optional);
  CHECK(files[0].mode == 0644);
  CHECK(files[1].ref.request.empty());
  CHECK(files[1].encoding.empty());
  CHECK(files[1].mode == 0400);
  CHECK_FALSE(files[1].optional);
  CHECK(files[2].ref.request == R"({"kind":"dynamic"})");  // never cached
  CHECK(files[3].encoding == "base64");
}

TEST_CASE("akeyless: a folder's path gets slashes at both ends") {
  for (std::string path : {"app", "/app", "app/", "/app/"}) {
    INFO(path);
    Result<ParsedMount> mount =
        Parse({{"objects", "- {fileName: app, secretPath: " + path + ", nodekeep/type: folder}"}});
    REQUIRE(Refusal(mount) == "accepted");
    CHECK(mount->projections[0].ref.path == "/app/");
    CHECK(mount->projections[0].ref.request == R"({"kind":"folder"})");
  }
}

TEST_CASE("akeyless: logins with different access have different texts") {
  AkeylessSettings settings;
  const auto text = [&](const Attributes& attributes) {
    Result<ParsedMount> mount = Parse(attributes, settings);
    REQUIRE(Refusal(mount) == "accepted");
    return mount->options->LoginText();
  };
  const Attributes rows[] = {
      {},
      {{"akeylessGatewayURL", "https://a"}},
      {{"akeylessGatewayURL", "https://a"}, {"nodekeep/fallbackGateways", "https://b"}},
      {{"akeylessAccessID", "p-1"}},
      {{"akeylessAccessType", "access_key"}},
      {{"akeylessAccessType", "k8s"}},
      {{"akeylessAccessType", "k8s"}, {"akeylessAuthAs", "pod"}},
      {{"akeylessAccessType", "k8s"}, {"akeylessAuthAs", "pod"}, {"nodekeep/audience", "x"}},
      {{"akeylessAccessType", "k8s"}, {"akeylessK8sAuthConfigName", "c"}},
      {{"akeylessAccessType", "k8s"}, {"nodekeep/k8sGatewayURL", "https://a"}},
      {{"akeylessAzureObjectID", "o"}},
      {{"akeylessGCPAudience", "g"}},
      {{"nodekeep/caFile", "/ca"}},
      {{"nodekeep/caBundle", "-----BEGIN CERTIFICATE-----"}},
      {{"nodekeep/tlsServerName", "n"}},
  };
  std::set<std::string> texts;
  for (const Attributes& row : rows) texts.insert(text(row));
  CHECK(texts.size() == std::size(rows));
  CHECK(text({{"akeylessAccessKey", "k"}, {"nodekeep/ignoreCache", "true"}}) == text({}));
}

TEST_CASE("akeyless: a login of the node is no longer found once its gateway is not listed") {
  AkeylessSettings before, after;
  before.node_identity_gateways = {"https://gw"};
  const auto text = [](const AkeylessSettings& settings, const Attributes& more) {
    Attributes attributes = {{"akeylessGatewayURL", "https://gw"}};
    attributes.insert(more.begin(), more.end());
    return Parse(attributes, settings)->options->LoginText();
  };
  CHECK(text(before, {}) != text(after, {}));
  const Attributes as_pod = {{"akeylessAccessType", "k8s"}, {"akeylessAuthAs", "pod"}};
  CHECK(text(before, as_pod) == text(after, as_pod));
}

TEST_CASE("akeyless: a reload that withholds a credential of the node makes another login text") {
  struct Row {
    std::string name;
    Attributes attributes;
    void (*allow)(AkeylessSettings&);
  };
  const Row rows[] = {
      {"the gateway that reviews the agent's token",
       {{"akeylessAccessType", "k8s"}, {"nodekeep/k8sGatewayURL", "https://review"}},
       [](AkeylessSettings& settings) {
         settings.node_identity_gateways = {"https://review/api/v2"};
       }},
      {"the STS that the node's AWS identity is signed for",
       {{"akeylessAccessType", "aws_iam"},
        {"nodekeep/stsRegion", "eu-central-1"},
        {"nodekeep/stsEndpoint", "https://sts.own/"}},
       [](AkeylessSettings& settings) { settings.node_identity_gateways = {"*"}; }},
      {"plain http that only the class allows",
       {{"akeylessGatewayURL", "http://gw"}, {"nodekeep/allowPlainHttp", "true"}},
       [](AkeylessSettings& settings) { settings.allow_plain_http = true; }},
      {"a fallback",
       {{"akeylessGatewayURL", "https://api.akeyless.io"},
        {"nodekeep/fallbackGateways", "https://other"}},
       [](AkeylessSettings& settings) { settings.node_identity_gateways = {"https://other"}; }},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    AkeylessSettings withheld, allowed;
    if (row.attributes.contains("nodekeep/allowPlainHttp")) {
      withheld.node_identity_gateways = allowed.node_identity_gateways = {"http://gw"};
    }
    row.allow(allowed);
    const Result<ParsedMount> before = Parse(row.attributes, allowed);
    const Result<ParsedMount> after = Parse(row.attributes, withheld);
    REQUIRE(Refusal(before) == "accepted");
    REQUIRE(Refusal(after) == "accepted");
    CHECK(before->options->LoginText() != after->options->LoginText());
  }
}

TEST_CASE("akeyless: an error about a gateway of the node names its setting") {
  AkeylessSettings settings;
  settings.gateway = "http://gw";
  CHECK(Contains(Refusal(Parse({}, settings)),
                 "providers.akeyless.gatewayUrl of the node's configuration: \"http://gw\" would"));
  settings.gateway = "https://gw";
  settings.fallback_gateways = {"http://two"};
  CHECK(
      Contains(Refusal(Parse({}, settings)),
               "providers.akeyless.fallbackGateways of the node's configuration: \"http://two\""));
  CHECK(Contains(Refusal(Parse({{"akeylessGatewayURL", "http://gw"}}, settings)),
                 "parameter akeylessGatewayURL: \"http://gw\" would"));
  CHECK(Contains(Refusal(Parse({{"nodekeep/fallbackGateways", "http://gw"}}, settings)),
                 "parameter nodekeep/fallbackGateways: \"http://gw\" would"));
}

TEST_CASE("akeyless: a folder that is optional leaves out items that cannot be read") {
  const std::string folder = "- {fileName: app, secretPath: /app, nodekeep/type: folder";
  const auto request = [](const Attributes& attributes) {
    const Result<ParsedMount> mount = Parse(attributes);
    REQUIRE(Refusal(mount) == "accepted");
    return mount->projections[0].ref.request;
  };
  CHECK(request({{"objects", folder + "}"}}) == R"({"kind":"folder"})");
  const std::string leaving_out = R"({"kind":"folder","leaveOut":true})";
  CHECK(request({{"objects", folder + ", nodekeep/optional: true}"}}) == leaving_out);
  CHECK(request({{"objects", folder + "}"}, {"nodekeep/optional", "app"}}) == leaving_out);
  CHECK(request({{"objects", folder + "}"}, {"nodekeep/optional", "*"}}) == leaving_out);
  CHECK(request({{"objects", "- {fileName: a, secretPath: /a, nodekeep/optional: true}"}}) == "");
}

TEST_CASE("akeyless: concurrent tenants never share a login or a token") {
  // Upstream keeps one client and one token for the whole process
  // (docs/protocol/secret-provider-class.md, "akeyless flaws").
  const Attributes one = {{"akeylessAccessID", "p-1"}, {"akeylessAccessKey", "key 1"}};
  const Attributes two = {{"akeylessAccessID", "p-2"}, {"akeylessAccessKey", "key 2"}};
  const Attributes forged = {{"akeylessAccessID", "p-1"}, {"akeylessAccessKey", "guess"}};
  const auto text = [](const Attributes& attributes) {
    return Parse(attributes)->options->LoginText();
  };
  const auto digest = [](const Attributes& attributes) {
    return Parse(attributes)->options->CredentialDigest(AsMounted({}, attributes));
  };
  CHECK(text(one) != text(two));
  CHECK(text(one) == text(forged));
  CHECK(digest(one) != digest(forged));
  CHECK(digest(one).size() == 64);
}

TEST_CASE("akeyless: every credential that a login uses is in its digest") {
  AkeylessSettings settings;
  settings.access_key = Secret("node key");
  const Result<ParsedMount> plain = Parse({}, settings);
  const auto digest = [&](const Identity& identity) {
    return plain->options->CredentialDigest(identity);
  };
  CHECK(digest(Identity()) != digest(WithSecret("akeylessAccessKey", "x")));
  CHECK(digest(WithSecret("akeylessAccessKey", "y")) !=
        digest(WithSecret("akeylessAccessKey", "x")));
  CHECK(digest(Identity()) == digest(WithSecret("unrelated", "x")));
  const Result<ParsedMount> pod = Parse({{"akeylessAccessType", "k8s"}, {"akeylessAuthAs", "pod"}});
  CHECK(pod->options->CredentialDigest(Identity()).empty());
  const Result<ParsedMount> cert = Parse({{"akeylessAccessType", "cert"}});
  CHECK(cert->options->CredentialDigest(WithSecret("akeylessCert", "x")) !=
        cert->options->CredentialDigest(WithSecret("akeylessCert", "y")));
  const auto pair = [&](const std::string& certificate, const std::string& key) {
    Identity identity = WithSecret("akeylessCert", certificate);
    identity.credentials["akeylessCertKey"] = SecretBytes(key);
    return cert->options->CredentialDigest(identity);
  };
  CHECK(pair("x", "y") != pair("x", "z"));
  CHECK(pair("x", "yz") != pair("xy", "z"));
  const Result<ParsedMount> uid = Parse({{"akeylessAccessType", "universal_identity"}});
  CHECK(uid->options->CredentialDigest(WithSecret("akeylessUIDInitToken", "u-1")) !=
        uid->options->CredentialDigest(WithSecret("akeylessUIDInitToken", "u-2")));
}

TEST_CASE("akeyless: a credential in clear text in the class is pointed out, never shown") {
  const Result<ParsedMount> mount =
      Parse({{"akeylessAccessKey", "CANARY"}, {"akeylessUIDInitToken", "u-CANARY"}});
  std::string text = mount->options->LoginText() + mount->options->CredentialDigest(Identity());
  for (const auto& [name, value] : mount->options->Explain()) text += name + ": " + value + "\n";
  CHECK(Contains(text, "access key: in the class"));
  CHECK(Contains(text, "first token: in the class"));
  CHECK_FALSE(Contains(text, "CANARY"));
  // The parsed class keeps only the names of these parameters.
  CHECK(mount->credential_parameters ==
        std::vector<std::string>{"akeylessAccessKey", "akeylessUIDInitToken"});
  CHECK(Parse({{"akeylessAccessKey", ""}})->credential_parameters.empty());
}

TEST_CASE("akeyless: secretArgs, which have no effect, are pointed out") {
  const Result<ParsedMount> mount =
      Parse({{"objects", "- {fileName: a, secretPath: /a, secretArgs: {foo: bar}}"}});
  REQUIRE(Refusal(mount) == "accepted");
  CHECK(mount->options->Explain().back().first == "secretArgs of object \"a\"");
  CHECK(Parse({})->options->Explain().back().first != "secretArgs of object \"a\"");
}

TEST_CASE("akeyless: the classes of the sample are valid") {
  std::ifstream file(NODEKEEP_SOURCE_DIR "/providers/akeyless/sample.yaml");
  std::stringstream text;
  text << file.rdbuf();
  Result<std::vector<YamlNode>> documents = ParseYamlDocuments(text.str());
  REQUIRE(documents.ok());
  std::vector<std::size_t> objects;
  for (const YamlNode& document : *documents) {
    if (document.Find("kind")->text != "SecretProviderClass") continue;
    Attributes attributes;
    for (const auto& [key, value] : document.Find("spec")->Find("parameters")->entries) {
      attributes[key.text] = value.text;
    }
    Result<ParsedMount> mount = Parse(attributes);
    REQUIRE(Refusal(mount) == "accepted");
    for (const Gateway& gateway : OptionsOf(mount).gateways) CHECK(gateway.problem.empty());
    objects.push_back(mount->projections.size());
  }
  CHECK(objects == std::vector<std::size_t>{9, 1});
}

TEST_CASE("akeyless: --explain says where the identity is the node's at its cloud") {
  const auto lines = [](Attributes attributes) {
    std::string text;
    const Result<ParsedMount> mount = Parse(std::move(attributes));
    REQUIRE(Refusal(mount) == "accepted");
    for (const auto& [name, value] : mount->options->Explain()) text += name + ": " + value + "\n";
    return text;
  };
  constexpr std::string_view kSaid =
      "cloud identity: that of the node, sent only to gateways that the operator has named\n";
  for (const char* type : {"aws_iam", "azure_ad", "gcp"}) {
    INFO(type);
    CHECK(Contains(lines({{"akeylessAccessType", type}}), kSaid));
  }
  CHECK_FALSE(Contains(lines({{"akeylessAccessType", "access_key"}}), kSaid));
  CHECK_FALSE(Contains(lines({{"akeylessAccessType", "aws_iam"},
                              {"akeylessAuthAs", "pod"},
                              {"nodekeep/awsRoleARN", "arn:aws:iam::123456789012:role/app"}}),
                       kSaid));
}

TEST_CASE("akeyless: what has no effect or can only be a mistake is a warning, and still works") {
  struct Row {
    std::string name;
    Attributes attributes;
    std::string want;  // "" = no warning
  };
  const auto object = [](const std::string& more) {
    return Attributes{{"objects", "- fileName: a\n  secretPath: /a\n" + more}};
  };
  const Row rows[] = {
      {"nothing", {}, ""},
      {"all parameters of upstream",
       {{"akeylessGatewayURL", "https://gw:8000/api/v2"},
        {"akeylessAccessType", "api_key"},
        {"akeylessAccessID", "p-1"},
        {"akeylessAccessKey", "k"},
        {"akeylessAzureObjectID", "o"},
        {"akeylessGCPAudience", "a"},
        {"akeylessUIDInitToken", "u-1"},
        {"akeylessK8sAuthConfigName", "c"},
        {"vaultKubernetesMountPath", "m"}},
       ""},
      {"parameters of ours",
       {{"akeylessAccessType", "k8s"},
        {"akeylessAuthAs", "pod"},
        {"nodekeep/fallbackGateways", "https://b,\nhttps://c"},
        {"nodekeep/optional", "a\n"}},
       ""},
      {"all keys of upstream", object("  secretType: x\n  secretArgs: {a: b}\n"), ""},
      {"keys of ours", object("  nodekeep/filePermission: 0400\n  nodekeep/version: 2\n"), ""},
      {"misspelt parameter",
       {{"akeylessAccessId", "p-1"}, {"akeylesGatewayURL", "https://gw"}},
       "parameter akeylesGatewayURL: is unknown and ignored: did you mean akeylessGatewayURL?; "
       "parameter akeylessAccessId: is unknown and ignored: did you mean akeylessAccessID?"},
      {"misspelt key", object("  secrettype: x\n"),
       "parameter objects: line 3, column 3: object \"a\": key secrettype is unknown and ignored: "
       "did you mean secretType?"},
      {"decimal mode", object("  nodekeep/filePermission: 400\n"),
       "parameter objects: line 3, column 28: object \"a\": nodekeep/filePermission: 400 is a "
       "decimal number, the mode 0620: octal numbers begin with 0: write 0400"},
      {"access type that does not exist",
       {{"akeylessAccessType", "acess_key"}},
       "parameter akeylessAccessType: \"acess_key\" is unknown, so the logins are tried in turn: "
       "did you mean access_key?"},
      {"gateway without a scheme",
       {{"akeylessGatewayURL", "gw.example.com:8000"}},
       "parameter akeylessGatewayURL: \"gw.example.com:8000\" cannot be called: it must start with "
       "https://"},
      {"other gateway without a scheme",
       {{"nodekeep/fallbackGateways", "gw"}},
       "parameter nodekeep/fallbackGateways: \"gw\" cannot be called: it must start with "
       "https://"},
      {"the old API",
       {{"akeylessGatewayURL", "https://gw:8000/api/v1"}},
       "parameter akeylessGatewayURL: \"https://gw:8000/api/v1\" has the path /v1, below which is "
       "no API: of a gateway it is below /api/v2 of port 8000"},
      {"the console",
       {{"akeylessGatewayURL", "https://gw:8000/console/"}},
       "parameter akeylessGatewayURL: \"https://gw:8000/console/\" has the path /console, below "
       "which is no API: of a gateway it is below /api/v2 of port 8000"},
      {"key with a line end, which is not shown",
       {{"akeylessAccessKey", "s3cret\n"}},
       "parameter akeylessAccessKey: has a line end in it: write it on one line, without `|`"},
      {"audience with a line end",
       {{"akeylessAccessType", "k8s"}, {"akeylessAuthAs", "pod"}, {"nodekeep/audience", "a\nb"}},
       "parameter nodekeep/audience: has a line end in it: write it on one line, without `|`"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Result<ParsedMount> mount = Parse(row.attributes);
    REQUIRE(Refusal(mount) == "accepted");
    CHECK(mount->warnings.Text() == row.want);
  }
  // Of the node's configuration the class is not warned.
  AkeylessSettings settings;
  settings.gateway = "gw";
  settings.access_type = "unknown";
  CHECK(Parse({}, settings)->warnings.empty());
}

TEST_CASE("akeyless: only a folder is a folder of files") {
  const Result<ParsedMount> mount = Parse(
      {{"objects",
        "[{fileName: f, secretPath: /f, nodekeep/type: folder}, {fileName: a, secretPath: /a}]"}});
  REQUIRE(Refusal(mount) == "accepted");
  CHECK(mount->projections[0].is_folder);
  CHECK_FALSE(mount->projections[1].is_folder);
}

}  // namespace nodekeep::akeyless
