#include "csi/volume_source.h"

#include <utility>

#include "csi/attributes.h"

namespace nodekeep {
namespace {

Result<MountRequest> RequestOf(const SecretProviderClass& spc, const Volume& volume) {
  MountRequest request;
  request.provider = spc.provider;
  request.parameters = ParametersAmong(MergedAttributes(spc, volume));
  request.mode = kDriverMode;
  request.target_path = volume.target_path;
  request.recovered = volume.recovered;
  Identity& identity = request.identity;
  identity.namespace_name = volume.namespace_name;
  identity.service_account = volume.service_account;
  if (!volume.pod.empty() || !volume.pod_uid.empty()) identity.pod = {volume.pod, volume.pod_uid};
  auto tokens = ReadTokens(volume.tokens);
  if (!tokens.ok()) return tokens.error();
  identity.tokens = *std::move(tokens);
  for (const auto& [key, value] : volume.secrets) identity.credentials[key] = value.Clone();
  return request;
}

}  // namespace

std::map<std::string, std::string> MergedAttributes(const SecretProviderClass& spc,
                                                    const Volume& volume) {
  std::map<std::string, std::string> attributes = volume.attributes;
  attributes.insert(spc.parameters.begin(), spc.parameters.end());
  return attributes;
}

Fetched MountVolumeSource::Fetch(const Context& context, const SecretProviderClass& spc,
                                 const Volume& volume, const std::vector<ObjectVersion>* known) {
  if (!mounts_.Serves(spc.provider)) return others_.Fetch(context, spc, volume, known);
  Result<MountRequest> request = RequestOf(spc, volume);
  if (request.ok()) request->at_start = known == nullptr;
  SpcWarnings warnings;
  Result<Bundle> bundle = mounts_.Mount(context, spc.provider, std::move(request), &warnings);
  if (!bundle.ok()) return {bundle.error(), "GRPCProviderError", std::move(warnings)};
  return {VolumeContent{*std::move(bundle)}, "", std::move(warnings)};
}

}  // namespace nodekeep
