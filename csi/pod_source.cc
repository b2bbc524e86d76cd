#include "csi/pod_source.h"

namespace nodekeep {
namespace {

constexpr Duration kBudget = std::chrono::seconds(15);

PodFacts::CsiVolume ReadCsiVolume(const Json& csi) {
  PodFacts::CsiVolume volume;
  volume.driver = TextOf(Find(csi, {"driver"})).value_or("");
  volume.has_secret_ref = Find(csi, {"nodePublishSecretRef", "name"}) != nullptr;
  const Json* attributes = Find(csi, {"volumeAttributes"});
  if (attributes == nullptr || !attributes->is_object()) return volume;
  for (const auto& item : attributes->object_range()) {
    volume.attributes[std::string(item.key())] = TextOf(item.value()).value_or("");
  }
  return volume;
}

}  // namespace

PodFacts ReadPodFacts(const Json& pod) {
  PodFacts facts;
  facts.namespace_name = TextOf(Find(pod, {"metadata", "namespace"})).value_or("");
  facts.name = TextOf(Find(pod, {"metadata", "name"})).value_or("");
  facts.uid = TextOf(Find(pod, {"metadata", "uid"})).value_or("");
  facts.service_account = TextOf(Find(pod, {"spec", "serviceAccountName"})).value_or("");
  const std::string phase = TextOf(Find(pod, {"status", "phase"})).value_or("");
  facts.ending = Find(pod, {"metadata", "deletionTimestamp"}) != nullptr || phase == "Succeeded" ||
                 phase == "Failed";
  const auto group = IntOf(Find(pod, {"spec", "securityContext", "fsGroup"}));
  if (group) facts.group = static_cast<gid_t>(*group);
  facts.owners = OwnersOf(pod);
  const Json* volumes = Find(pod, {"spec", "volumes"});
  if (volumes == nullptr || !volumes->is_array()) return facts;
  for (const Json& volume : volumes->array_range()) {
    const Json* csi = Find(volume, {"csi"});
    if (csi == nullptr) continue;
    facts.volumes[TextOf(Find(volume, {"name"})).value_or("")] = ReadCsiVolume(*csi);
  }
  return facts;
}

KubePodSource::KubePodSource(KubeClient& client, std::string node_name, WorkerPool& pool,
                             const Clock& clock)
    : client_(client),
      node_name_(std::move(node_name)),
      clock_(clock),
      pods_(std::make_shared<const PodsByUid>()),
      flights_(pool, clock, kBudget) {}

Result<KubePodSource::PodsPtr> KubePodSource::OnNode(const Context& context, Duration max_age) {
  PodsPtr last;
  {
    std::lock_guard lock(mutex_);
    const bool ever = listed_ != SteadyTime();
    if (ever && clock_.Now() < listed_ + max_age) return pods_;
    if (ever) last = pods_;
  }
  Result<PodsPtr> answer = flights_
                               .Do(context, {""},
                                   [this](const Context& own, const std::vector<std::string>&) {
                                     return std::vector<Result<PodsPtr>>{Ask(own)};
                                   })
                               .front();
  if (!answer.ok() && last != nullptr) return last;
  return answer;
}

Result<KubePodSource::PodsPtr> KubePodSource::Ask(const Context& context) {
  Result<std::vector<Json>> pods = client_.List(
      context, {.path = "/api/v1/pods", .field_selector = "spec.nodeName=" + node_name_});
  if (!pods.ok()) return pods.error();
  auto by_uid = std::make_shared<PodsByUid>();
  for (const Json& pod : *pods) {
    PodFacts facts = ReadPodFacts(pod);
    (*by_uid)[facts.uid] = std::move(facts);
  }
  std::lock_guard lock(mutex_);
  pods_ = by_uid;
  listed_ = clock_.Now();
  return pods_;
}

}  // namespace nodekeep
