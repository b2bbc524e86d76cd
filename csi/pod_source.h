#pragma once

// What the driver needs to know of the pods on its node.

#include <sys/types.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/base/worker_pool.h"
#include "agent/kube/kube_client.h"
#include "agent/secrets/single_flight.h"
#include "agent/sink/owner_reference.h"

namespace nodekeep {

struct PodFacts {
  struct CsiVolume {
    std::string driver;
    std::map<std::string, std::string> attributes;
    bool has_secret_ref = false;  // nodePublishSecretRef
  };

  std::string namespace_name;
  std::string name;
  std::string uid;
  std::string service_account;
  bool ending = false;         // deleted, succeeded or failed
  std::optional<gid_t> group;  // fsGroup
  std::vector<OwnerReference> owners;
  std::map<std::string, CsiVolume> volumes;  // inline ones, by name
};

PodFacts ReadPodFacts(const Json& pod);

using PodsByUid = std::map<std::string, PodFacts>;

// Thread-safe.
class PodSource {
 public:
  virtual ~PodSource() = default;

  // The pods of this node, by uid. What is returned may be as old as `max_age`, or older while the
  // API server cannot be asked.
  virtual Result<std::shared_ptr<const PodsByUid>> OnNode(const Context& context,
                                                          Duration max_age) = 0;
};

// By one list of the node's pods, shared by all who ask.
class KubePodSource final : public PodSource {
 public:
  // `client` outlives it, as does the rest.
  KubePodSource(KubeClient& client, std::string node_name, WorkerPool& pool, const Clock& clock);

  Result<std::shared_ptr<const PodsByUid>> OnNode(const Context& context,
                                                  Duration max_age) override;

 private:
  using PodsPtr = std::shared_ptr<const PodsByUid>;

  Result<PodsPtr> Ask(const Context& context);

  KubeClient& client_;
  const std::string node_name_;
  const Clock& clock_;

  std::mutex mutex_;
  // Guarded by mutex_.
  PodsPtr pods_;
  SteadyTime listed_{};

  SingleFlight<std::string, PodsPtr> flights_;  // last: its calls use all of the above
};

}  // namespace nodekeep
