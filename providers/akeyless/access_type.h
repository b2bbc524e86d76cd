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

inline constexpr AccessType kAccessTypes[] = {
    AccessType::kAccessKey, AccessType::kAwsIam, AccessType::kAzureAd,
    AccessType::kGcp,       AccessType::kK8s,    AccessType::kUniversalIdentity,
    AccessType::kJwt,       AccessType::kCert};

// As `akeylessAccessType` and the API spell it: "access_key".
std::string_view AccessTypeName(AccessType type);
// The inverse; also accepts "api_key", the name of access_key in Akeyless's tools. nullopt for an
// unknown type.
std::optional<AccessType> KnownType(std::string_view text);
// Whether the login uses a cloud identity (AWS, Azure or Google).
bool IsCloud(AccessType type);

}  // namespace nodekeep::akeyless
