#pragma once

// The facts about the pods of this node that the driver needs.

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
  bool ending = false;         // being deleted, succeeded or failed
  std::optional<gid_t> group;  // fsGroup
  std::vector<OwnerReference> owners;
  std::map<std::string, CsiVolume> volumes;  // inline CSI volumes, by name
};

// Pure. Fields that are absent or of another type are left empty.
PodFacts ReadPodFacts(const Json& pod);

using PodsByUid = std::map<std::string, PodFacts>;

// Thread-safe.
class PodSource {
 public:
  virtual ~PodSource() = default;

  // Returns the pods of this node, by uid; the last known state while the API server is
  // unreachable. Waits until they have been listed for the first time. Errors: the context's.
  virtual Result<std::shared_ptr<const PodsByUid>> OnNode(const Context& context) = 0;
};

}  // namespace nodekeep
