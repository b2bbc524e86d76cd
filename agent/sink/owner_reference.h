#pragma once

// metadata.ownerReferences: the garbage collector deletes an object when all its owners are gone.

#include <string>
#include <vector>

#include "agent/base/json.h"

namespace nodekeep {

// Owners are compared by uid because names are reused. `controller` and `blockOwnerDeletion` are
// never set: a mirrored Secret has several equal owners, and must not delay their deletion.
struct OwnerReference {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;

  bool operator==(const OwnerReference&) const = default;
};

// The ownerReferences of an object, sorted by uid, without duplicates or entries without a uid.
std::vector<OwnerReference> OwnersOf(const Json& object);

// The same owners sorted by uid, without duplicates.
std::vector<OwnerReference> Distinct(std::vector<OwnerReference> owners);

Json ToJson(const std::vector<OwnerReference>& owners);

}  // namespace nodekeep
