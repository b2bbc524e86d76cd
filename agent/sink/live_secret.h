#pragma once

// A Secret as the API server holds it, and who holds which part of it. Pure.
//
// The API server keeps, for each field, the managers that set it (metadata.managedFields). All
// agents write the content under one manager, kContentManager, so that a key that the class drops
// is dropped whoever drops it; each agent adds owner references under a manager of its node, so
// that none removes another's. Two nodes that name the same owner both hold it.

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/sink/kube_secret.h"
#include "agent/sink/owner_reference.h"

namespace nodekeep {

inline constexpr std::string_view kContentManager = "nodekeep";
// "nodekeep:<node>", in the 128 bytes that a manager's name may have.
std::string NodeManager(std::string_view node_name);

// What all agents apply under kContentManager. `owners` only for DeletionPolicy::kWithClass.
Json ContentBody(const KubeSecret& secret, const std::vector<OwnerReference>& owners);
// What one node applies under its own manager to the Secret of that uid; never makes a new one.
Json ClaimBody(const std::string& name, const std::string& uid,
               const std::vector<OwnerReference>& owners);

class LiveSecret {
 public:
  // `object`: the Secret, or only its metadata where the questions below need no more.
  explicit LiveSecret(Json object) : object_(std::move(object)) {}

  std::string uid() const;
  std::string resource_version() const;
  std::string type() const;
  bool is_immutable() const;
  std::vector<OwnerReference> owners() const { return OwnersOf(object_); }

  // Made by this project or by upstream's driver: by its label, or by who holds its fields.
  bool IsMirror() const;
  // Whoever made it lets us have it.
  bool IsOfferedForAdoption() const;
  // Its annotation says that it does not end with its pods.
  bool IsKept() const;
  // Somebody who is no agent of ours set the type: the one who made it.
  bool HasForeignMaker() const;

  // The type, data, labels and annotations of `body` (a ContentBody) are there, and no other data.
  bool Holds(const Json& body) const;
  // All fields of `body` are still as an agent wrote them: whoever changes a field takes it away
  // from kContentManager.
  bool IsUntouched(const Json& body) const;
  // Keys that are in the data and not in that of `body`.
  std::vector<std::string> ExtraKeys(const Json& body) const;

  // Owners that `manager` names, sorted by uid.
  std::vector<OwnerReference> OwnersNamedBy(std::string_view manager) const;
  // No owner is there but such as only `manager` names.
  bool IsOwnedThroughOnly(std::string_view manager) const;

 private:
  // The fields of all entries of `manager`.
  std::vector<const Json*> FieldsOf(std::string_view manager) const;

  Json object_;
};

}  // namespace nodekeep
