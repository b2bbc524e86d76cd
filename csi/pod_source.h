#pragma once

// What the driver needs to know of the pods on its node.

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/json.h"
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

  // The pods of this node, by uid: what was last known while the API server is away. Waits for the
  // first answer.
  virtual Result<std::shared_ptr<const PodsByUid>> OnNode(const Context& context) = 0;
};

}  // namespace nodekeep
