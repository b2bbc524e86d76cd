#pragma once

// The typed options of logins and reads, parsed from a SecretProviderClass.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/http/http_client.h"
#include "agent/secrets/provider.h"
#include "providers/akeyless/akeyless.h"
#include "providers/akeyless/cloud_login.h"

namespace nodekeep::akeyless {

// Keys of the Secret that nodePublishSecretRef names. The first is upstream's; the first two may
// also be parameters.
inline constexpr std::string_view kAccessKeySecret = "akeylessAccessKey";
inline constexpr std::string_view kUidInitTokenSecret = "akeylessUIDInitToken";
inline constexpr std::string_view kCertSecret = "akeylessCert";        // PEM, with chain
inline constexpr std::string_view kCertKeySecret = "akeylessCertKey";  // PEM

struct Gateway {
  std::string base;  // as written, without final slashes: commands are appended as "/<command>"
  // Why it cannot be called; "" = it can. Reported by the login, not by Parse, because upstream
  // accepts any text.
  std::string problem;
  // Why the node's own identity must not be sent there; "" = it may.
  std::string node_identity_withheld;
  bool unlisted = false;  // withheld only because nodeIdentityGateways does not list it
};

class Options final : public ProviderOptions {
 public:
  std::string LoginText() const override;
  std::string CredentialDigest(const Identity& identity) const override;
  bool SendsPodToken() const override;
  std::vector<std::pair<std::string, std::string>> Explain() const override;
  std::vector<NeededSetting> NeededSettings() const override;

  // The gateways' URLs, joined by commas; also SecretRef::endpoint.
  std::string Endpoint() const;

  // A credential, empty = none; `of_node`: from the node's configuration, hence only for gateways
  // that may receive the node's identity.
  struct Key {
    std::string_view text;
    bool of_node = false;
  };
  // From the class, else from the Secret that nodePublishSecretRef names (AddCredentials puts the
  // first before the second), else from the node.
  Key AccessKey(const Identity& identity) const;
  Key UidInitToken(const Identity& identity) const;
  // PEM texts from that Secret, else `of_node`: cert_file and cert_key_file.
  struct KeyPair {
    std::string_view certificate;
    std::string_view key;
    bool of_node = false;
  };
  KeyPair CertKeyPair(const Identity& identity) const;

  std::vector<Gateway> gateways;  // in the order to try; never empty
  std::string type_text;          // verbatim, for messages and --explain
  // Methods to log in with, in order. One, unless upstream's probing applies
  // (docs/protocol/secret-provider-class.md, "akeyless login"): the type is unknown, or neither
  // class nor node names one and access_key fails, or the operator has set legacyProbing. A method
  // without its inputs is skipped; a cloud identity of the node that the operator has not
  // configured is never one of several.
  std::vector<AccessType> login_order;
  std::string access_id;
  std::string azure_object_id;
  std::string gcp_audience;  // "" = akeyless.io
  std::string k8s_auth_config;
  std::string k8s_gateway;  // which gateway reviews the token of a k8s login; "" = not set
  // Why that gateway must not review the agent's own token, and why the node's AWS identity must
  // not be signed for the STS in `cloud`; "" = allowed.
  std::string k8s_gateway_withheld;
  std::string sts_withheld;
  CloudLogin cloud;
  // `akeylessAuthAs: pod`: the login uses the pod's token instead of the agent's credentials.
  // Never together with probing.
  bool as_pod = false;
  std::string audience;  // of the pod's token; "" = the API server's
  bool share_by_service_account = false;
  std::shared_ptr<const TlsSettings> tls;

  // Whether the class contains one in clear text; for `get --explain`.
  bool access_key_in_class = false;
  bool uid_init_token_in_class = false;
  std::shared_ptr<const SecretBytes> node_access_key;      // null = none
  std::shared_ptr<const SecretBytes> node_uid_init_token;  // null = none
  std::string uid_token_directory;                         // "" = newest tokens in memory only
  std::string service_account_token_file;
  std::string jwt_file;
  std::string cert_file;
  std::string cert_key_file;

  // Keys of the class that have no effect: name, explanation; for `get --explain`.
  std::vector<std::pair<std::string, std::string>> without_effect;
};

// Parses the parameters of a class into options and refs. Pure.
Result<ParsedMount> ParseMount(const SpcInput& input, const AkeylessSettings& settings);

// The configuration URL of a gateway, which is its API's URL without "/api/v2" at the end.
// kInvalid when it is not a URL.
Result<std::string> ConfigurationUrl(std::string url);

}  // namespace nodekeep::akeyless
