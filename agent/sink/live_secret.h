#pragma once

// A mirrored Secret as returned by the API server, and which field manager set which field. Pure.
//
// The API server records the managers of each field (metadata.managedFields). All agents apply the
// content under one manager, kContentManager, so that each of them can remove a key that is no
// longer in the class. Each agent applies owner references under the manager of its node, so that
// no agent removes those of another node. If two nodes set the same owner, both manage it.

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/sink/kube_secret.h"
#include "agent/sink/owner_reference.h"

namespace nodekeep {

inline constexpr std::string_view kContentManager = "nodekeep";
// "nodekeep:<node>". A long node name is shortened and made unique by a digest, because a manager
// name is limited to 128 bytes.
std::string NodeManager(std::string_view node_name);

// The body that all agents apply under kContentManager. `owners` is for DeletionPolicy::kWithClass
// only.
Json ContentBody(const KubeSecret& secret, const std::vector<OwnerReference>& owners);
// The body that one node applies under its own manager. Because of the uid, the API server applies
// it to that Secret only and never creates one.
Json ClaimBody(const std::string& name, const std::string& uid,
               const std::vector<OwnerReference>& owners);

class LiveSecret {
 public:
  // `object`: the Secret, or only its metadata if only methods about metadata are used.
  explicit LiveSecret(Json object) : object_(std::move(object)) {}

  std::string uid() const;
  std::string resource_version() const;
  std::string type() const;
  bool is_immutable() const;
  std::vector<OwnerReference> owners() const { return OwnersOf(object_); }

  // Created by an agent or by the upstream driver, according to its label or field managers.
  bool IsMirror() const;
  // Its annotation permits the agents to adopt it.
  bool IsOfferedForAdoption() const;
  // Its annotation excludes it from deletion after its last pod.
  bool IsKept() const;
  // A manager other than the agents set the type, so that client created the Secret.
  bool HasForeignMaker() const;

  // The Secret has the type, data, labels and annotations of `body` (a ContentBody), and no other
  // data.
  bool Holds(const Json& body) const;
  // No other client has changed a field of `body` since an agent applied it: a client that changes
  // a field becomes its manager in place of kContentManager.
  bool IsUntouched(const Json& body) const;
  // Data keys that are not in the data of `body`.
  std::vector<std::string> ExtraKeys(const Json& body) const;

  // Owners that `manager` has set, sorted by uid.
  std::vector<OwnerReference> OwnersNamedBy(std::string_view manager) const;
  // `manager` has set all owners, and no other manager has set any.
  bool IsOwnedThroughOnly(std::string_view manager) const;

 private:
  // The fieldsV1 of all managedFields entries of `manager`.
  std::vector<const Json*> FieldsOf(std::string_view manager) const;

  Json object_;
};

}  // namespace nodekeep
