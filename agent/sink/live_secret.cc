#include "agent/sink/live_secret.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/sink/secret_object.h"

namespace nodekeep {
namespace {

constexpr std::size_t kMaxManagerSize = 128;
// Of a node's and of a class's name in a manager: "nodekeep:", "/" and both fit.
constexpr std::size_t kMaxMarkSize = 59;
constexpr std::size_t kDigestSize = 16;
constexpr std::string_view kTokenType = "kubernetes.io/service-account-token";

// nullptr if `object` is null or has no such member.
const Json* Member(const Json* object, std::string_view name) {
  return object == nullptr ? nullptr : Find(*object, {name});
}

// The value at `path`; nullptr if there is none.
const Json* At(const Json& object, const std::vector<std::string_view>& path) {
  const Json* at = &object;
  for (const std::string_view name : path) at = Member(at, name);
  return at;
}

bool IsSubset(const Json* part, const Json* whole) {
  if (part == nullptr) return true;
  for (const auto& member : part->object_range()) {
    const Json* other = Member(whole, member.key());
    if (other == nullptr || TextOf(*other) != TextOf(member.value())) return false;
  }
  return true;
}

// Every member of `part` is one of `whole`, whatever its value.
bool HasOnly(const Json* part, const Json* whole) {
  if (part == nullptr) return true;
  const auto members = part->object_range();
  return std::all_of(members.begin(), members.end(), [whole](const auto& member) {
    return Member(whole, member.key()) != nullptr;
  });
}

// True if each member of `object` is listed under `path` in one of `fields`.
bool AreFields(const Json* object, const std::vector<const Json*>& fields,
               std::initializer_list<std::string_view> path) {
  if (object == nullptr) return true;
  for (const auto& member : object->object_range()) {
    const std::string name = fmt::format("f:{}", std::string_view(member.key()));
    const bool is_held = std::any_of(fields.begin(), fields.end(), [&](const Json* entry) {
      return Member(Find(*entry, path), name) != nullptr;
    });
    if (!is_held) return false;
  }
  return true;
}

bool NamesOwner(const Json& fields, const OwnerReference& owner) {
  const std::string key = fmt::format("k:{{\"uid\":\"{}\"}}", owner.uid);
  return Find(fields, {"f:metadata", "f:ownerReferences", key}) != nullptr;
}

Json Named(const std::string& name) {
  Json body;
  body["apiVersion"] = "v1";
  body["kind"] = "Secret";
  body["metadata"]["name"] = name;
  return body;
}

Json ToJson(const std::map<std::string, std::string>& map) {
  Json object(jsoncons::json_object_arg);
  for (const auto& [name, value] : map) object[name] = value;
  return object;
}

constexpr std::string_view kContentPrefix = "nodekeep/";
constexpr std::string_view kClaimPrefix = "nodekeep:";

bool IsContentManager(std::string_view manager) {
  return manager == kOldContentManager || manager.starts_with(kContentPrefix);
}

bool IsClaimManager(std::string_view manager) { return manager.starts_with(kClaimPrefix); }

// The mark of the class of a claim manager; nullopt for those of earlier releases.
std::optional<std::string_view> ClassOfClaim(std::string_view manager) {
  const std::size_t slash = manager.find('/');
  if (!IsClaimManager(manager) || slash == std::string_view::npos) return std::nullopt;
  return manager.substr(slash + 1);
}

// '~' occurs in no name, so that no shortened name is that of another object.
std::string Shortened(std::string_view name, char mark, std::size_t limit) {
  if (name.size() <= limit) return std::string(name);
  return fmt::format("{}{}{}", name.substr(0, limit - kDigestSize - 1), mark,
                     Sha256Hex(name).substr(0, kDigestSize));
}

// Copies those members of `from` that are listed under `path` in one of `fields`.
Json Managed(const Json* from, const std::vector<const Json*>& fields,
             std::initializer_list<std::string_view> path) {
  Json managed(jsoncons::json_object_arg);
  if (from == nullptr || !from->is_object()) return managed;
  for (const auto& member : from->object_range()) {
    const std::string name = fmt::format("f:{}", std::string_view(member.key()));
    for (const Json* entry : fields) {
      if (Member(Find(*entry, path), name) != nullptr) managed[member.key()] = member.value();
    }
  }
  return managed;
}

}  // namespace

std::string ClassMark(std::string_view class_name) {
  return Shortened(class_name, '~', kMaxMarkSize);
}

std::string ContentManager(std::string_view class_mark) {
  return fmt::format("{}{}", kContentPrefix, class_mark);
}

std::string ClaimManager(std::string_view node_name, std::string_view class_mark) {
  return fmt::format("{}{}/{}", kClaimPrefix, Shortened(node_name, '~', kMaxMarkSize), class_mark);
}

std::string OldClaimManager(std::string_view node_name) {
  std::string name = fmt::format("{}{}", kClaimPrefix, node_name);
  if (name.size() <= kMaxManagerSize) return name;
  return fmt::format("{}.{}", name.substr(0, kMaxManagerSize - kDigestSize - 1),
                     Sha256Hex(node_name).substr(0, kDigestSize));
}

Json ContentBody(const KubeSecret& secret, const std::vector<OwnerReference>& owners) {
  Json body = Named(secret.name);
  Json& metadata = body["metadata"];
  metadata["labels"] = ToJson(secret.labels);
  if (!secret.annotations.empty()) metadata["annotations"] = ToJson(secret.annotations);
  if (!owners.empty()) metadata["ownerReferences"] = ToJson(owners);
  body["type"] = secret.type;
  for (const auto& [key, value] : secret.data) body["data"][key] = Base64Encode(value.Reveal());
  return body;
}

Json ClaimBody(const std::string& name, const std::string& uid,
               const std::vector<OwnerReference>& owners) {
  Json body = Named(name);
  body["metadata"]["uid"] = uid;
  if (!owners.empty()) body["metadata"]["ownerReferences"] = ToJson(owners);
  return body;
}

std::string LiveSecret::uid() const {
  return TextOf(Find(object_, {"metadata", "uid"})).value_or("");
}

std::string LiveSecret::resource_version() const {
  return TextOf(Find(object_, {"metadata", "resourceVersion"})).value_or("");
}

std::string LiveSecret::type() const { return TextOf(Find(object_, {"type"})).value_or("Opaque"); }

bool LiveSecret::is_immutable() const { return BoolOf(Find(object_, {"immutable"})) == true; }

bool LiveSecret::IsMirror() const {
  return TextOf(Find(object_, {"metadata", "labels", kManagedLabel})) == "true" ||
         !FieldsOf(IsContentManager).empty();
}

bool LiveSecret::IsOfferedForAdoption() const {
  return TextOf(Find(object_, {"metadata", "annotations", kAdoptAnnotation})) == "true";
}

bool LiveSecret::IsKept() const {
  const std::optional<std::string> policy =
      TextOf(Find(object_, {"metadata", "annotations", kDeletionPolicyAnnotation}));
  return policy && policy != "Delete";
}

bool LiveSecret::HasForeignMaker() const {
  const Json* entries = Find(object_, {"metadata", "managedFields"});
  if (entries == nullptr || !entries->is_array()) return false;
  return std::any_of(entries->array_range().begin(), entries->array_range().end(),
                     [](const Json& entry) {
                       const std::string manager = TextOf(Find(entry, {"manager"})).value_or("");
                       return !IsContentManager(manager) && !IsClaimManager(manager) &&
                              Find(entry, {"fieldsV1", "f:type"}) != nullptr;
                     });
}

bool LiveSecret::Holds(const Json& body, std::string_view manager) const {
  const Json own = ContentOf(manager);
  return type() == TextOf(Find(body, {"type"})) &&
         IsSubset(Find(body, {"data"}), Find(object_, {"data"})) &&
         ExtraKeys(body, manager).empty() &&
         IsSubset(Find(body, {"metadata", "labels"}), Find(object_, {"metadata", "labels"})) &&
         IsSubset(Find(body, {"metadata", "annotations"}),
                  Find(object_, {"metadata", "annotations"})) &&
         HasOnly(Find(own, {"metadata", "labels"}), Find(body, {"metadata", "labels"})) &&
         HasOnly(Find(own, {"metadata", "annotations"}), Find(body, {"metadata", "annotations"}));
}

bool LiveSecret::IsUntouched(const Json& body, std::string_view manager) const {
  const std::vector<const Json*> fields = FieldsOf(manager);
  const std::vector<OwnerReference> owners = OwnersIn(fields);
  return AreFields(Find(body, {"data"}), fields, {"f:data"}) &&
         AreFields(Find(body, {"metadata", "labels"}), fields, {"f:metadata", "f:labels"}) &&
         AreFields(Find(body, {"metadata", "annotations"}), fields,
                   {"f:metadata", "f:annotations"}) &&
         owners == OwnersOf(body);
}

std::vector<std::string> LiveSecret::ExtraKeys(const Json& body, std::string_view manager) const {
  std::vector<std::string> extra;
  const Json* data = Find(object_, {"data"});
  // The token controller of Kubernetes adds keys to Secrets of this type.
  if (data == nullptr || !data->is_object() || type() == kTokenType) return extra;
  const std::vector<const Json*> others = FieldsOf([manager](std::string_view other) {
    return other.starts_with(kContentPrefix) && other != manager;
  });
  if (!others.empty()) return extra;
  const Json kept = Managed(data, FieldsOf(kOldContentManager), {"f:data"});
  for (const auto& member : data->object_range()) {
    const bool is_wanted = Find(body, {"data", member.key()}) != nullptr;
    if (!is_wanted && !kept.contains(member.key())) extra.emplace_back(member.key());
  }
  return extra;
}

std::optional<std::string> LiveSecret::Text(const std::vector<std::string_view>& path) const {
  return TextOf(At(object_, path));
}

std::map<std::string, std::string> LiveSecret::AnnotationsWith(std::string_view prefix) const {
  std::map<std::string, std::string> found;
  const Json* annotations = Find(object_, {"metadata", "annotations"});
  if (annotations == nullptr || !annotations->is_object()) return found;
  for (const auto& member : annotations->object_range()) {
    const std::string_view name = member.key();
    if (name.starts_with(prefix)) found.emplace(name, TextOf(member.value()).value_or(""));
  }
  return found;
}

bool LiveSecret::Manages(std::string_view manager,
                         const std::vector<std::string_view>& path) const {
  const std::vector<const Json*> fields = FieldsOf(manager);
  return std::any_of(fields.begin(), fields.end(),
                     [&](const Json* entry) { return At(*entry, path) != nullptr; });
}

bool LiveSecret::HasManagers() const {
  const Json* entries = Find(object_, {"metadata", "managedFields"});
  return entries != nullptr && entries->is_array() && !entries->empty();
}

std::vector<std::string> LiveSecret::ClassMarks() const {
  std::set<std::string> marks;
  (void)FieldsOf([&marks](std::string_view manager) {
    if (manager.starts_with(kContentPrefix)) marks.emplace(manager.substr(kContentPrefix.size()));
    return false;
  });
  return {marks.begin(), marks.end()};
}

Json LiveSecret::ContentOf(std::string_view manager) const {
  const std::vector<const Json*> fields = FieldsOf(manager);
  Json body = Named(TextOf(Find(object_, {"metadata", "name"})).value_or(""));
  Json& metadata = body["metadata"];
  metadata["labels"] =
      Managed(Find(object_, {"metadata", "labels"}), fields, {"f:metadata", "f:labels"});
  metadata["annotations"] =
      Managed(Find(object_, {"metadata", "annotations"}), fields, {"f:metadata", "f:annotations"});
  const std::vector<OwnerReference> owners = OwnersIn(fields);
  if (!owners.empty()) metadata["ownerReferences"] = ToJson(owners);
  if (Manages(manager, {"f:type"})) body["type"] = type();
  body["data"] = Managed(Find(object_, {"data"}), fields, {"f:data"});
  return body;
}

std::vector<OwnerReference> LiveSecret::OwnersNamedBy(std::string_view manager) const {
  return OwnersIn(FieldsOf(manager));
}

std::vector<OwnerReference> LiveSecret::OwnersOfClass(std::string_view class_mark,
                                                      std::string_view besides) const {
  return OwnersIn(FieldsOf([&](std::string_view manager) {
    return manager != besides && ClassOfClaim(manager) == class_mark;
  }));
}

bool LiveSecret::HasOldClaims(std::string_view besides) const {
  return !OwnersIn(FieldsOf([besides](std::string_view manager) {
            return manager != besides && IsClaimManager(manager) && !ClassOfClaim(manager);
          })).empty();
}

bool LiveSecret::HasOwnersBesides(const std::set<std::string>& managers) const {
  const auto is_one = [&managers](std::string_view manager) {
    return managers.contains(std::string(manager));
  };
  return OwnersIn(FieldsOf(is_one)) != owners() ||
         !OwnersIn(FieldsOf([&](std::string_view manager) { return !is_one(manager); })).empty();
}

std::vector<OwnerReference> LiveSecret::OwnersIn(const std::vector<const Json*>& fields) const {
  std::vector<OwnerReference> named;
  for (const OwnerReference& owner : owners()) {
    const bool is_named = std::any_of(fields.begin(), fields.end(), [&owner](const Json* entry) {
      return NamesOwner(*entry, owner);
    });
    if (is_named) named.push_back(owner);
  }
  return named;
}

std::vector<const Json*> LiveSecret::FieldsOf(const IsManager& is_manager) const {
  std::vector<const Json*> fields;
  const Json* entries = Find(object_, {"metadata", "managedFields"});
  if (entries == nullptr || !entries->is_array()) return fields;
  for (const Json& entry : entries->array_range()) {
    const Json* its_fields = Find(entry, {"fieldsV1"});
    const std::string manager = TextOf(Find(entry, {"manager"})).value_or("");
    if (its_fields != nullptr && is_manager(manager)) fields.push_back(its_fields);
  }
  return fields;
}

std::vector<const Json*> LiveSecret::FieldsOf(std::string_view manager) const {
  return FieldsOf([manager](std::string_view one) { return one == manager; });
}

}  // namespace nodekeep
