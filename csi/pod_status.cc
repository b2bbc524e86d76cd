#include "csi/pod_status.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/base/digest.h"
#include "csi/secrets_store_api.h"

namespace nodekeep {
namespace {

constexpr std::string_view kKind = "SecretProviderClassPodStatus";
constexpr std::string_view kNodeLabel = "internal.secrets-store.csi.k8s.io/node-name";
constexpr std::size_t kMaxNameSize = 253;
constexpr std::size_t kMaxLabelSize = 63;
constexpr int kMaxAttempts = 4;

// `text`, or its beginning and a digest of the whole.
std::string Fitted(const std::string& text, std::size_t size) {
  if (text.size() <= size) return text;
  const std::string mark = Sha256Hex(text).substr(0, 10);
  std::string head = text.substr(0, size - mark.size() - 1);
  head.erase(head.find_last_not_of("-._") + 1);
  return head + "-" + mark;
}

Json StatusOf(const PodStatus& status) {
  std::vector<ObjectVersion> sorted = status.objects;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const ObjectVersion& a, const ObjectVersion& b) { return a.id < b.id; });
  Json objects(jsoncons::json_array_arg);
  for (const ObjectVersion& object : sorted) {
    Json entry;
    entry["id"] = object.id;
    entry["version"] = object.version;
    objects.push_back(std::move(entry));
  }
  Json json;
  json["podName"] = status.pod;
  json["secretProviderClassName"] = status.class_name;
  json["mounted"] = true;
  json["targetPath"] = status.target_path;
  json["objects"] = std::move(objects);
  return json;
}

// A member object of `parent`, made where there is none or something else (D18).
Json& ObjectIn(Json& parent, std::string_view name) {
  if (!parent.contains(name) || !parent.at(name).is_object()) {
    parent.insert_or_assign(name, Json(jsoncons::json_object_arg));
  }
  return parent.at(name);
}

// Puts what is ours into `object`; the rest of it stays.
void Fill(const PodStatus& status, const std::string& node_label, Json& object) {
  Json& metadata = ObjectIn(object, "metadata");
  ObjectIn(metadata, "labels").insert_or_assign(kNodeLabel, node_label);
  metadata["ownerReferences"] = ToJson({{"v1", "Pod", status.pod, status.pod_uid}});
  object["status"] = StatusOf(status);
}

bool IsOfPod(const Json& object, const std::string& pod_uid) {
  const std::vector<OwnerReference> owners = OwnersOf(object);
  return std::any_of(owners.begin(), owners.end(),
                     [&pod_uid](const OwnerReference& owner) { return owner.uid == pod_uid; });
}

}  // namespace

PodStatusWriter::PodStatusWriter(KubeClient& kube, std::string node_name)
    : kube_(kube), node_label_(Fitted(node_name, kMaxLabelSize)) {}

Result<OwnerReference> PodStatusWriter::Write(const Context& context, const PodStatus& status) {
  const std::string text(GoJson(StatusOf(status)).Reveal());
  std::string known_name;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = written_.find(status.target_path);
    if (found != written_.end()) {
      if (found->second.text == text) return found->second.owner;
      known_name = found->second.owner.name;
    }
  }
  const std::string plain = status.pod + "-" + status.namespace_name + "-" + status.class_name;
  const std::string own = Fitted(plain + "-" + status.volume, kMaxNameSize);
  const std::string first = known_name.empty() ? Fitted(plain, kMaxNameSize) : known_name;
  Result<OwnerReference> owner = WriteNamed(context, status, first, first != own);
  const bool is_taken = !owner.ok() && owner.error().code() == ErrorCode::kPrecondition;
  if (is_taken) owner = WriteNamed(context, status, own, false);
  if (!owner.ok()) return owner;
  const std::lock_guard<std::mutex> lock(mutex_);
  written_[status.target_path] = Written{*owner, text};
  return owner;
}

// kPrecondition: another volume of the pod has that name, which only `may_be_taken` looks for.
Result<OwnerReference> PodStatusWriter::WriteNamed(const Context& context, const PodStatus& status,
                                                   const std::string& name, bool may_be_taken) {
  const KubeResource& resource = kSecretProviderClassPodStatusResource;
  const std::string collection = resource.CollectionPath(status.namespace_name);
  const std::string path = resource.ObjectPath(status.namespace_name, name);
  Json fresh;
  fresh["apiVersion"] = resource.ApiVersion();
  fresh["kind"] = std::string(kKind);
  fresh["metadata"]["name"] = name;
  Fill(status, node_label_, fresh);

  Result<Json> answer = kube_.Create(context, collection, fresh);
  for (int attempt = 1;
       !answer.ok() && answer.error().code() == ErrorCode::kConflict && attempt <= kMaxAttempts;
       ++attempt) {
    Result<Json> found = kube_.Get(context, path);
    if (!found.ok()) {
      if (found.error().code() != ErrorCode::kNotFound) return found.error();
      answer = kube_.Create(context, collection, fresh);
      continue;
    }
    const std::vector<OwnerReference> owners = OwnersOf(*found);
    if (!owners.empty() && !IsOfPod(*found, status.pod_uid)) {
      // Of a pod of that name that is gone: the garbage collector may be about to delete this very
      // object, whoever it is made over to. A new one has a uid of its own.
      const std::string uid = TextOf(Find(*found, {"metadata", "uid"})).value_or("");
      Status gone = kube_.Delete(context, path, uid);
      if (!gone.ok() && gone.error().code() != ErrorCode::kConflict) return gone.error();
      answer = kube_.Create(context, collection, fresh);
      continue;
    }
    const std::optional<std::string> target = TextOf(Find(*found, {"status", "targetPath"}));
    const bool is_other_volume =
        IsOfPod(*found, status.pod_uid) && target && *target != status.target_path;
    if (may_be_taken && is_other_volume) {
      return Error(ErrorCode::kPrecondition, "belongs to another volume of the pod");
    }
    Json wanted = *found;
    Fill(status, node_label_, wanted);
    answer = GoJson(wanted).Reveal() == GoJson(*found).Reveal()
                 ? std::move(found)
                 : kube_.Update(context, path, wanted);
  }
  if (!answer.ok()) {
    return answer.error().Prepend("{} {}/{}", kKind, status.namespace_name, name);
  }
  return OwnerReference{resource.ApiVersion(), std::string(kKind), name,
                        TextOf(Find(*answer, {"metadata", "uid"})).value_or("")};
}

void PodStatusWriter::Forget(const std::string& target_path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  written_.erase(target_path);
}

}  // namespace nodekeep
