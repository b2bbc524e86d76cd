#include "csi/volume_scan.h"

#include <filesystem>

#include "agent/base/json.h"
#include "agent/base/read_file.h"
#include "csi/attributes.h"

namespace nodekeep {
namespace {

namespace fs = std::filesystem;

// Kubelet's files have a few hundred bytes.
constexpr std::size_t kMaxVolumeData = 1u << 20;

Result<Json> ReadVolumeData(const std::string& path) {
  const Result<SecretBytes> text = ReadFile(path, kMaxVolumeData);
  if (!text.ok()) return text.error();
  Result<Json> facts = ParseJson(text->Reveal());
  if (!facts.ok()) return facts.error().Prepend("read {}", path);
  return facts;
}

std::vector<fs::path> EntriesOf(const fs::path& directory) {
  std::vector<fs::path> entries;
  std::error_code failed;
  for (fs::directory_iterator at(directory, failed), end; !failed && at != end;
       at.increment(failed)) {
    entries.push_back(at->path());
  }
  return entries;
}

}  // namespace

bool HasContent(const std::string& target_path) {
  std::error_code failed;
  if (fs::is_symlink(target_path + "/..data", failed)) return true;
  // Not a range-based loop, whose increment throws when the volume is removed meanwhile.
  for (fs::directory_iterator at(target_path, failed), end; !failed && at != end;
       at.increment(failed)) {
    std::error_code unreadable;
    const bool of_writer = at->path().filename().string().starts_with("..");
    if (!of_writer && at->exists(unreadable)) return true;
  }
  return false;
}

std::vector<FoundVolume> ScanVolumes(
    const std::string& kubelet_root, const std::string& driver, Mounter& mounter,
    const std::function<void(const std::string& path, const Error&)>& on_unreadable) {
  std::vector<FoundVolume> found;
  for (const fs::path& pod : EntriesOf(fs::path(kubelet_root) / "pods")) {
    for (const fs::path& volume : EntriesOf(pod / "volumes" / "kubernetes.io~csi")) {
      const std::string data = volume / "vol_data.json";
      const Result<Json> facts = ReadVolumeData(data);
      if (!facts.ok()) {
        // Kubelet writes the file before a volume exists and removes it after.
        if (facts.error().code() != ErrorCode::kNotFound) on_unreadable(data, facts.error());
        continue;
      }
      if (TextOf(Find(*facts, {"driverName"})) != driver) continue;
      const std::string target = volume / "mount";
      const Result<MountState> state = mounter.StateOf(target);
      if (!state.ok() || *state != MountState::kMounted || !HasContent(target)) continue;
      found.push_back({.id = TextOf(Find(*facts, {"volumeHandle"})).value_or(""),
                       .target_path = target,
                       .pod_uid = pod.filename(),
                       .name = volume.filename()});
    }
  }
  return found;
}

VolumePtr RecoverVolume(const FoundVolume& found, const PodFacts& pod, const std::string& driver) {
  const auto entry = pod.volumes.find(found.name);
  if (entry == pod.volumes.end()) return nullptr;
  const PodFacts::CsiVolume& csi = entry->second;
  const auto class_name = csi.attributes.find(std::string(kClassAttribute));
  if (csi.driver != driver || class_name == csi.attributes.end()) return nullptr;
  auto volume = std::make_shared<Volume>();
  volume->id = found.id;
  volume->target_path = found.target_path;
  volume->class_name = class_name->second;
  volume->namespace_name = pod.namespace_name;
  volume->pod = pod.name;
  volume->pod_uid = pod.uid;
  volume->service_account = pod.service_account;
  volume->attributes = AttributesOf({.class_name = class_name->second,
                                     .namespace_name = pod.namespace_name,
                                     .service_account = pod.service_account,
                                     .pod = pod.name,
                                     .pod_uid = pod.uid});
  // Attributes in the pod spec that use kubelet's names are ignored.
  volume->attributes.merge(ParametersAmong(csi.attributes));
  volume->group = pod.group;
  volume->read_only = true;
  volume->recovered = true;
  volume->lacks_secrets = csi.has_secret_ref;
  return volume;
}

}  // namespace nodekeep
