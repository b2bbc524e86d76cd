#include "providers/akeyless/access_type.h"

namespace nodekeep::akeyless {

std::string_view AccessTypeName(AccessType type) {
  switch (type) {
    case AccessType::kAccessKey: return "access_key";
    case AccessType::kAwsIam: return "aws_iam";
    case AccessType::kAzureAd: return "azure_ad";
    case AccessType::kGcp: return "gcp";
    case AccessType::kK8s: return "k8s";
    case AccessType::kUniversalIdentity: return "universal_identity";
    case AccessType::kJwt: return "jwt";
    case AccessType::kCert: return "cert";
  }
  return "";
}

std::optional<AccessType> KnownType(std::string_view text) {
  if (text == "api_key") return AccessType::kAccessKey;
  for (AccessType type : kAccessTypes) {
    if (text == AccessTypeName(type)) return type;
  }
  return std::nullopt;
}

bool IsCloud(AccessType type) {
  return type == AccessType::kAwsIam || type == AccessType::kAzureAd || type == AccessType::kGcp;
}

}  // namespace nodekeep::akeyless
