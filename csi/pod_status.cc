#include "csi/pod_status.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/base/digest.h"
#include "agent/base/mutex.h"
#include "agent/kube/retry_on_conflict.h"
#include "csi/secrets_store_api.h"

namespace nodekeep {
namespace {

constexpr std::string_view kKind = "SecretProviderClassPodStatus";
constexpr std::string_view kNodeLabel = "internal.secrets-store.csi.k8s.io/node-name";
constexpr std::size_t kMaxNameSize = 253;
constexpr std::size_t kMaxLabelSize = 63;
constexpr int kMaxAttempts = 5;

// `text`, or its beginning and a digest of the whole text, in at most `size` bytes.
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

// The member object of `parent`; created if it is absent or not an object, because another client
// may have removed it.
Json& ObjectIn(Json& parent, std::string_view name) {
  if (!parent.contains(name) || !parent.at(name).is_object()) {
    parent.insert_or_assign(name, Json(jsoncons::json_object_arg));
  }
  return parent.at(name);
}

// Sets the fields that this driver owns in `object`; the others are kept.
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
    MutexLock lock(mutex_);
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
  MutexLock lock(mutex_);
  written_[status.target_path] = Written{*owner, text};
  return owner;
}

// kPrecondition: the name belongs to another volume of the pod; only checked if `may_be_taken`.
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

  // The errors of writes name the status; only those of writes can be conflicts.
  const auto named = [&](Result<Json> written) -> Result<Json> {
    if (written.ok()) return written;
    return written.error().Prepend("{} {}/{}", kKind, status.namespace_name, name);
  };
  bool is_first = true;
  Result<Json> answer = RetryOnConflict(kMaxAttempts, [&]() -> Result<Json> {
    // Most statuses are new: the first attempt skips the read.
    if (std::exchange(is_first, false)) return named(kube_.Create(context, collection, fresh));
    Result<Json> found = kube_.Get(context, path);
    if (!found.ok()) {
      if (found.error().code() != ErrorCode::kNotFound) return found;
      return named(kube_.Create(context, collection, fresh));
    }
    const bool is_of_pod = IsOfPod(*found, status.pod_uid);
    if (!is_of_pod && !OwnersOf(*found).empty()) {
      // The status of an earlier pod of that name. The garbage collector may be about to delete
      // this object even if its owner is changed now; a new object has a new uid.
      const std::string uid = TextOf(Find(*found, {"metadata", "uid"})).value_or("");
      Status deleted = kube_.Delete(context, path, uid);
      if (!deleted.ok() && !IsConflict(deleted.error())) return deleted.error();
      return named(kube_.Create(context, collection, fresh));
    }
    const std::optional<std::string> target = TextOf(Find(*found, {"status", "targetPath"}));
    const bool is_other_volume = is_of_pod && target && *target != status.target_path;
    if (may_be_taken && is_other_volume) {
      return Error(ErrorCode::kPrecondition, "belongs to another volume of the pod");
    }
    Json wanted = *found;
    Fill(status, node_label_, wanted);
    if (GoJson(wanted).Reveal() == GoJson(*found).Reveal()) return found;
    return named(kube_.Update(context, path, wanted));
  });
  if (!answer.ok()) return answer.error();
  return OwnerReference{resource.ApiVersion(), std::string(kKind), name,
                        TextOf(Find(*answer, {"metadata", "uid"})).value_or("")};
}

void PodStatusWriter::Forget(const std::string& target_path) {
  MutexLock lock(mutex_);
  written_.erase(target_path);
}

}  // namespace nodekeep
