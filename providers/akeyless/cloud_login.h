#pragma once

// Parameters of logins with a cloud identity (aws_iam, azure_ad, gcp).
//
// The identity is the node's or, with `akeylessAuthAs: pod`, one obtained with the pod's service
// account token: a role to assume (AWS), an application with a federated credential (Azure), a
// service account to impersonate (Google). The class may name any of them; the cloud's trust policy
// decides.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "providers/akeyless/access_type.h"
#include "providers/akeyless/akeyless.h"

namespace nodekeep {
class SpcParameters;
}

namespace nodekeep::akeyless {

struct CloudLogin {
  // aws_iam: region and URL of the STS request that is signed but never sent; both "" = the
  // defaults of AwsIdentity.
  std::string sts_region;
  std::string sts_endpoint;
  // The pod's identity; all "" when the login uses the node's.
  std::string aws_role_arn;
  std::string aws_region;  // of the STS that issues the role's credentials; "" = AWS_REGION
  std::string azure_client_id;
  std::string azure_tenant_id;  // "" = AZURE_TENANT_ID
  // "//iam.googleapis.com/projects/..." or GKE's "identitynamespace:<pool>:<provider>".
  std::string gcp_provider;
  std::string gcp_service_account;

  // The fields that are set, by name: logins that differ in them are not shared.
  std::vector<std::pair<std::string_view, std::string>> Parts() const;
};

// The parameters of a SecretProviderClass.
inline constexpr std::string_view kStsRegion = "nodekeep/stsRegion";
inline constexpr std::string_view kStsEndpoint = "nodekeep/stsEndpoint";
inline constexpr std::string_view kAwsRoleArn = "nodekeep/awsRoleARN";
inline constexpr std::string_view kAwsRegion = "nodekeep/awsRegion";
inline constexpr std::string_view kAzureClientId = "nodekeep/azureClientID";
inline constexpr std::string_view kAzureTenantId = "nodekeep/azureTenantID";
inline constexpr std::string_view kGcpProvider = "nodekeep/gcpProvider";
inline constexpr std::string_view kGcpServiceAccount = "nodekeep/gcpServiceAccount";

// Pure. `type`: nullopt when several are tried in turn. Errors: kInvalid, naming a parameter that
//   - the pod's login needs and that is missing,
//   - does not belong to the type,
//   - selects a pod's identity while the login uses the node's (a class that names another
//     identity must not silently get the node's), or
//   - is malformed.
Result<CloudLogin> ReadCloudLogin(const SpcParameters& parameters, const AkeylessSettings& settings,
                                  std::optional<AccessType> type, bool as_pod);

// The audience that the cloud expects of the pod's token by default.
std::string TokenAudience(AccessType type, const CloudLogin& login);

// Why STS requests cannot be signed for this region and URL; "" when they can.
std::string StsProblem(const std::string& region, const std::string& endpoint);

}  // namespace nodekeep::akeyless
