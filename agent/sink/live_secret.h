#pragma once

// A mirrored Secret as returned by the API server, and which field manager set which field. Pure.
//
// The API server records the managers of each field (metadata.managedFields). Two kinds are used:
//
//   nodekeep/<class>          content: all agents apply what a class sets under this manager, so
//                             that each of them can remove a key that is no longer in the class,
//                             and a class removes only what it has set itself
//   nodekeep:<node>/<class>   owners: each agent applies the owner references of the class's pods
//                             on its node, so that no agent removes those of another node or class
//
// If two managers set the same owner, or the same value, both manage it. Releases before classes
// could share a Secret had `nodekeep` and `nodekeep:<node>` for all classes.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/sink/kube_secret.h"
#include "agent/sink/owner_reference.h"

namespace nodekeep {

// The name of a class in managers: a long one is shortened and made unique by a digest, because the
// name of a manager is limited to 128 bytes.
std::string ClassMark(std::string_view class_name);
std::string ContentManager(std::string_view class_mark);
std::string ClaimManager(std::string_view node_name, std::string_view class_mark);

// The managers of earlier releases.
inline constexpr std::string_view kOldContentManager = "nodekeep";
std::string OldClaimManager(std::string_view node_name);

// The body that all agents apply under the ContentManager of a class. `owners` is for
// DeletionPolicy::kWithClass only.
Json ContentBody(const KubeSecret& secret, const std::vector<OwnerReference>& owners);
// The body that one node applies under a ClaimManager; without owners, it removes all that a
// manager has set. Because of the uid, the API server applies it to that Secret only and never
// creates one.
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

  // The Secret has the type, data, labels and annotations of `body` (a ContentBody), and nothing
  // that `manager` has set besides; no ExtraKeys.
  bool Holds(const Json& body, std::string_view manager) const;
  // `manager` still manages every field of `body`: a client that changes a field becomes its
  // manager in place of the one before.
  bool IsUntouched(const Json& body, std::string_view manager) const;
  // Data keys that are neither in the data of `body`, which `manager` applies, nor set by an
  // earlier release. None if other classes use the Secret as well: what another client has put in
  // place of a key of theirs is theirs to restore.
  std::vector<std::string> ExtraKeys(const Json& body, std::string_view manager) const;

  // The annotations whose names start with `prefix`.
  std::map<std::string, std::string> AnnotationsWith(std::string_view prefix) const;

  // The text at `path` of the Secret: {"metadata", "labels", "team"}.
  std::optional<std::string> Text(const std::vector<std::string_view>& path) const;

  // `manager` manages the field `path` of the Secret: {"f:data", "f:key"}.
  bool Manages(std::string_view manager, const std::vector<std::string_view>& path) const;
  // `manager` manages any field.
  bool HasFieldsOf(std::string_view manager) const { return !FieldsOf(manager).empty(); }
  // False for responses without managedFields.
  bool HasManagers() const;
  // The marks of the classes that set content, sorted.
  std::vector<std::string> ClassMarks() const;
  // All that `manager` has set, as a body to apply.
  Json ContentOf(std::string_view manager) const;

  // Owners that `manager` has set, sorted by uid.
  std::vector<OwnerReference> OwnersNamedBy(std::string_view manager) const;
  // Owners that the claim managers of a class have set, sorted by uid. Without those of the manager
  // `besides`.
  std::vector<OwnerReference> OwnersOfClass(std::string_view class_mark,
                                            std::string_view besides = "") const;
  // The claim manager of an earlier release, other than `besides`, has set an owner.
  bool HasOldClaims(std::string_view besides = "") const;
  // There is an owner that none of `managers` has set, or that another manager has set as well.
  bool HasOwnersBesides(const std::set<std::string>& managers) const;

 private:
  using IsManager = std::function<bool(std::string_view manager)>;
  // The fieldsV1 of all managedFields entries of such managers.
  std::vector<const Json*> FieldsOf(const IsManager& is_manager) const;
  std::vector<const Json*> FieldsOf(std::string_view manager) const;
  std::vector<OwnerReference> OwnersIn(const std::vector<const Json*>& fields) const;

  Json object_;
};

}  // namespace nodekeep
