#pragma once

// A SecretProviderClass, parsed once from the JSON of the Kubernetes API.

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/json.h"
#include "agent/base/result.h"

namespace nodekeep {

struct SecretProviderClass {
  std::string namespace_name;
  std::string name;
  std::string uid;
  std::string provider;
  std::map<std::string, std::string> parameters;
  Json secret_objects;  // spec.secretObjects, not parsed; null = none
  std::map<std::string, std::string> annotations;
  std::string resource_version;

  std::string Text() const { return namespace_name + "/" + name; }
};

// The rule of secrets-store-csi-driver for `spec.provider`, which becomes the name of a socket: at
// most kMaxProviderName letters, digits, '-' and '_'.
inline constexpr std::size_t kMaxProviderName = 30;
bool IsProviderName(std::string_view name);

using ClassPtr = std::shared_ptr<const SecretProviderClass>;

// Errors are kInvalid and name the class and the field. Two keep the text of the upstream driver:
// "provider not set in ns/name", "parameters not set in ns/name" (docs/protocol/csi-driver.md,
// "Publish").
Result<SecretProviderClass> ReadSecretProviderClass(const Json& object);

}  // namespace nodekeep
