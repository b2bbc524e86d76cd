#include "providers/akeyless/cloud_login.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "agent/http/origin.h"

namespace nodekeep::akeyless {
namespace {

using Attributes = std::map<std::string, std::string>;

constexpr std::string_view kGkePool = "identitynamespace:";
constexpr std::string_view kFederation = "//iam.googleapis.com/";

Error Invalid(std::string_view parameter, std::string_view message) {
  return Error::Format(ErrorCode::kInvalid, "parameter {}: {}", parameter, message);
}

std::string Get(const Attributes& attributes, std::string_view key) {
  auto found = attributes.find(std::string(key));
  return found == attributes.end() ? "" : found->second;
}

// It becomes a part of a host name.
bool IsRegion(std::string_view text) {
  constexpr std::size_t kLongest = 32;
  return !text.empty() && text.size() <= kLongest && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '-';
         });
}

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

// arn:<partition>:iam::<account>:role/<path and name>
bool IsRoleArn(std::string_view text) {
  const std::size_t iam = text.find(":iam::");
  const std::size_t role = text.find(":role/");
  return text.starts_with("arn:aws") && iam != std::string_view::npos &&
         role != std::string_view::npos && iam < role && !text.ends_with('/') && IsPrintable(text);
}

// A GUID, or for a tenant one of its domains.
bool IsAzureId(std::string_view text) {
  // Not "..", which a client would take for the directory above.
  return !text.empty() && std::isalnum(static_cast<unsigned char>(text.front())) != 0 &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.'; });
}

bool IsGcpProvider(std::string_view text) {
  if (!IsPrintable(text)) return false;
  if (text.starts_with(kFederation)) {
    return text.find("/workloadIdentityPools/") != std::string_view::npos &&
           text.find("/providers/") != std::string_view::npos;
  }
  return text.starts_with(kGkePool) && text.find(':', kGkePool.size()) != std::string_view::npos;
}

// Google service accounts, which are the only accounts that can be impersonated.
bool IsEmail(std::string_view text) {
  const std::size_t at = text.find('@');
  return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
         text.find('@', at + 1) == std::string_view::npos && IsPrintable(text);
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
    {kAwsRoleArn, AccessType::kAwsIam, &CloudLogin::aws_role_arn, IsRoleArn,
     "the role to assume: arn:aws:iam::<account>:role/<name>", true},
    {kAwsRegion, AccessType::kAwsIam, &CloudLogin::aws_region, IsRegion,
     "a region such as eu-west-1", false},
    {kAzureClientId, AccessType::kAzureAd, &CloudLogin::azure_client_id, IsAzureId,
     "the client id of the application or identity", true},
    {kAzureTenantId, AccessType::kAzureAd, &CloudLogin::azure_tenant_id, IsAzureId,
     "the tenant's id", false},
    {kGcpProvider, AccessType::kGcp, &CloudLogin::gcp_provider, IsGcpProvider,
     "//iam.googleapis.com/projects/<number>/locations/global/workloadIdentityPools/<pool>/"
     "providers/<provider>, or on GKE identitynamespace:<project>.svc.id.goog:"
     "https://container.googleapis.com/v1/projects/<project>/locations/<location>/clusters/<name>",
     true},
    {kGcpServiceAccount, AccessType::kGcp, &CloudLogin::gcp_service_account, IsEmail,
     "the service account to impersonate: <name>@<project>.iam.gserviceaccount.com", true},
};

Status ReadPodParameters(const Attributes& attributes, std::optional<AccessType> type, bool as_pod,
                         CloudLogin& login) {
  for (const PodParameter& parameter : kPodParameters) {
    const std::string value = Get(attributes, parameter.name);
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
      return Invalid(parameter.name, fmt::format("\"{}\" is not {}", value, parameter.wanted));
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

bool IsGkeProvider(std::string_view provider) { return provider.starts_with(kGkePool); }

std::string StsProblem(const std::string& region, const std::string& endpoint) {
  if (!region.empty() && !IsRegion(region)) {
    return fmt::format("\"{}\" is no region such as eu-west-1", region);
  }
  if (endpoint.empty()) return "";
  HttpRequest request;
  request.url = endpoint;
  Result<Origin> origin = ParseOrigin(request);
  if (!origin.ok()) return origin.error().message();
  // The service replays the request at "/", which is what is signed.
  std::string_view rest = std::string_view(endpoint).substr(origin->scheme.size() + 3);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (origin->scheme != "https" || rest.find_first_of("/?#") != std::string_view::npos) {
    return fmt::format("{} is not of the form https://<host>/", origin->text);
  }
  if (region.empty()) return "it needs the region that signs for it";
  return "";
}

Result<CloudLogin> ReadCloudLogin(const Attributes& attributes, const AkeylessSettings& settings,
                                  std::optional<AccessType> type, bool as_pod) {
  CloudLogin login;
  login.sts_region = Get(attributes, kStsRegion);
  login.sts_endpoint = Get(attributes, kStsEndpoint);
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
      return Invalid(said, fmt::format("{}; {} and {} name where the signature is good", problem,
                                       kStsRegion, kStsEndpoint));
    }
  }
  if (Status read = ReadPodParameters(attributes, type, as_pod, login); !read.ok()) {
    return read.error();
  }
  return login;
}

std::string TokenAudience(AccessType type, const CloudLogin& login) {
  switch (type) {
    case AccessType::kAwsIam: return "sts.amazonaws.com";
    case AccessType::kAzureAd: return "api://AzureADTokenExchange";
    case AccessType::kGcp: {
      // Of a federation the provider's name; of GKE the pool, the first part of three
      // (dialects.md 6.2).
      if (!IsGkeProvider(login.gcp_provider)) return login.gcp_provider;
      const std::string rest = login.gcp_provider.substr(kGkePool.size());
      return rest.substr(0, rest.find(':'));
    }
    // Akeyless expects it of Google's tokens as well.
    case AccessType::kJwt: return "akeyless.io";
    // k8s: a gateway has the token reviewed without naming audiences, as far as is known [I], and
    // such a review accepts the API server's own.
    default: return "";
  }
}

}  // namespace nodekeep::akeyless
