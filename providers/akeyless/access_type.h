#pragma once

// The ways to log in (docs/protocol/akeyless-api.md, "Login methods").

#include <optional>
#include <string_view>

namespace nodekeep::akeyless {

enum class AccessType {
  kAccessKey,
  kAwsIam,
  kAzureAd,
  kGcp,
  kK8s,
  kUniversalIdentity,
  kJwt,
  kCert
};

// As `akeylessAccessType` and the API spell it: "access_key".
std::string_view AccessTypeName(AccessType type);
// "api_key" is access_key's other name in Akeyless's tools; nothing for a text that is no type.
std::optional<AccessType> KnownType(std::string_view text);
// Whether the login proves an identity of AWS, Azure or Google.
bool IsCloud(AccessType type);

}  // namespace nodekeep::akeyless
