#pragma once

// A SecretProviderClass as the driver needs it: a value, read once from the API's JSON.

#include <map>
#include <memory>
#include <string>

#include "agent/base/json.h"
#include "agent/base/result.h"

namespace nodekeep {

struct SecretProviderClass {
  std::string namespace_name;
  std::string name;
  std::string provider;
  std::map<std::string, std::string> parameters;
  Json secret_objects;  // spec.secretObjects as it stands; null = none
  std::map<std::string, std::string> annotations;
  std::string resource_version;

  std::string Text() const { return namespace_name + "/" + name; }
};

using ClassPtr = std::shared_ptr<const SecretProviderClass>;

// Errors are kInvalid and name the class and the field; those of csi.md 2.5 step 11 keep upstream's
// text: "provider not set in ns/name", "parameters not set in ns/name".
Result<SecretProviderClass> ReadSecretProviderClass(const Json& object);

}  // namespace nodekeep
