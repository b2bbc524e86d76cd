#pragma once

// Microsoft Entra tokens, one function a source (docs/protocol/cloud-tokens.md,
// "Microsoft Entra tokens").
//
// Stateless and thread-safe; each call asks anew, whoever logs in with a token keeps it. A resource
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

  // By any of the names in use, in either case; null for a name that is none.
  static const AzureCloud* Find(std::string_view name);
};

// An application, or a user-assigned identity, of a tenant.
struct EntraApplication {
  std::string authority;
  std::string tenant_id;
  std::string client_id;
};

// Workload identity: a service account token of audience api://AzureADTokenExchange, or an
// assertion by certificate. A federated credential that is new takes minutes to be known:
// kTransient then.
Result<CloudToken> EntraTokenByAssertion(const Context& context, HttpClient& http,
                                         const EntraApplication& application,
                                         const std::string& resource, const SecretBytes& assertion);
Result<CloudToken> EntraTokenBySecret(const Context& context, HttpClient& http,
                                      const EntraApplication& application,
                                      const std::string& resource, const SecretBytes& secret);
// The assertion by which a certificate's key proves the application. `pem` holds both.
Result<SecretBytes> EntraCertificateAssertion(const EntraApplication& application,
                                              const SecretBytes& pem, WallTime now);

// Which identity of the machine; at most one id is set, none = the system-assigned one.
struct ManagedIdentity {
  std::string client_id;
  std::string object_id;
};

// What AZURE_* and IDENTITY_* variables say of this process.
struct AzureEnvironment {
  static AzureEnvironment From(const Environment& environment);

  std::string tenant_id;
  std::string client_id;
  SecretBytes client_secret;
  std::string client_certificate_file;  // PEM certificate and key; read at each call
  std::string federated_token_file;     // read at each call: kubelet replaces it
  std::string authority;                // "" = the cloud's
  std::string cloud;                    // AZURE_ENVIRONMENT, AZURE_CLOUD; "" = not said
  std::string identity_endpoint;        // App Service, Container Apps; "" = none
  SecretBytes identity_header;
  std::string metadata_endpoint;  // never empty
};

// From the endpoint of App Service if there is one, else from the instance metadata service.
Result<CloudToken> ManagedIdentityToken(const Context& context, HttpClient& http,
                                        const AzureEnvironment& environment,
                                        const ManagedIdentity& identity,
                                        const std::string& resource);

// The cloud that the environment names, else the one the machine says it is in, else the public
// one. kInvalid for a name that is none.
Result<AzureCloud> OwnAzureCloud(const Context& context, HttpClient& http,
                                 const AzureEnvironment& environment);

// The identity of this process: secret, certificate, federated token, managed identity. The first
// that is configured decides; its failure is final, as with AWS.
Result<CloudToken> OwnAzureToken(const Context& context, HttpClient& http,
                                 const AzureEnvironment& environment, const AzureCloud& cloud,
                                 const std::string& resource, WallTime now);

}  // namespace nodekeep
