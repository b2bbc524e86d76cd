#include "providers/vault/factory.h"

#include <optional>

#include "agent/base/comma_list.h"
#include "agent/base/duration.h"
#include "agent/base/utf8.h"
#include "providers/vault/node_paths.h"
#include "providers/vault/options.h"
#include "providers/vault/vault.h"

namespace nodekeep::vault {
namespace {

using Kind = SettingKey::Kind;

// Environment names are those of Vault's own client, so that pod templates need no change.
constexpr SettingKey kKeys[] = {
    {"address", "VAULT_ADDR", Kind::kText, "https://127.0.0.1:8200",
     "Server of classes that name none: http://, https:// or unix:///path"},
    {"namespace", "VAULT_NAMESPACE", Kind::kText, "", "Namespace of classes that name none"},
    {"authMount", "NODEKEEP_VAULT_AUTH_MOUNT", Kind::kText, "kubernetes",
     "Where the kubernetes auth method is mounted"},
    {"unixSockets", "NODEKEEP_VAULT_UNIX_SOCKETS", Kind::kText, "",
     "Comma list of unix:///path that classes may name as vaultAddress, besides address; none when "
     "empty"},
    {"redirectHosts", "NODEKEEP_VAULT_REDIRECT_HOSTS", Kind::kText, "",
     "Comma list of hosts that the server of a class may redirect to, besides itself; "
     "*.example.com is every host below example.com"},
    {"caFile", "VAULT_CACERT", Kind::kText, "",
     "PEM bundle of the CAs that sign the server's certificate"},
    {"caDirectory", "VAULT_CAPATH", Kind::kText, "",
     "Directory of PEM certificates, used when caFile is not set"},
    {"caPem", "VAULT_CACERT_BYTES", Kind::kText, "",
     "The bundle itself, used when neither caFile nor caDirectory is set"},
    {"tlsServerName", "VAULT_TLS_SERVER_NAME", Kind::kText, "",
     "Name expected in the server's certificate"},
    {"clientCertFile", "VAULT_CLIENT_CERT", Kind::kText, "",
     "PEM client certificate, together with clientKeyFile"},
    {"clientKeyFile", "VAULT_CLIENT_KEY", Kind::kText, "", "PEM key of clientCertFile"},
    {"skipTlsVerify", "VAULT_SKIP_VERIFY", Kind::kBool, "false",
     "Trust any server certificate; for experiments only"},
    {"tokenFile", "", Kind::kText, "", "File with the token of classes with nodekeep/auth: token"},
    {"approleRoleId", "", Kind::kText, "", "role_id of classes with nodekeep/auth: approle"},
    {"approleSecretIdFile", "", Kind::kText, "", "File with the secret_id of approleRoleId"},
    {"nodeCredentialPaths", "NODEKEEP_VAULT_NODE_CREDENTIAL_PATHS", Kind::kText, "",
     "Comma list of [NAMESPACE:]PATH that classes may read, with GET, by tokenFile, approleRoleId "
     "or "
     "a client certificate as login; each stands for all below it; none when empty"},
    {"nullValues", "NODEKEEP_VAULT_NULL_VALUES", Kind::kText, "refuse",
     "What becomes of a key whose value is null, where a class does not say so: refuse is an "
     "error, "
     "text writes the text \"null\", as upstream"},
    {"timeout", "VAULT_CLIENT_TIMEOUT", Kind::kDuration, "30s",
     "Maximum time for one request to the server"},
};

Result<std::vector<std::string>> ReadSockets(const std::string& list) {
  std::vector<std::string> paths;
  for (const std::string& text : SplitCommas(list)) {
    Result<Address> address = Address::Parse(text);
    if (!address.ok() || address->unix_socket.empty()) {
      return Error::Format(ErrorCode::kInvalid, "unixSockets: \"{}\" is not unix:///path",
                           Excerpt(text));
    }
    paths.push_back(address->unix_socket);
  }
  return paths;
}

}  // namespace

std::span<const SettingKey> SettingsKeys() { return kKeys; }

Result<Provider> Make(const SettingValues& values, ProviderServices services) {
  VaultSettings settings;
  settings.address = values.at("address");
  settings.namespace_name = values.at("namespace");
  settings.auth_mount = values.at("authMount");
  Result<std::vector<std::string>> sockets = ReadSockets(values.at("unixSockets"));
  if (!sockets.ok()) return sockets.error();
  settings.unix_sockets = *std::move(sockets);
  settings.redirect_hosts = SplitCommas(values.at("redirectHosts"));
  settings.tls.ca_file = values.at("caFile");
  settings.tls.ca_directory = values.at("caDirectory");
  settings.tls.ca_pem = values.at("caPem");
  settings.tls.server_name = values.at("tlsServerName");
  settings.tls.client_cert_file = values.at("clientCertFile");
  settings.tls.client_key_file = values.at("clientKeyFile");
  settings.tls.skip_verify = values.at("skipTlsVerify") == "true";
  settings.token_file = values.at("tokenFile");
  settings.approle_role_id = values.at("approleRoleId");
  settings.approle_secret_id_file = values.at("approleSecretIdFile");
  Result<std::vector<VaultNodePath>> paths =
      ReadNodePaths(values.at("nodeCredentialPaths"), settings.namespace_name);
  if (!paths.ok()) return paths.error();
  settings.node_paths = *std::move(paths);
  const std::optional<NullValues> nulls = NullValuesOf(values.at("nullValues"));
  if (!nulls) {
    return Error::Format(ErrorCode::kInvalid, "nullValues: \"{}\" is unknown; use refuse or text",
                         Excerpt(values.at("nullValues")));
  }
  settings.nulls = *nulls;
  Result<Duration> timeout = ParseDuration(values.at("timeout"));
  if (!timeout.ok()) return timeout.error().Prepend("timeout");
  settings.timeout = *timeout;
  settings.version_key = std::move(services.version_key);
  settings.policy = services.policy;
  return MakeVaultProvider(std::move(settings), services.http, services.clock);
}

}  // namespace nodekeep::vault
