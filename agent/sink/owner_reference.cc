#include "agent/sink/owner_reference.h"

#include <algorithm>
#include <utility>

namespace nodekeep {

std::vector<OwnerReference> OwnersOf(const Json& object) {
  std::vector<OwnerReference> owners;
  const Json* references = Find(object, {"metadata", "ownerReferences"});
  if (references == nullptr || !references->is_array()) return owners;
  for (const Json& reference : references->array_range()) {
    OwnerReference owner;
    owner.api_version = TextOf(Find(reference, {"apiVersion"})).value_or("");
    owner.kind = TextOf(Find(reference, {"kind"})).value_or("");
    owner.name = TextOf(Find(reference, {"name"})).value_or("");
    owner.uid = TextOf(Find(reference, {"uid"})).value_or("");
    if (!owner.uid.empty()) owners.push_back(std::move(owner));
  }
  return Distinct(std::move(owners));
}

std::vector<OwnerReference> Distinct(std::vector<OwnerReference> owners) {
  std::stable_sort(owners.begin(), owners.end(),
                   [](const auto& a, const auto& b) { return a.uid < b.uid; });
  owners.erase(std::unique(owners.begin(), owners.end(),
                           [](const auto& a, const auto& b) { return a.uid == b.uid; }),
               owners.end());
  return owners;
}

Json ToJson(const std::vector<OwnerReference>& owners) {
  Json list(jsoncons::json_array_arg);
  for (const OwnerReference& owner : owners) {
    Json reference;
    reference["apiVersion"] = owner.api_version;
    reference["kind"] = owner.kind;
    reference["name"] = owner.name;
    reference["uid"] = owner.uid;
    list.push_back(std::move(reference));
  }
  return list;
}

}  // namespace nodekeep
