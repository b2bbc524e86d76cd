#pragma once

// cloud-id: what proves a cloud identity to `/auth`, for the access types aws_iam, azure_ad and gcp
// (docs/protocol/akeyless-api.md, "Cloud identities").
//
// A cloud-id is a bearer credential that is valid for minutes (AWS: 15) to an hour: create one for
// each login and do not store it. It proves the identity of this process or, with a pod's token,
// that of the pod, without fallback to the node's. Errors begin with "cloud-id".

#include <string>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/environment.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/cloud/aws_credentials.h"
#include "agent/cloud/aws_environment.h"
#include "agent/cloud/azure.h"
#include "agent/cloud/gcp.h"
#include "agent/http/http_client.h"

namespace nodekeep::akeyless {

struct AwsIdentity {
  // Region and URL of the signed STS request. Both "" = the global host and us-east-1, which auth
  // methods expect by default (docs/protocol/akeyless-api.md, "Cloud id of AWS"), or the regional
  // host where the pod's region or AWS_REGION lies in another partition. A region without a URL
  // selects its regional host.
  std::string sts_region;
  std::string sts_url;
  // For a pod: its role, the region whose STS issues the role's credentials ("" = AWS_REGION), and
  // its token of audience sts.amazonaws.com; token null = this process.
  std::string role_arn;
  std::string region;
  const SecretBytes* pod_token = nullptr;
};

struct AzureIdentity {
  std::string object_id;  // a user-assigned identity of the machine; "" = the default chain
  // For a pod: its application, and its token of audience api://AzureADTokenExchange; token null =
  // this process.
  std::string tenant_id;  // "" = AZURE_TENANT_ID
  std::string client_id;
  const SecretBytes* pod_token = nullptr;
};

struct GcpIdentity {
  std::string audience;  // "" = "akeyless.io"
  // For a pod: the identity provider at which its token is exchanged, the service account to
  // impersonate, and the token; token null = this process.
  std::string provider;
  std::string service_account;
  const SecretBytes* pod_token = nullptr;
};

// Thread-safe. `http` and `clock` must outlive this object.
class CloudIds {
 public:
  CloudIds(HttpClient& http, const Clock& clock, const Environment& environment);

  Result<SecretBytes> Aws(const Context& context, const AwsIdentity& identity) const;
  Result<SecretBytes> Azure(const Context& context, const AzureIdentity& identity) const;
  Result<SecretBytes> Gcp(const Context& context, const GcpIdentity& identity) const;

 private:
  HttpClient& http_;
  const Clock& clock_;
  const AwsEnvironment aws_;
  const AzureEnvironment azure_;
  const GcpEnvironment gcp_;
};

// Builds the cloud-id from a signed STS GetCallerIdentity request, which the agent never sends.
// Pure.
Result<SecretBytes> AwsCloudId(const AwsCredentials& credentials, const std::string& sts_url,
                               const std::string& region, WallTime now);

}  // namespace nodekeep::akeyless
