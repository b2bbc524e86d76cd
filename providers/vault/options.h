#pragma once

// The typed options of logins and reads, parsed from a SecretProviderClass.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/http/http_client.h"
#include "agent/secrets/provider.h"
#include "providers/vault/vault.h"

namespace nodekeep::vault {

enum class AuthMethod { kKubernetes, kJwt, kToken, kAppRole, kCert };

// As `nodekeep/auth` spells it.
std::string_view AuthMethodName(AuthMethod method);

// A parsed server address.
struct Address {
  std::string base;         // scheme, host, port and path prefix, without a final slash
  std::string unix_socket;  // path of the socket; `base` is then http://localhost

  // `text` is http://..., https://... or unix://...; errors say what is wrong with it, and begin
  // with `source`: the parameter or setting it comes from.
  static Result<Address> Parse(std::string_view text, std::string_view source = "vaultAddress");
};

class Options final : public ProviderOptions {
 public:
  std::string LoginText() const override;
  std::string CredentialDigest(const Identity& identity) const override;
  std::vector<std::pair<std::string, std::string>> Explain() const override;
  std::vector<NeededSetting> NeededSettings() const override;

  // Base URL and namespace; also SecretRef::endpoint.
  std::string Endpoint() const;

  AuthMethod method = AuthMethod::kKubernetes;
  std::string address_text;  // as configured
  // The parameter or setting that it comes from, for messages; `mount_source` likewise.
  std::string address_source = "vaultAddress";
  Address address;
  std::string read_namespace;
  std::string login_namespace;  // equals read_namespace unless `nodekeep/authNamespace` is given
  std::string mount;
  std::string mount_source = "vaultAuthMountPath";
  std::string role;
  std::string audience;  // never empty where the method takes a token of the pod
  bool audience_named = false;  // by the class; else a token for the default audience will do too
  std::shared_ptr<const TlsSettings> tls;
  // Credentials of the node; empty when the class may not use them (see VaultSettings).
  std::string token_file;
  std::string approle_role_id;
  std::string approle_secret_id_file;
  // Whether address and trust settings are those of the node's configuration.
  bool at_node_server = false;
  std::vector<std::string> redirect_hosts;  // see VaultSettings
  // Why the node's credentials, or a client certificate as login, are withheld; "" = they are not.
  std::string node_credentials_withheld;
  // The paths that are missing in nodeCredentialPaths.
  std::vector<std::string> unlisted_paths;
};

// Parses the parameters of a class into options and refs. Pure.
Result<ParsedMount> ParseMount(const SpcInput& input, const VaultSettings& settings);

// "refuse" or "text", as nodekeep/nullValues and the setting nullValues spell it; nullopt for any
// other text.
std::optional<NullValues> NullValuesOf(std::string_view text);

// The API path for what the user wrote, such as "/v1/secret/data/app?version=3": a missing "/v1/"
// is added, the path is cleaned, the query sorted. Errors: a path that leaves /v1/, a bad query;
// they begin with `source`, where the path comes from.
Result<std::string> ApiPath(std::string_view secret_path, std::string_view source = "secretPath");

}  // namespace nodekeep::vault
