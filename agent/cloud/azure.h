#pragma once

// Microsoft Entra tokens, one function a source (docs/protocol/cloud-tokens.md,
// "Microsoft Entra tokens").
//
// Stateless and thread-safe; nothing is cached: the caller that logs in keeps the token. A resource
// is "https://management.azure.com/" or "https://vault.azure.net"; its scope is derived here.
// Errors name the source and the fix; see Exchange for their codes.

#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/environment.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/cloud/cloud_token.h"
#include "agent/http/http_client.h"

namespace nodekeep {

struct AzureCloud {
  std::string name;              // "AzureCloud", "AzureUSGovernment", "AzureChinaCloud"
  std::string authority;         // "https://login.microsoftonline.com"
  std::string resource_manager;  // "https://management.azure.com/"

  // Accepts every name in use, case-insensitively; null for an unknown name.
  static const AzureCloud* Find(std::string_view name);
};

// An application, or a user-assigned identity, of a tenant.
struct EntraApplication {
  std::string authority;
  std::string tenant_id;
  std::string client_id;
};

// Workload identity: `assertion` is a service account token of audience
// api://AzureADTokenExchange, or a certificate assertion. A new federated credential takes minutes
// to take effect: kTransient until then.
Result<CloudToken> EntraTokenByAssertion(const Context& context, HttpClient& http,
                                         const EntraApplication& application,
                                         const std::string& resource, const SecretBytes& assertion);
Result<CloudToken> EntraTokenBySecret(const Context& context, HttpClient& http,
                                      const EntraApplication& application,
                                      const std::string& resource, const SecretBytes& secret);
// An assertion for the application, signed with a certificate's key. `pem` contains both.
Result<SecretBytes> EntraCertificateAssertion(const EntraApplication& application,
                                              const SecretBytes& pem, WallTime now);

// Selects an identity of the machine; at most one id is set, none = the system-assigned identity.
struct ManagedIdentity {
  std::string client_id;
  std::string object_id;
};

// The AZURE_* and IDENTITY_* variables of this process.
struct AzureEnvironment {
  static AzureEnvironment From(const Environment& environment);

  std::string tenant_id;
  std::string client_id;
  SecretBytes client_secret;
  std::string client_certificate_file;  // PEM certificate and key; read at each call
  std::string federated_token_file;     // read at each call, because kubelet rotates it
  std::string authority;                // "" = the cloud's
  std::string cloud;                    // AZURE_ENVIRONMENT, AZURE_CLOUD; "" = not set
  std::string identity_endpoint;        // App Service, Container Apps; "" = none
  SecretBytes identity_header;
  std::string metadata_endpoint;  // never empty
};

// From the endpoint of App Service if there is one, else from the instance metadata service.
Result<CloudToken> ManagedIdentityToken(const Context& context, HttpClient& http,
                                        const AzureEnvironment& environment,
                                        const ManagedIdentity& identity,
                                        const std::string& resource);

// The cloud named by the environment, else the one from instance metadata, else the public one.
// kInvalid for an unknown name.
Result<AzureCloud> OwnAzureCloud(const Context& context, HttpClient& http,
                                 const AzureEnvironment& environment);

// The identity of this process: secret, certificate, federated token, managed identity. Only the
// first configured one is used; its failure is final, as with AWS.
Result<CloudToken> OwnAzureToken(const Context& context, HttpClient& http,
                                 const AzureEnvironment& environment, const AzureCloud& cloud,
                                 const std::string& resource, WallTime now);

}  // namespace nodekeep
