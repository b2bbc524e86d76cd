#pragma once

// Writes mirrored Secrets, as one of several agents that write the same ones.
//
// How agents do not fight (live_secret.h says who holds what): the content is applied under one
// manager by all of them, the owner references of a node's pods under a manager of that node. A
// content that differs from ours but is still held by agents is another node's newer one and stays;
// what somebody else changed is put back. A Secret that no agent or upstream driver made is never
// touched, unless it carries the annotation nodekeep/adopt: "true".
//
// A Secret belongs to the owners of the pods that mount its class (or to their
// SecretProviderClassPodStatus when they have none), found by uid. When the last pod on any node
// has gone, for longer than `linger`, the Secret is deleted, even where an owner lives on without
// pods; when the owners go, Kubernetes deletes it. Secrets that were made by somebody else and
// taken over are left to Kubernetes. See DeletionPolicy for the other ways.
//
// At rest nothing is asked: a Secret is looked at again when its content or owners change, after
// Invalidate, and at the first Write after `recheck`. When only its owners change they are written
// unread, on condition that it still is the version that was seen last. A process that dies at any
// step leaves a Secret that is complete, old or new; the next Write or Sweep goes on from there.
//
// Thread-safe; writes of one Secret take turns. Values are kept as a keyed digest only.

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/kube/kube_client.h"
#include "agent/sink/live_secret.h"
#include "agent/sink/owner_reference.h"
#include "agent/sink/secret_object.h"

namespace nodekeep {

// On whose behalf a Secret is written.
struct SecretClaim {
  std::string volume;  // unique on this node and the same after a restart: "<pod uid>/<volume>"
  std::string namespace_name;
  std::vector<OwnerReference> owners;  // of the pod
  OwnerReference secret_class;         // needed for DeletionPolicy::kWithClass only
};

enum class SecretWrite { kUnchanged, kCreated, kUpdated };

class SecretWriter {
 public:
  struct Options {
    std::string node_name;
    Duration recheck = std::chrono::minutes(30);
    // For how long an owner stays after its last pod on this node has gone: a pod that is replaced
    // shall find the Secret where it was.
    Duration linger = std::chrono::minutes(1);
    // Told of each request once it is done: "read", "content", "prune", "claim", "delete". It only
    // looks on; a test uses it to end the process between two steps.
    std::function<void(std::string_view step)> observer{};
  };

  // `kube` and `clock` outlive the writer.
  SecretWriter(KubeClient& kube, const Clock& clock, Options options);

  // Makes the Secret be there with this content, and the claim's owners among its owners.
  // Errors name the Secret and the step: kPrecondition (somebody else's; its type cannot be
  // changed), kDenied (the role lacks a verb), kInvalid (the API server's own words), else as
  // KubeClient.
  Result<SecretWrite> Write(const Context& context, const KubeSecret& secret,
                            const SecretClaim& claim);

  // Says that a volume uses a Secret, without writing it: for volumes that are found after a
  // restart. All of them come before the first Sweep, lest a Secret be taken for unused. A claim
  // whose owners are not known yet (none) keeps the Secret as it is until a Write names them.
  void Claim(const SecretClaim& claim, const SecretObject& object);
  // The volume is gone, and with it its claims once they have lingered. Asks nobody.
  void Release(std::string_view volume);
  // Gives up the claims that have lingered: call it every few seconds. What fails is tried again by
  // the next Sweep. Returns what failed.
  std::vector<Error> Sweep(const Context& context);
  // For who stops: what is released has lingered enough, since nobody will remember it.
  void EndLinger();

  // Somebody saw the Secret change: the next Write looks at it.
  void Invalidate(const std::string& namespace_name, const std::string& name);

 private:
  using Name = std::pair<std::string, std::string>;  // namespace, name

  struct Held {
    std::vector<OwnerReference> owners;
    std::optional<SteadyTime> until;  // released: when it ends
  };
  // One state of a Secret; empty = none was seen yet.
  struct Version {
    std::string uid;
    std::string resource_version;
  };
  // What this process knows of one Secret.
  struct Known {
    std::map<std::string, Held, std::less<>> claims;  // by volume
    DeletionPolicy deletion = DeletionPolicy::kDelete;
    bool is_busy = false;
    int waiting = 0;                     // for their turn
    SecretBytes content;                 // digest of what was written or found last; empty = never
    std::vector<OwnerReference> owners;  // as this node last named them
    Version version;                     // in which all that was true
    SteadyTime checked{};                // and when
    bool must_check = true;
  };
  struct Task;

  // Waits for the turn of a Secret; the other ends it.
  Status Begin(const Context& context, std::unique_lock<std::mutex>& lock, Known& known);
  void End(Known& known);

  // These leave in the task which version came of it.
  Result<SecretWrite> Converge(const Context& context, Task& task);
  Result<SecretWrite> ConvergeOnce(const Context& context, Task& task);
  Result<SecretWrite> Create(const Context& context, Task& task,
                             const std::vector<OwnerReference>& inherited);
  Result<SecretWrite> Adjust(const Context& context, Task& task, const LiveSecret& live);
  Status Replace(const Context& context, const Task& task, const LiveSecret& live);
  // Returns the version that came of it.
  Result<Version> ApplyClaim(const Context& context, const Name& name, Json body);
  static Version VersionOf(const LiveSecret& live);
  Status GiveUp(const Context& context, const Name& name,
                const std::vector<OwnerReference>& remaining);
  Status GiveUpOnce(const Context& context, const Name& name,
                    const std::vector<OwnerReference>& remaining);
  Status SweepOne(const Context& context, const Name& name);
  void Observe(std::string_view step) const;

  KubeClient& kube_;
  const Clock& clock_;
  const Options options_;
  const std::string manager_;  // of this node
  const SecretBytes key_;      // of the digests

  std::mutex mutex_;
  std::condition_variable_any turns_;
  // Guarded by mutex_. An entry that is busy or waited for stays.
  std::map<Name, Known> secrets_;
};

}  // namespace nodekeep
