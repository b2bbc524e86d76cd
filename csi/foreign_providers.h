#pragma once

// Providers of others, behind their sockets: the driver's side of the provider protocol
// (docs/protocol/csi-provider.md, "Service and messages").
//
// Thread-safe. The socket is looked up for each volume, because providers are installed, removed
// and moved at any time.

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "csi/volume_source.h"
#include "proto/provider.pb.h"

namespace nodekeep {

class ForeignProviders final : public VolumeSource {
 public:
  struct Options {
    // In the order in which sockets are looked for; the first that is there wins
    // (docs/protocol/csi-provider.md, "Sockets").
    std::vector<std::string> directories;
    Duration budget = std::chrono::seconds(60);
  };

  ForeignProviders(Options options, const Clock& clock);

  // Errors contain upstream's texts: `provider not found: provider "<name>"`, `mount request failed
  // with provider error code <code>`, `missing object versions`.
  Fetched Fetch(const Context& context, const SecretProviderClass& spc, const Volume& volume,
                const std::vector<ObjectVersion>* known) override;
  bool MayWriteItself(const SecretProviderClass&) const override { return true; }
  bool Serves(const std::string& provider) const override { return SocketOf(provider).ok(); }

 private:
  Result<std::string> SocketOf(const std::string& provider) const;
  // Retries once if the connection was used before and turns out to be dead.
  grpc::Status Ask(const Context& context, const std::string& socket,
                   const v1alpha1::MountRequest& request, v1alpha1::MountResponse& reply);
  // The flag: the channel was used by earlier requests.
  std::pair<std::shared_ptr<grpc::Channel>, bool> ChannelTo(const std::string& path);
  void Forget(const std::string& path, const std::shared_ptr<grpc::Channel>& channel);

  const Options options_;
  const Clock& clock_;

  Mutex mutex_;
  // By path.
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep
