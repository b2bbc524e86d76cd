#pragma once

// Where the content of a volume comes from: the provider that its class names.

#include <string>
#include <vector>

#include "agent/base/context.h"
#include "agent/secrets/bundle.h"
#include "csi/mount_road.h"
#include "csi/secret_provider_class.h"
#include "csi/volume.h"

namespace nodekeep {

struct VolumeContent {
  Bundle bundle;
  // The provider has nothing to write, or wrote the files itself: what is in the volume stays
  // (csi.md 1.7 step 6). `bundle.files` is empty.
  bool untouched = false;
};

struct Fetched {
  Result<VolumeContent> content;
  std::string failure_type;  // with an error: the metric label error_type of csi.md 2.12
};

// Thread-safe.
class VolumeSource {
 public:
  virtual ~VolumeSource() = default;

  // `known`: the versions last written into the volume, for providers that ask for them.
  virtual Fetched Fetch(const Context& context, const SecretProviderClass& spc,
                        const Volume& volume, const std::vector<ObjectVersion>& known) = 0;
};

// The parameters of the class overlaid with the volume's attributes (csi.md 1.4), without tokens.
std::map<std::string, std::string> AttributesOf(const SecretProviderClass& spc,
                                                const Volume& volume);

// Our own providers by the road that every mount takes; `others` for every other name.
class RoadVolumeSource final : public VolumeSource {
 public:
  RoadVolumeSource(MountRoad& road, VolumeSource& others) : road_(road), others_(others) {}

  Fetched Fetch(const Context& context, const SecretProviderClass& spc, const Volume& volume,
                const std::vector<ObjectVersion>& known) override;

 private:
  MountRoad& road_;
  VolumeSource& others_;
};

}  // namespace nodekeep
