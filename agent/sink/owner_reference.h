#pragma once

// metadata.ownerReferences: what must exist for a Secret to live on.

#include <string>
#include <vector>

#include "agent/base/json.h"

namespace nodekeep {

// An owner is who has that uid: a name may be given again (D11). The flags controller and
// blockOwnerDeletion are never set: a mirrored Secret has several equal owners, and must not hold
// up the deletion of any.
struct OwnerReference {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;

  bool operator==(const OwnerReference&) const = default;
};

// The ownerReferences of an object, sorted by uid, each uid once. Entries without uid are left out.
std::vector<OwnerReference> OwnersOf(const Json& object);

// The same owners sorted by uid, each uid once.
std::vector<OwnerReference> Distinct(std::vector<OwnerReference> owners);

Json ToJson(const std::vector<OwnerReference>& owners);

}  // namespace nodekeep
