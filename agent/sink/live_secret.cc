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
constexpr std::string_view kTokenType = "kubernetes.io/service-account-token";

// nullptr if `object` is null or has no such member.
const Json* Member(const Json* object, std::string_view name) {
  return object == nullptr ? nullptr : Find(*object, {name});
}

bool IsSubset(const Json* part, const Json* whole) {
  if (part == nullptr) return true;
  for (const auto& member : part->object_range()) {
    const Json* other = Member(whole, member.key());
    if (other == nullptr || TextOf(*other) != TextOf(member.value())) return false;
  }
  return true;
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

bool IsOurManager(std::string_view manager) {
  return manager == kContentManager ||
         (manager.starts_with(kContentManager) && manager[kContentManager.size()] == ':');
}

}  // namespace

std::string NodeManager(std::string_view node_name) {
  std::string name = fmt::format("{}:{}", kContentManager, node_name);
  if (name.size() <= kMaxManagerSize) return name;
  const std::string mark = Sha256Hex(node_name).substr(0, 16);
  return fmt::format("{}.{}", name.substr(0, kMaxManagerSize - mark.size() - 1), mark);
}

Json ContentBody(const KubeSecret& secret, const std::vector<OwnerReference>& owners) {
  Json body = Named(secret.name);
  Json& metadata = body["metadata"];
  metadata["labels"] = ToJson(secret.labels);
  if (!secret.annotations.empty()) metadata["annotations"] = ToJson(secret.annotations);
  if (!owners.empty()) metadata["ownerReferences"] = ToJson(owners);
  body["type"] = secret.type;
  Json data(jsoncons::json_object_arg);
  for (const auto& [key, value] : secret.data) data[key] = Base64Encode(value.Reveal());
  body["data"] = std::move(data);
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
         !FieldsOf(kContentManager).empty();
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
                       return !IsOurManager(TextOf(Find(entry, {"manager"})).value_or("")) &&
                              Find(entry, {"fieldsV1", "f:type"}) != nullptr;
                     });
}

bool LiveSecret::Holds(const Json& body) const {
  return type() == TextOf(Find(body, {"type"})) &&
         IsSubset(Find(body, {"data"}), Find(object_, {"data"})) && ExtraKeys(body).empty() &&
         IsSubset(Find(body, {"metadata", "labels"}), Find(object_, {"metadata", "labels"})) &&
         IsSubset(Find(body, {"metadata", "annotations"}),
                  Find(object_, {"metadata", "annotations"}));
}

bool LiveSecret::IsUntouched(const Json& body) const {
  const std::vector<const Json*> fields = FieldsOf(kContentManager);
  const std::vector<OwnerReference> owners = OwnersNamedBy(kContentManager);
  return AreFields(Find(body, {"data"}), fields, {"f:data"}) &&
         AreFields(Find(body, {"metadata", "labels"}), fields, {"f:metadata", "f:labels"}) &&
         AreFields(Find(body, {"metadata", "annotations"}), fields,
                   {"f:metadata", "f:annotations"}) &&
         owners == OwnersOf(body);
}

std::vector<std::string> LiveSecret::ExtraKeys(const Json& body) const {
  std::vector<std::string> extra;
  const Json* data = Find(object_, {"data"});
  // The token controller of Kubernetes adds keys to Secrets of this type.
  if (data == nullptr || !data->is_object() || type() == kTokenType) return extra;
  for (const auto& member : data->object_range()) {
    if (Find(body, {"data", member.key()}) == nullptr) extra.emplace_back(member.key());
  }
  return extra;
}

std::vector<OwnerReference> LiveSecret::OwnersNamedBy(std::string_view manager) const {
  const std::vector<const Json*> fields = FieldsOf(manager);
  std::vector<OwnerReference> named;
  for (const OwnerReference& owner : owners()) {
    const bool is_named = std::any_of(fields.begin(), fields.end(), [&owner](const Json* entry) {
      return NamesOwner(*entry, owner);
    });
    if (is_named) named.push_back(owner);
  }
  return named;
}

bool LiveSecret::IsOwnedThroughOnly(std::string_view manager) const {
  const Json* entries = Find(object_, {"metadata", "managedFields"});
  if (OwnersNamedBy(manager) != owners()) return false;
  if (entries == nullptr || !entries->is_array()) return true;
  for (const Json& entry : entries->array_range()) {
    const Json* fields = Find(entry, {"fieldsV1"});
    if (fields == nullptr || TextOf(Find(entry, {"manager"})) == manager) continue;
    for (const OwnerReference& owner : owners()) {
      if (NamesOwner(*fields, owner)) return false;
    }
  }
  return true;
}

std::vector<const Json*> LiveSecret::FieldsOf(std::string_view manager) const {
  std::vector<const Json*> fields;
  const Json* entries = Find(object_, {"metadata", "managedFields"});
  if (entries == nullptr || !entries->is_array()) return fields;
  for (const Json& entry : entries->array_range()) {
    const Json* its_fields = Find(entry, {"fieldsV1"});
    if (its_fields != nullptr && TextOf(Find(entry, {"manager"})) == manager) {
      fields.push_back(its_fields);
    }
  }
  return fields;
}

}  // namespace nodekeep
