#pragma once

// Akeyless: the SecretProviderClass dialect of the `akeyless` provider, its logins and its reads.
// README.md lists the parameters and the differences from the upstream provider.

#include <memory>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/environment.h"
#include "agent/base/log.h"
#include "agent/base/secret_bytes.h"
#include "agent/base/shared_resource.h"
#include "agent/base/thread_guard.h"
#include "agent/http/http_client.h"
#include "agent/secrets/policy.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

inline constexpr std::size_t kMaxFallbackGateways = 8;

// Settings of the node's configuration; a SecretProviderClass overrides all but the last two
// groups.
struct AkeylessSettings {
  std::string gateway = "https://api.akeyless.io";  // base URL; a path prefix is kept
  // Tried in this order while `gateway` is down; at most kMaxFallbackGateways, also of a class.
  std::vector<std::string> fallback_gateways;
  std::string access_type;                          // "" = unset: access_key
  std::string access_id;
  std::string azure_object_id;
  std::string gcp_audience;
  std::string k8s_auth_config;
  std::string k8s_gateway;  // `gateway-url` of k8s logins, by ConfigurationUrl; "" = not sent
  std::string sts_region;   // of the signed request of aws_iam; see AwsIdentity
  std::string sts_endpoint;
  TlsSettings tls;

  // Credentials of the node, for classes without credentials of their own.
  std::shared_ptr<const SecretBytes> access_key;      // null = none
  std::shared_ptr<const SecretBytes> uid_init_token;  // null = none
  // For access type k8s as the agent: a token of the agent's own service account, read at each
  // login; "" = none. Use a dedicated audience: the receiver of a token with the API server's
  // audience can act as the agent at the API server.
  std::string service_account_token_file;
  std::string jwt_file;   // for access type jwt; read at each login; "" = the pod's token
  std::string cert_file;  // for access type cert: PEM certificate and key of the node
  std::string cert_key_file;
  std::string uid_token_directory;
  // Base URLs that the node's identity (the above, its cloud identity, its service account token)
  // may be sent to besides `gateway` and `fallback_gateways`; "*" = any. Without this list, the
  // author of a class could name a gateway that collects the node's credentials.
  std::vector<std::string> node_identity_gateways;

  // Bodies contain tokens and values: http:// is refused unless this or the class allows it.
  bool allow_plain_http = false;
  // Log in as upstream does: every method in turn, whatever the class says
  // (docs/protocol/secret-provider-class.md, "akeyless login").
  bool legacy_probing = false;
  // Asserts that the account's access rules depend on namespace and service account only, not on
  // the pod: a login with a pod's token may then serve all pods of its service account.
  bool share_by_service_account = false;

  // The cloud SDKs' environment variables, for the node's cloud identity.
  Environment environment = ProcessEnvironment();
  ExceptionReporter on_exception{};  // for the provider's threads
  RefusalReporter on_refusal{};      // of the provider's own queue
  // Universal identities that are kept; null = without a limit. Must outlive the provider.
  SharedResource* identities = nullptr;
  Logger* log = nullptr;  // null = nothing is logged; must outlive the provider
  // HMAC key for versions of answers that have none of their own; empty = random per process.
  SecretBytes version_key;
  Duration timeout = std::chrono::seconds(30);  // of one request to a gateway
  Policy policy;
};

// `http` and `clock` must outlive the provider.
Provider MakeAkeylessProvider(AkeylessSettings settings, HttpClient& http, const Clock& clock);

}  // namespace nodekeep
