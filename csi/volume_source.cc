#include "csi/volume_source.h"

namespace nodekeep {

std::map<std::string, std::string> AttributesOf(const SecretProviderClass& spc,
                                                const Volume& volume) {
  std::map<std::string, std::string> attributes = volume.attributes;
  attributes.insert(spc.parameters.begin(), spc.parameters.end());
  return attributes;
}

Fetched RoadVolumeSource::Fetch(const Context& context, const SecretProviderClass& spc,
                                const Volume& volume, const std::vector<ObjectVersion>& known) {
  if (!road_.Serves(spc.provider)) return others_.Fetch(context, spc, volume, known);
  MountRequestValues values;
  values.input.attributes = AttributesOf(spc, volume);
  values.input.tokens = volume.tokens.Clone();
  values.input.permission = "420";
  values.input.target_path = volume.target_path;
  values.found_again = volume.recovered;
  for (const auto& [key, value] : volume.secrets) values.secrets[key] = value.Clone();
  Result<Bundle> bundle = road_.Mount(context, spc.provider, std::move(values));
  if (!bundle.ok()) return {bundle.error(), "GRPCProviderError"};
  return {VolumeContent{*std::move(bundle)}, ""};
}

}  // namespace nodekeep
