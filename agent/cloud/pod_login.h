#pragma once

// Logs in to AWS, Azure and Google as a pod: the pod's service account token is exchanged for
// credentials of a role, an application or a service account. The cloud's trust policy determines
// which pod may use which identity.
//
// Stateless and thread-safe; nothing is cached, the caller keeps the result. Never falls back to
// the identity of the node. Errors name the identity and, for a refusal, which policy must allow
// the pod; see Exchange for their codes.

#include <string>
#include <string_view>

#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/cloud/aws_credentials.h"
#include "agent/cloud/aws_environment.h"
#include "agent/cloud/azure.h"
#include "agent/cloud/cloud_token.h"
#include "agent/cloud/gcp.h"
#include "agent/http/http_client.h"

namespace nodekeep {

// The audience that the cloud expects in a pod's token by default.
inline constexpr std::string_view kAwsPodAudience = "sts.amazonaws.com";
inline constexpr std::string_view kAzurePodAudience = "api://AzureADTokenExchange";
// The resource name of a workload identity federation provider; for a GKE provider, its pool.
std::string GcpPodAudience(std::string_view provider);

// Syntax checks for values of a class that become parts of host names, URLs and requests.
bool IsAwsRegion(std::string_view text);          // "eu-west-1"
bool IsAwsRoleArn(std::string_view text);         // "arn:aws:iam::<account>:role/<path and name>"
bool IsAzureId(std::string_view text);            // a GUID; for a tenant also one of its domains
bool IsGcpProvider(std::string_view text);        // see GcpFederation::audience
bool IsGcpServiceAccount(std::string_view text);  // an email address

// What IsGcpProvider accepts, for error texts.
inline constexpr std::string_view kGcpProviderForm =
    "//iam.googleapis.com/projects/<number>/locations/global/workloadIdentityPools/<pool>/"
    "providers/<provider>, or on GKE identitynamespace:<project>.svc.id.goog:"
    "https://container.googleapis.com/v1/projects/<project>/locations/<location>/clusters/<name>";

struct AwsPodLogin {
  std::string role_arn;
  std::string region;  // of STS; "" = AWS_REGION
};
// Calls STS at AWS_ENDPOINT_URL_STS of `environment` if that is set.
Result<AwsCredentials> AwsCredentialsForPod(const Context& context, HttpClient& http,
                                            const AwsEnvironment& environment,
                                            const AwsPodLogin& login, const SecretBytes& pod_token);

struct AzurePodLogin {
  std::string tenant_id;
  std::string client_id;
  std::string authority;  // of the cloud; the authority of the environment takes precedence
  std::string resource;   // for which the token is issued, such as "https://vault.azure.net"
};
Result<CloudToken> AzureTokenForPod(const Context& context, HttpClient& http,
                                    const AzureEnvironment& environment, const AzurePodLogin& login,
                                    const SecretBytes& pod_token);

struct GcpPodLogin {
  std::string provider;         // see GcpFederation::audience
  std::string service_account;  // email; "" = the federated identity itself
};
// Calls Google at the endpoints of `environment`, if set.
Result<CloudToken> GcpAccessTokenForPod(const Context& context, HttpClient& http,
                                        const GcpEnvironment& environment, const GcpPodLogin& login,
                                        const SecretBytes& pod_token);
// An identity token for `audience`. Needs a service account.
Result<CloudToken> GcpIdentityTokenForPod(const Context& context, HttpClient& http,
                                          const GcpEnvironment& environment,
                                          const GcpPodLogin& login, const SecretBytes& pod_token,
                                          const std::string& audience);

}  // namespace nodekeep
