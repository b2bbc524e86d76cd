#pragma once

// The source of a volume's content: the provider that its class names.

#include <string>
#include <vector>

#include "agent/base/context.h"
#include "agent/mount/mount_service.h"
#include "agent/secrets/bundle.h"
#include "agent/secrets/secret_provider_class.h"
#include "agent/secrets/spc_warnings.h"
#include "csi/volume.h"

namespace nodekeep {

struct VolumeContent {
  Bundle bundle;
  // The provider has nothing to write, or wrote the files itself: what is in the volume stays
  // (docs/protocol/csi-provider.md, "Handling of a reply"). `bundle.files` is empty.
  bool untouched = false;
};

struct Fetched {
  Result<VolumeContent> content;
  // With an error: the label error_type (docs/protocol/csi-driver.md, "Metrics").
  std::string failure_type;
  SpcWarnings warnings{};  // of the class, also with an error
};

// Thread-safe.
class VolumeSource {
 public:
  virtual ~VolumeSource() = default;

  // `known`: the versions last written into the volume, sent to providers that compare versions;
  // null for the first content of a volume, for which a pod waits (MountRequest::at_start).
  virtual Fetched Fetch(const Context& context, const SecretProviderClass& spc,
                        const Volume& volume, const std::vector<ObjectVersion>* known) = 0;
  // Whether the provider may write into the volume itself, which must be mounted before it is
  // asked (docs/protocol/csi-provider.md, "Handling of a reply").
  virtual bool MayWriteItself(const SecretProviderClass& spc) const = 0;
  // Whether this node has a provider of that name now.
  virtual bool Serves(const std::string& provider) const = 0;
};

// The parameters of the class overlaid with the volume's attributes, without tokens: what the
// driver sends to a provider (secrets-store-csi-driver pkg/secrets-store/nodeserver.go).
std::map<std::string, std::string> MergedAttributes(const SecretProviderClass& spc,
                                                    const Volume& volume);

// Fetches from the built-in providers through the MountService, and from `others` for every other
// provider name.
class MountVolumeSource final : public VolumeSource {
 public:
  MountVolumeSource(MountService& mounts, VolumeSource& others)
      : mounts_(mounts), others_(others) {}

  Fetched Fetch(const Context& context, const SecretProviderClass& spc, const Volume& volume,
                const std::vector<ObjectVersion>* known) override;
  bool MayWriteItself(const SecretProviderClass& spc) const override {
    return !mounts_.Serves(spc.provider);
  }
  bool Serves(const std::string& provider) const override {
    return mounts_.Serves(provider) || others_.Serves(provider);
  }

 private:
  MountService& mounts_;
  VolumeSource& others_;
};

}  // namespace nodekeep
