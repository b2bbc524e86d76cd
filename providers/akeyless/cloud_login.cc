#include "providers/akeyless/cloud_login.h"

#include <fmt/format.h>

#include "agent/base/utf8.h"
#include "agent/cloud/pod_login.h"
#include "agent/http/origin.h"
#include "agent/secrets/spc_reader.h"

namespace nodekeep::akeyless {
namespace {

Error Invalid(std::string_view parameter, std::string_view message) {
  return Error::Format(ErrorCode::kInvalid, "parameter {}: {}", parameter, message);
}

struct PodParameter {
  std::string_view name;
  AccessType type;
  std::string CloudLogin::*field;
  bool (*valid)(std::string_view);
  std::string_view wanted;
  bool required;
};

constexpr PodParameter kPodParameters[] = {
    {kAwsRoleArn, AccessType::kAwsIam, &CloudLogin::aws_role_arn, IsAwsRoleArn,
     "the role to assume: arn:aws:iam::<account>:role/<name>", true},
    {kAwsRegion, AccessType::kAwsIam, &CloudLogin::aws_region, IsAwsRegion,
     "a region such as eu-west-1", false},
    {kAzureClientId, AccessType::kAzureAd, &CloudLogin::azure_client_id, IsAzureId,
     "the client id of the application or identity", true},
    {kAzureTenantId, AccessType::kAzureAd, &CloudLogin::azure_tenant_id, IsAzureId,
     "the tenant's id", false},
    {kGcpProvider, AccessType::kGcp, &CloudLogin::gcp_provider, IsGcpProvider, kGcpProviderForm,
     true},
    {kGcpServiceAccount, AccessType::kGcp, &CloudLogin::gcp_service_account, IsGcpServiceAccount,
     "the service account to impersonate: <name>@<project>.iam.gserviceaccount.com", true},
};

Status ReadPodParameters(const SpcParameters& parameters, std::optional<AccessType> type,
                         bool as_pod, CloudLogin& login) {
  for (const PodParameter& parameter : kPodParameters) {
    const std::string value = parameters.Get(parameter.name);
    const bool wanted = as_pod && type == parameter.type;
    if (value.empty()) {
      if (!wanted || !parameter.required) continue;
      return Invalid(parameter.name, fmt::format("missing: akeylessAuthAs pod with {} needs {}",
                                                 AccessTypeName(parameter.type), parameter.wanted));
    }
    if (!wanted) {
      return Invalid(parameter.name,
                     fmt::format("goes with akeylessAccessType {} and akeylessAuthAs pod: the "
                                 "identity would be the node's, or of another kind",
                                 AccessTypeName(parameter.type)));
    }
    if (!parameter.valid(value)) {
      return Invalid(parameter.name,
                     fmt::format("\"{}\" is not {}", Excerpt(value), parameter.wanted));
    }
    login.*parameter.field = value;
  }
  return {};
}

}  // namespace

std::vector<std::pair<std::string_view, std::string>> CloudLogin::Parts() const {
  std::vector<std::pair<std::string_view, std::string>> parts = {
      {"sts region", sts_region},        {"sts endpoint", sts_endpoint},
      {"aws role", aws_role_arn},        {"aws region", aws_region},
      {"azure client", azure_client_id}, {"azure tenant", azure_tenant_id},
      {"gcp provider", gcp_provider},    {"gcp service account", gcp_service_account},
  };
  std::erase_if(parts, [](const auto& part) { return part.second.empty(); });
  return parts;
}

std::string StsProblem(const std::string& region, const std::string& endpoint) {
  if (!region.empty() && !IsAwsRegion(region)) {
    return fmt::format("\"{}\" is not a region such as eu-west-1", Excerpt(region));
  }
  if (endpoint.empty()) return "";
  HttpRequest request;
  request.url = endpoint;
  Result<Origin> origin = ParseOrigin(request);
  if (!origin.ok()) return origin.error().message();
  // The service replays the request at path "/", so only that path can be signed.
  std::string_view rest = std::string_view(endpoint).substr(origin->scheme.size() + 3);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (origin->scheme != "https" || rest.find_first_of("/?#") != std::string_view::npos) {
    return fmt::format("\"{}\" is not of the form https://<host>/", Excerpt(origin->text));
  }
  if (region.empty()) return "it needs the region to sign for";
  return "";
}

Result<CloudLogin> ReadCloudLogin(const SpcParameters& parameters, const AkeylessSettings& settings,
                                  std::optional<AccessType> type, bool as_pod) {
  CloudLogin login;
  login.sts_region = parameters.Get(kStsRegion);
  login.sts_endpoint = parameters.Get(kStsEndpoint);
  if (login.sts_region.empty() && login.sts_endpoint.empty()) {
    if (!type || *type == AccessType::kAwsIam) {
      login.sts_region = settings.sts_region;
      login.sts_endpoint = settings.sts_endpoint;
    }
  } else {
    const std::string_view said = login.sts_endpoint.empty() ? kStsRegion : kStsEndpoint;
    if (type && *type != AccessType::kAwsIam) {
      return Invalid(
          said, fmt::format("goes with akeylessAccessType aws_iam, not {}", AccessTypeName(*type)));
    }
    if (std::string problem = StsProblem(login.sts_region, login.sts_endpoint); !problem.empty()) {
      return Invalid(said, fmt::format("{}; {} and {} name the STS to sign for", problem,
                                       kStsRegion, kStsEndpoint));
    }
  }
  if (Status read = ReadPodParameters(parameters, type, as_pod, login); !read.ok()) {
    return read.error();
  }
  return login;
}

std::string TokenAudience(AccessType type, const CloudLogin& login) {
  switch (type) {
    case AccessType::kAwsIam: return std::string(kAwsPodAudience);
    case AccessType::kAzureAd: return std::string(kAzurePodAudience);
    case AccessType::kGcp: return GcpPodAudience(login.gcp_provider);
    // Akeyless expects the same audience of Google's identity tokens.
    case AccessType::kJwt: return "akeyless.io";
    // unverified: for k8s a gateway has the token reviewed without naming audiences, and such a
    // review accepts the API server's own.
    default: return "";
  }
}

}  // namespace nodekeep::akeyless
