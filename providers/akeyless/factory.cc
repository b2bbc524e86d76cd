#include "providers/akeyless/factory.h"

#include "agent/base/comma_list.h"
#include "agent/base/duration.h"
#include "providers/akeyless/akeyless.h"
#include "providers/akeyless/options.h"

namespace nodekeep::akeyless {
namespace {

using Kind = SettingKey::Kind;

// Environment names are upstream's where it has one, so that pod templates need no change.
// Upstream's variables with credentials are not settings; Make reads them.
constexpr SettingKey kKeys[] = {
    {"gatewayUrl", "AKEYLESS_URL", Kind::kText, "https://api.akeyless.io",
     "Gateway of classes that name none; a path prefix such as /api/v2 belongs to it"},
    {"fallbackGateways", "NODEKEEP_AKEYLESS_FALLBACK_GATEWAYS", Kind::kText, "",
     "Comma list of URLs asked in this order while gatewayUrl is down"},
    {"accessType", "AKEYLESS_ACCESS_TYPE", Kind::kText, "",
     "Login of classes that name none: access_key (also when empty), aws_iam, azure_ad, gcp, "
     "universal_identity, k8s, jwt or cert"},
    {"accessId", "AKEYLESS_ACCESS_ID", Kind::kText, "", "Access id of classes that name none"},
    {"azureObjectId", "AKEYLESS_AZURE_OBJECT_ID", Kind::kText, "",
     "Object id of the managed identity for azure_ad"},
    {"gcpAudience", "AKEYLESS_GCP_AUDIENCE", Kind::kText, "",
     "Audience of the identity token for gcp; akeyless.io when empty"},
    {"k8sAuthConfigName", "AKEYLESS_K8S_AUTH_CONFIG_NAME", Kind::kText, "",
     "The gateway's auth configuration for k8s"},
    {"k8sGatewayUrl", "NODEKEEP_AKEYLESS_K8S_GATEWAY_URL", Kind::kText, "",
     "For k8s: the gateway that has the auth configuration, where that is not gatewayUrl"},
    {"stsRegion", "NODEKEEP_AKEYLESS_STS_REGION", Kind::kText, "",
     "For aws_iam: region of the STS that the login is signed for; the global host when empty"},
    {"stsEndpoint", "NODEKEEP_AKEYLESS_STS_ENDPOINT", Kind::kText, "",
     "For aws_iam: URL of that STS, together with stsRegion; never called by the agent"},
    {"serviceAccountTokenFile", "NODEKEEP_AKEYLESS_SERVICE_ACCOUNT_TOKEN_FILE", Kind::kText, "",
     "A token of the agent's own service account for k8s, read at each login; the chart's "
     "serviceAccount.loginToken makes one"},
    {"jwtFile", "NODEKEEP_AKEYLESS_JWT_FILE", Kind::kText, "",
     "The node's token for jwt; read at each login"},
    {"certFile", "NODEKEEP_AKEYLESS_CERT_FILE", Kind::kText, "",
     "PEM certificate of the node for cert, together with certKeyFile"},
    {"certKeyFile", "NODEKEEP_AKEYLESS_CERT_KEY_FILE", Kind::kText, "", "PEM key of certFile"},
    {"uidTokenDirectory", "NODEKEEP_AKEYLESS_UID_TOKEN_DIRECTORY", Kind::kText, "",
     "Directory of the node that keeps the newest token of each universal identity, encrypted, so "
     "that it survives a restart; empty = in memory only"},
    {"nodeIdentityGateways", "NODEKEEP_AKEYLESS_NODE_IDENTITY_GATEWAYS", Kind::kText, "",
     "Comma list of further URLs that credentials of the node may be sent to, besides gatewayUrl "
     "and fallbackGateways; * = whatever URL a class names, as upstream"},
    {"caFile", "NODEKEEP_AKEYLESS_CA_FILE", Kind::kText, "",
     "PEM bundle of the CAs that sign the gateways' certificates, instead of the system's"},
    {"tlsServerName", "NODEKEEP_AKEYLESS_TLS_SERVER_NAME", Kind::kText, "",
     "Name expected in the gateways' certificates"},
    {"allowPlainHttp", "NODEKEEP_AKEYLESS_ALLOW_PLAIN_HTTP", Kind::kBool, "false",
     "Call http:// gateways: tokens and secrets are then sent unencrypted"},
    {"legacyProbing", "NODEKEEP_AKEYLESS_LEGACY_PROBING", Kind::kBool, "false",
     "Log in by the first method that works, the node's cloud identities included, whatever type "
     "the class names, as upstream"},
    {"shareByServiceAccount", "NODEKEEP_AKEYLESS_SHARE_BY_SERVICE_ACCOUNT", Kind::kBool, "false",
     "Set it only if no access rule depends on the pod: a login with a pod's token then serves its "
     "whole service account"},
    {"timeout", "NODEKEEP_AKEYLESS_TIMEOUT", Kind::kDuration, "30s",
     "Maximum time for one request to a gateway"},
};

// The first of the environment variables that is set; null when none is.
std::shared_ptr<const SecretBytes> SecretOf(const ProviderServices& services,
                                            std::initializer_list<const char*> names) {
  for (const char* name : names) {
    SecretBytes text = SecretBytes::MoveFrom(services.environment(name));
    if (!text.empty()) return std::make_shared<const SecretBytes>(std::move(text));
  }
  return nullptr;
}

}  // namespace

std::span<const SettingKey> SettingsKeys() { return kKeys; }

Result<Provider> Make(const SettingValues& values, ProviderServices services) {
  AkeylessSettings settings;
  settings.gateway = values.at("gatewayUrl");
  settings.fallback_gateways = SplitCommas(values.at("fallbackGateways"));
  if (settings.fallback_gateways.size() > kMaxFallbackGateways) {
    return Error::Format(ErrorCode::kInvalid, "fallbackGateways: it lists more than {} gateways",
                         kMaxFallbackGateways);
  }
  settings.access_type = values.at("accessType");
  settings.access_id = values.at("accessId");
  settings.azure_object_id = values.at("azureObjectId");
  settings.gcp_audience = values.at("gcpAudience");
  settings.k8s_auth_config = values.at("k8sAuthConfigName");
  if (!values.at("k8sGatewayUrl").empty()) {
    Result<std::string> url = ConfigurationUrl(values.at("k8sGatewayUrl"));
    if (!url.ok()) return url.error().Prepend("k8sGatewayUrl");
    settings.k8s_gateway = *std::move(url);
  }
  settings.sts_region = values.at("stsRegion");
  settings.sts_endpoint = values.at("stsEndpoint");
  if (std::string problem = StsProblem(settings.sts_region, settings.sts_endpoint);
      !problem.empty()) {
    return Error::Format(ErrorCode::kInvalid, "{}: {}",
                         settings.sts_endpoint.empty() ? "stsRegion" : "stsEndpoint", problem);
  }
  settings.service_account_token_file = values.at("serviceAccountTokenFile");
  settings.jwt_file = values.at("jwtFile");
  settings.cert_file = values.at("certFile");
  settings.cert_key_file = values.at("certKeyFile");
  settings.uid_token_directory = values.at("uidTokenDirectory");
  settings.node_identity_gateways = SplitCommas(values.at("nodeIdentityGateways"));
  settings.tls.ca_file = values.at("caFile");
  settings.tls.server_name = values.at("tlsServerName");
  settings.allow_plain_http = values.at("allowPlainHttp") == "true";
  settings.legacy_probing = values.at("legacyProbing") == "true";
  settings.share_by_service_account = values.at("shareByServiceAccount") == "true";
  Result<Duration> timeout = ParseDuration(values.at("timeout"));
  if (!timeout.ok()) return timeout.error().Prepend("timeout");
  settings.timeout = *timeout;
  settings.access_key = SecretOf(services, {"AKEYLESS_ACCESS_KEY", "CREDENTIALS"});
  settings.uid_init_token = SecretOf(services, {"AKEYLESS_UID_INIT_TOKEN"});
  settings.environment = std::move(services.environment);
  settings.version_key = std::move(services.version_key);
  settings.policy = services.policy;
  settings.on_exception = std::move(services.on_exception);
  settings.on_refusal = std::move(services.shares.on_refusal);
  settings.identities = services.shares.identities;
  settings.log = &services.log;
  return MakeAkeylessProvider(std::move(settings), services.http, services.clock);
}

}  // namespace nodekeep::akeyless
