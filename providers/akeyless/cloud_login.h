#pragma once

// Logins with a cloud identity (aws_iam, azure_ad, gcp): what the class says of them, and whose
// identity it is.
//
// The identity is the node's, or with `akeylessAuthAs: pod` the one that the cloud gives for the
// pod's service account token: a role that may be assumed with it (AWS), an application with a
// federated credential (Azure), a service account that may be impersonated (Google). The class may
// name any of them; the cloud's own trust policy decides.

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
  // aws_iam: region and URL of the request that is signed, and never sent by us; both "" = what
  // AwsIdentity says.
  std::string sts_region;
  std::string sts_endpoint;
  // Of the pod; all "" when the identity is the node's.
  std::string aws_role_arn;
  std::string aws_region;  // whose STS is asked for the role's credentials; "" = AWS_REGION
  std::string azure_client_id;
  std::string azure_tenant_id;  // "" = AZURE_TENANT_ID
  // "//iam.googleapis.com/projects/..." or GKE's "identitynamespace:<pool>:<provider>".
  std::string gcp_provider;
  std::string gcp_service_account;

  // Those that are set, by name: what tells one login from another.
  std::vector<std::pair<std::string_view, std::string>> Parts() const;
};

// The parameters it is read from.
inline constexpr std::string_view kStsRegion = "nodekeep/stsRegion";
inline constexpr std::string_view kStsEndpoint = "nodekeep/stsEndpoint";
inline constexpr std::string_view kAwsRoleArn = "nodekeep/awsRoleARN";
inline constexpr std::string_view kAwsRegion = "nodekeep/awsRegion";
inline constexpr std::string_view kAzureClientId = "nodekeep/azureClientID";
inline constexpr std::string_view kAzureTenantId = "nodekeep/azureTenantID";
inline constexpr std::string_view kGcpProvider = "nodekeep/gcpProvider";
inline constexpr std::string_view kGcpServiceAccount = "nodekeep/gcpServiceAccount";

// Pure. `type`: nothing when several are tried in turn. Errors: kInvalid, naming the
// parameter: one that is missing for the pod's login, that does not go with the type or with the
// node's identity (which nobody should get who asked for another), or that is not well-formed.
Result<CloudLogin> ReadCloudLogin(const SpcParameters& parameters, const AkeylessSettings& settings,
                                  std::optional<AccessType> type, bool as_pod);

// What the cloud expects of the pod's token, unless its administrator chose another.
std::string TokenAudience(AccessType type, const CloudLogin& login);

// Why STS requests cannot be signed for this region and URL; "" when they can.
std::string StsProblem(const std::string& region, const std::string& endpoint);

}  // namespace nodekeep::akeyless
