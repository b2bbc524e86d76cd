#include "providers/akeyless/cloud_id.h"

#include <string_view>
#include <utility>

#include "agent/base/codecs.h"
#include "agent/base/json.h"
#include "agent/cloud/aws_sources.h"
#include "agent/cloud/pod_login.h"
#include "agent/cloud/sigv4.h"

namespace nodekeep::akeyless {
namespace {

constexpr std::string_view kStsBody = "Action=GetCallerIdentity&Version=2011-06-15";
constexpr std::string_view kGlobalRegion = "us-east-1";
constexpr std::string_view kDefaultAudience = "akeyless.io";

SecretBytes Encoded(const SecretBytes& bytes) {
  return SecretBytes::MoveFrom(Base64Encode(bytes.Reveal()));
}

// The global STS host serves only its own partition.
bool IsOtherPartition(std::string_view region) {
  return region.starts_with("cn-") || region.starts_with("us-gov-") ||
         region.starts_with("us-iso") || region.starts_with("eu-isoe-");
}

struct StsTarget {
  std::string url;
  std::string region;
};

StsTarget TargetOf(const AwsIdentity& identity, const AwsEnvironment& environment) {
  StsTarget target;
  target.region = identity.sts_region;
  const std::string& home = identity.region.empty() ? environment.region : identity.region;
  if (target.region.empty() && IsOtherPartition(home)) target.region = home;
  target.url = !identity.sts_url.empty() ? identity.sts_url : AwsServiceUrl("sts", target.region);
  if (!target.url.ends_with('/')) target.url += '/';
  if (target.region.empty()) target.region = kGlobalRegion;
  return target;
}

Result<CloudToken> AzureTokenOf(const Context& context, HttpClient& http,
                                const AzureEnvironment& environment, const AzureIdentity& identity,
                                WallTime now) {
  Result<AzureCloud> cloud = OwnAzureCloud(context, http, environment);
  if (!cloud.ok()) return cloud.error();
  if (identity.pod_token != nullptr) {
    AzurePodLogin login{identity.tenant_id, identity.client_id, cloud->authority,
                        cloud->resource_manager};
    if (login.tenant_id.empty()) login.tenant_id = environment.tenant_id;
    if (login.tenant_id.empty()) {
      return Error(
          ErrorCode::kInvalid,
          "the tenant of the pod's application is not known: set nodekeep/azureTenantID in "
          "the class, or AZURE_TENANT_ID in the agent's environment");
    }
    return AzureTokenForPod(context, http, environment, login, *identity.pod_token);
  }
  if (!identity.object_id.empty()) {
    return ManagedIdentityToken(context, http, environment, {"", identity.object_id},
                                cloud->resource_manager);
  }
  return OwnAzureToken(context, http, environment, *cloud, cloud->resource_manager, now);
}

}  // namespace

CloudIds::CloudIds(HttpClient& http, const Clock& clock, const Environment& environment)
    : http_(http),
      clock_(clock),
      aws_(AwsEnvironment::From(environment)),
      azure_(AzureEnvironment::From(environment)),
      gcp_(GcpEnvironment::From(environment)) {}

Result<SecretBytes> CloudIds::Aws(const Context& context, const AwsIdentity& identity) const {
  Result<AwsCredentials> credentials =
      identity.pod_token == nullptr
          ? OwnAwsCredentials(context, http_, aws_)
          : AwsCredentialsForPod(context, http_, aws_, {identity.role_arn, identity.region},
                                 *identity.pod_token);
  if (!credentials.ok()) return credentials.error().Prepend("cloud-id for aws_iam");
  const StsTarget target = TargetOf(identity, aws_);
  return AwsCloudId(*credentials, target.url, target.region, clock_.Wall());
}

Result<SecretBytes> CloudIds::Azure(const Context& context, const AzureIdentity& identity) const {
  Result<CloudToken> token = AzureTokenOf(context, http_, azure_, identity, clock_.Wall());
  if (!token.ok()) return token.error().Prepend("cloud-id for azure_ad");
  return Encoded(token->token);
}

Result<SecretBytes> CloudIds::Gcp(const Context& context, const GcpIdentity& identity) const {
  const std::string audience(identity.audience.empty() ? kDefaultAudience : identity.audience);
  Result<CloudToken> token =
      identity.pod_token == nullptr
          ? OwnGcpIdentityToken(context, http_, gcp_, audience, clock_.Wall())
          : GcpIdentityTokenForPod(context, http_, gcp_,
                                   {identity.provider, identity.service_account},
                                   *identity.pod_token, audience);
  if (!token.ok()) return token.error().Prepend("cloud-id for gcp");
  return Encoded(token->token);
}

// The layout of the vendor's Go library since May 2026: Content-Length and Host are signed but not
// listed in the headers, because the client that replays the request sets them.
Result<SecretBytes> AwsCloudId(const AwsCredentials& credentials, const std::string& sts_url,
                               const std::string& region, WallTime now) {
  HttpRequest request;
  request.method = "POST";
  request.url = sts_url;
  request.body = SecretBytes(kStsBody);
  request.headers.push_back({"Content-Length", SecretBytes(std::to_string(kStsBody.size()))});
  request.headers.push_back({"Content-Type", SecretBytes("application/x-www-form-urlencoded")});
  if (Status done = SignV4(request, credentials, {region, "sts"}, now); !done.ok()) {
    return done.error().Prepend("cloud-id for aws_iam");
  }
  Json headers(jsoncons::json_object_arg);
  for (const HttpHeader& header : request.headers) {
    if (header.name == "Content-Length") continue;
    Json values(jsoncons::json_array_arg);
    values.push_back(std::string(header.value.Reveal()));
    headers[header.name] = std::move(values);
  }
  Json quoted(jsoncons::json_object_arg);
  quoted["sts_request_method"] = request.method;
  quoted["sts_request_url"] = Base64Encode(sts_url);
  quoted["sts_request_body"] = Base64Encode(kStsBody);
  quoted["sts_request_headers"] = Base64Encode(GoJson(headers).Reveal());
  return Encoded(GoJson(quoted));
}

}  // namespace nodekeep::akeyless
