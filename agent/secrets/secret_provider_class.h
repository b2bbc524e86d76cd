#pragma once

// A SecretProviderClass, parsed once from the JSON of the Kubernetes API or of a manifest.

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/secrets/class_fault.h"

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

  // With its namespace, unless a manifest names none.
  std::string Text() const { return namespace_name.empty() ? name : namespace_name + "/" + name; }
};

// The rule of secrets-store-csi-driver for `spec.provider`, which becomes the name of a socket: at
// most kMaxProviderName letters, digits, '-' and '_'.
inline constexpr std::size_t kMaxProviderName = 30;
bool IsProviderName(std::string_view name);

using ClassPtr = std::shared_ptr<const SecretProviderClass>;

// Returns what could be read and adds every fault that keeps the class from being mounted. Unknown
// fields are ignored. Two faults have the text of the upstream driver: "provider not set in
// ns/name", "parameters not set in ns/name" (docs/protocol/csi-driver.md, "Publish").
SecretProviderClass ReadSecretProviderClass(const Json& object, std::vector<ClassFault>& faults);

// The class without faults. The error is the first fault: kInvalid, with the class and the field.
Result<SecretProviderClass> ReadSecretProviderClass(const Json& object);

}  // namespace nodekeep
