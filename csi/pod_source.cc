#include "csi/pod_source.h"

namespace nodekeep {
namespace {

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

}  // namespace nodekeep
