#include "csi/startup_taint.h"

#include "agent/kube/resource.h"
#include "agent/kube/retry_on_conflict.h"

namespace nodekeep {
namespace {

// Kubelet and the node controllers write the node every few seconds, which causes conflicts.
constexpr int kMaxAttempts = 5;

Result<bool> RemoveOnce(const Context& context, KubeClient& kube, const std::string& path,
                        const std::string& key) {
  Result<Json> node = kube.Get(context, path);
  if (!node.ok()) return node.error();
  const Json* taints = Find(*node, {"spec", "taints"});
  if (taints == nullptr || !taints->is_array()) return false;
  Json left(jsoncons::json_array_arg);
  for (const Json& taint : taints->array_range()) {
    if (TextOf(Find(taint, {"key"})) != key) left.push_back(taint);
  }
  if (left.size() == taints->size()) return false;
  Json patch;
  // With the version, so that a taint that was added meanwhile causes a conflict and is not lost.
  patch["metadata"]["resourceVersion"] =
      TextOf(Find(*node, {"metadata", "resourceVersion"})).value_or("");
  patch["spec"]["taints"] = std::move(left);
  Result<Json> patched = kube.MergePatch(context, path, patch);
  if (!patched.ok()) return patched.error();
  return true;
}

}  // namespace

Result<bool> RemoveStartupTaint(const Context& context, KubeClient& kube, const std::string& node,
                                const std::string& key) {
  const std::string path = kNodeResource.ClusterObjectPath(node);
  Result<bool> removed =
      RetryOnConflict(kMaxAttempts, [&] { return RemoveOnce(context, kube, path, key); });
  if (!removed.ok() && removed.error().code() == ErrorCode::kDenied) {
    return removed.error().Prepend(
        "remove taint \"{}\" (the agent's role needs get and patch on nodes)", key);
  }
  if (!removed.ok()) return removed.error().Prepend("remove taint \"{}\"", key);
  return removed;
}

}  // namespace nodekeep
