#include "csi/watched_pods.h"

#include "agent/base/mutex.h"
#include "agent/kube/resource.h"

namespace nodekeep {
namespace {

void Copy(const Json& from, Json& to, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (const Json* value = Find(from, {name})) to.insert_or_assign(name, *value);
  }
}

// The fields that ReadPodFacts reads; a whole pod takes ten times the memory.
Json Kept(const Json& pod) {
  Json kept;
  kept["metadata"] = Json(jsoncons::json_object_arg);
  kept["spec"] = Json(jsoncons::json_object_arg);
  kept["status"] = Json(jsoncons::json_object_arg);
  if (const Json* metadata = Find(pod, {"metadata"})) {
    Copy(*metadata, kept["metadata"],
         {"namespace", "name", "uid", "deletionTimestamp", "ownerReferences"});
  }
  if (const Json* status = Find(pod, {"status"})) Copy(*status, kept["status"], {"phase"});
  const Json* spec = Find(pod, {"spec"});
  if (spec == nullptr) return kept;
  Copy(*spec, kept["spec"], {"serviceAccountName"});
  if (const Json* group = Find(*spec, {"securityContext", "fsGroup"})) {
    kept["spec"]["securityContext"]["fsGroup"] = *group;
  }
  Json volumes(jsoncons::json_array_arg);
  const Json* all = Find(*spec, {"volumes"});
  if (all != nullptr && all->is_array()) {
    for (const Json& volume : all->array_range()) {
      if (Find(volume, {"csi"}) != nullptr) volumes.push_back(volume);
    }
  }
  kept["spec"]["volumes"] = std::move(volumes);
  return kept;
}

}  // namespace

WatchedPods::WatchedPods(WatchLoop& loop, const std::string& node_name)
    : informer_(loop,
                {.selection = {.path = kPodResource.CollectionPath(),
                               .field_selector = "spec.nodeName=" + node_name},
                 .keep = Kept},
                [this](const ObjectChange& change) { Apply(change); }) {}

void WatchedPods::Apply(const ObjectChange& change) {
  MutexLock lock(mutex_);
  if (change.before) pods_.erase(ReadPodFacts(*change.before).uid);
  if (change.after) {
    PodFacts facts = ReadPodFacts(*change.after);
    const std::string uid = facts.uid;
    pods_[uid] = std::move(facts);
  }
  snapshot_ = nullptr;
}

Result<std::shared_ptr<const PodsByUid>> WatchedPods::OnNode(const Context& context) {
  if (!informer_.synced()) {
    if (Status synced = informer_.AwaitSynced(context); !synced.ok()) return synced.error();
  }
  MutexLock lock(mutex_);
  if (snapshot_ == nullptr) snapshot_ = std::make_shared<const PodsByUid>(pods_);
  return snapshot_;
}

Status WatchedPods::state() const {
  if (const std::optional<Error> trouble = informer_.trouble()) {
    return trouble->Prepend("cannot watch the pods of this node");
  }
  if (!informer_.synced()) {
    return Error(ErrorCode::kPrecondition, "the API server has not answered yet");
  }
  return {};
}

}  // namespace nodekeep
