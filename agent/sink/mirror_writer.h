#pragma once

// Writes the Secrets of secretObjects, of which every node that runs a pod of the class writes its
// part.
//
// Several agents write one Secret without a lock between them, by server-side apply with two kinds
// of field manager (see live_secret.h): all agents apply the content under one shared manager, and
// each node applies the owner references of its pods under a manager of its own. Content that
// differs from ours but is still held by the shared manager was written by another node from newer
// values, and stays; content that anybody else changed is restored. A Secret that neither an agent
// nor the upstream driver made is never touched, unless it carries the annotation
// nodekeep/adopt: "true".
//
// A mirrored Secret is owned by the owners of the pods that mount its class (or by their
// SecretProviderClassPodStatus when they have none), compared by uid. When the last pod on any node
// has been gone for longer than `linger`, the Secret is deleted, even where an owner lives on
// without pods; when all owners are gone, the garbage collector deletes it. A Secret that was
// adopted is never deleted here. DeletionPolicy has the other rules.
//
// As long as nothing changes, no request is sent. A Secret is read again when its content changes,
// and at the first Write after `recheck`. When only its owners change they are applied without a
// read, on condition that the Secret still is the version that was seen last. A process that is
// killed at any step leaves a complete Secret, old or new; the next Write or Sweep continues from
// there.
//
// Thread-safe; writes of the same Secret are serialized. Values are kept as a keyed digest only.

#include <condition_variable>
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
#include "agent/sink/kube_secret.h"
#include "agent/sink/live_secret.h"
#include "agent/sink/owner_reference.h"
#include "agent/sink/secret_object.h"

namespace nodekeep {

// A Secret that one volume asks for, and when it ends.
struct MirroredSecret {
  KubeSecret secret;
  DeletionPolicy deletion = DeletionPolicy::kDelete;
};

// The volume that asks for Secrets, and who owns them because of it.
struct SecretClaim {
  std::string volume;  // unique on this node and the same after a restart: "<pod uid>/<volume>"
  std::string namespace_name;
  std::vector<OwnerReference> owners;  // of the pod
  OwnerReference secret_class;         // needed for DeletionPolicy::kWithClass only
};

enum class SecretWrite { kUnchanged, kCreated, kUpdated };

class MirrorWriter {
 public:
  struct Options {
    std::string node_name;
    Duration recheck = std::chrono::minutes(30);
    // How long an owner stays after its last pod on this node has gone, so that a pod that replaces
    // it finds the Secret in place.
    Duration linger = std::chrono::minutes(1);
  };

  // `kube` and `clock` outlive the writer.
  MirrorWriter(KubeClient& kube, const Clock& clock, Options options);

  // Makes sure that the Secret exists with this content, and that the claim's owners are among its
  // owners. Errors name the Secret and the step: kPrecondition (made by somebody else; its type
  // cannot be changed), kDenied (the role lacks a verb), kInvalid (the API server's own words),
  // else as KubeClient.
  Result<SecretWrite> Write(const Context& context, const MirroredSecret& mirrored,
                            const SecretClaim& claim);

  // Records that a volume uses a Secret, without writing it: for volumes that are found after a
  // restart. All of them must be recorded before the first Sweep, or a Secret in use could be
  // deleted. A claim without owners (not known yet) keeps the Secret as it is until a Write names
  // them.
  void Claim(const SecretClaim& claim, const SecretObject& object);
  // The volume is gone; its claims end after `linger`. Sends no request.
  void Release(std::string_view volume);
  // Removes the owners of claims that have ended from their Secrets, or deletes the Secrets: call
  // it every few seconds. Returns the errors; what failed is tried again by the next Sweep.
  std::vector<Error> Sweep(const Context& context);
  // On shutdown: ends the linger period of released claims now, as they are not persisted.
  void EndLinger();

 private:
  using Name = std::pair<std::string, std::string>;  // namespace, name

  struct Held {
    std::vector<OwnerReference> owners;
    std::optional<SteadyTime> until;  // released: when the claim ends
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
    int waiting = 0;                     // threads in Begin
    SecretBytes content;                 // digest of what was written or found last; empty = never
    std::vector<OwnerReference> owners;  // as this node applied them last
    Version version;                     // in which content and owners were seen
    SteadyTime checked{};                // when it was read last
    bool must_check = true;
  };
  struct Task;

  // Waits until no other thread works on the Secret, and marks it as busy until End.
  Status Begin(const Context& context, std::unique_lock<std::mutex>& lock, Known& known);
  void End(Known& known);

  // The steps of a Write. They leave the version that resulted in the task.
  Result<SecretWrite> Converge(const Context& context, Task& task);
  Result<SecretWrite> ConvergeOnce(const Context& context, Task& task);
  Result<SecretWrite> Create(const Context& context, Task& task,
                             const std::vector<OwnerReference>& inherited);
  Result<SecretWrite> Adjust(const Context& context, Task& task, const LiveSecret& live);
  Status DeleteForReplacement(const Context& context, const Task& task, const LiveSecret& live);
  // Returns the version that resulted.
  Result<Version> ApplyClaim(const Context& context, const Name& name, Json body);
  static Version VersionOf(const LiveSecret& live);

  // The steps of a Sweep.
  Status SweepOne(const Context& context, const Name& name);
  Status GiveUp(const Context& context, const Name& name,
                const std::vector<OwnerReference>& remaining);
  Status GiveUpOnce(const Context& context, const Name& name,
                    const std::vector<OwnerReference>& remaining);

  KubeClient& kube_;
  const Clock& clock_;
  const Options options_;
  const std::string manager_;  // of this node
  const SecretBytes key_;      // of the digests

  std::mutex mutex_;
  std::condition_variable_any idle_;  // an entry is no longer busy
  // Guarded by mutex_. An entry that is busy or waited for is not erased.
  std::map<Name, Known> secrets_;
};

}  // namespace nodekeep
