#pragma once

// Mirrors secretObjects to Kubernetes Secrets. Every node that runs a pod of the class takes part.
//
// Several agents write one Secret without a lock, by server-side apply with two kinds of field
// manager (see live_secret.h): all agents apply the content of a class under one shared manager,
// and each node applies the owner references of the class's pods under its own manager. Several
// classes of a namespace may name one Secret; their keys are merged (shared_content.h).
//
//   Secret as read (again) from the API server      Write of unchanged content
//   content differs, the class's manager owns it    keeps it: another node wrote newer values
//   content changed by another client               restores it
//   a key that another class has set                keeps it, and reports an error
//   not created by an agent or the upstream driver  error, unless annotated nodekeep/adopt: "true"
//
// A mirrored Secret is owned by the owners of the pods that mount its class (or by the pods'
// SecretProviderClassPodStatus if they have none), compared by uid. When the last pod of a class on
// any node has been gone for longer than `linger`, the class's keys are removed, or the Secret is
// deleted if no other class uses it, even if an owner still exists without pods; when all owners
// are gone, the garbage collector deletes it. An adopted Secret is never deleted here.
// DeletionPolicy has the other rules.
//
// While nothing changes, no request is sent. A Secret is read again when its content changes, and
// at the first Write after `recheck`. If only its owners change, they are applied without a read,
// on condition that the Secret still has the version that was seen last. A process that is killed
// at any step leaves a complete Secret, old or new; the next Write or Sweep continues from there.
//
// Thread-safe; writes of the same Secret are serialized. Values are kept as keyed digests only.

#include <condition_variable>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/kube/kube_client.h"
#include "agent/sink/kube_secret.h"
#include "agent/sink/live_secret.h"
#include "agent/sink/owner_reference.h"
#include "agent/sink/secret_object.h"

namespace nodekeep {

// A Secret that a volume needs, and its deletion policy.
struct MirroredSecret {
  KubeSecret secret;
  DeletionPolicy deletion = DeletionPolicy::kDelete;
};

// The volume that needs Secrets, and the owners that it gives them.
struct SecretClaim {
  std::string volume;  // unique on this node and stable across restarts: "<pod uid>/<volume>"
  std::string namespace_name;
  std::vector<OwnerReference> owners;  // of the pod
  OwnerReference secret_class;
};

enum class SecretWrite { kUnchanged, kCreated, kUpdated };

class MirrorWriter {
 public:
  struct Options {
    std::string node_name;
    Duration recheck = std::chrono::minutes(30);
    // How long an owner stays after its last pod on this node is gone, so that a replacement pod
    // finds the Secret in place.
    Duration linger = std::chrono::minutes(1);
  };

  // `kube` and `clock` must outlive the writer.
  MirrorWriter(KubeClient& kube, const Clock& clock, Options options);

  // Ensures that the Secret exists with this content, and that the claim's owners are among its
  // owners. Errors name the Secret and the step: kPrecondition (created by another client; its type
  // cannot be changed; another class sets the same fields, and the others were written), kDenied
  // (the role lacks a verb), kInvalid (the API server's own message), else as KubeClient.
  Result<SecretWrite> Write(const Context& context, const MirroredSecret& mirrored,
                            const SecretClaim& claim);

  // Records that a volume uses a Secret, without writing it: for volumes found after a restart. All
  // of them must be recorded before the first Sweep, or a Secret in use could be deleted. A claim
  // without owners (not known yet) keeps the Secret unchanged until a Write sets them.
  void Claim(const SecretClaim& claim, const SecretObject& object);
  // For a Secret whose content cannot be built now: the claim's owners are applied to it all the
  // same if it has content of the class, or another node's last pod would delete it under this one.
  // Sends nothing while the same owners were applied within `recheck`. Errors: as Write.
  Status KeepExisting(const Context& context, const SecretObject& object, const SecretClaim& claim);
  // The volume is gone; its claims end after `linger`. Sends no request.
  void Release(std::string_view volume);
  // Removes the owners of ended claims from their Secrets, or deletes the Secrets. Must be called
  // every few seconds. Returns the errors; the next Sweep retries what failed.
  std::vector<Error> Sweep(const Context& context);
  // On shutdown: ends the linger period of released claims now, because they are not persisted.
  void EndLinger();

 private:
  // A Secret, and a class that uses it.
  struct Name {
    std::string namespace_name;
    std::string secret;
    std::string class_mark;  // ClassMark

    auto operator<=>(const Name&) const = default;
    std::string path() const;
    std::string Text() const { return namespace_name + "/" + secret; }
    bool IsSameSecret(const Name& other) const {
      return namespace_name == other.namespace_name && secret == other.secret;
    }
  };

  struct Held {
    std::vector<OwnerReference> owners;
    std::optional<SteadyTime> until;  // released: when the claim ends
  };
  // One version of a Secret; empty = none seen yet.
  struct Version {
    std::string uid;
    std::string resource_version;
  };
  // The state of one class in one Secret as known to this process. Guarded by mutex_.
  struct Known {
    std::map<std::string, Held, std::less<>> claims;  // by volume
    DeletionPolicy deletion = DeletionPolicy::kDelete;
    bool is_busy = false;
    int waiting = 0;                     // threads in Begin
    SecretBytes content;                 // digest last written or found; empty = never
    std::vector<OwnerReference> owners;  // last applied by this node
    Version version;                     // in which content and owners were seen
    SteadyTime checked{};                // last read
    bool must_check = true;
    std::optional<SteadyTime> kept;  // when KeepExisting has applied `owners`, since the last Write
  };
  struct Task;
  // The wanted state after a clean-up.
  struct Remains;

  // Waits until no other thread works on the Secret, then marks it busy until End.
  Status Begin(const Context& context, MutexLock& lock, Known& known) NODEKEEP_REQUIRES(mutex_);
  void End(Known& known) NODEKEEP_REQUIRES(mutex_);

  // The steps of a Write. They store the resulting version in the task.
  Result<SecretWrite> Converge(const Context& context, Task& task);
  Result<SecretWrite> ConvergeOnce(const Context& context, Task& task);
  Result<SecretWrite> Create(const Context& context, Task& task);
  Status RestoreOthers(const Context& context, Task& task, const LiveSecret& live);
  Result<SecretWrite> Adjust(const Context& context, Task& task, const LiveSecret& live);
  Status Withdraw(const Context& context, const Name& name, const std::string& manager,
                  Version& version);
  // As Withdraw, but `owners` stay.
  Status WithdrawAllBut(const Context& context, const Name& name, const std::string& manager,
                        const std::vector<OwnerReference>& owners, Version& version);
  std::vector<OwnerReference> OldOwnersInUse(const Name& name, const LiveSecret& live);
  Status KeepExistingOnce(const Context& context, const Name& name,
                          const std::vector<OwnerReference>& owners);
  Status DeleteForReplacement(const Context& context, const Task& task, const LiveSecret& live);
  Status ClaimOwners(const Context& context, Task& task, const std::string& uid);
  // Applies owners of this node. Returns the Secret's resulting metadata.
  Result<LiveSecret> ApplyClaim(const Context& context, const Name& name, Json body);
  static Version VersionOf(const LiveSecret& live);
  void CheckAgain(const Name& name) NODEKEEP_REQUIRES(mutex_);

  // The steps of a Sweep.
  Status SweepOne(const Context& context, const Name& name);
  Status CleanUp(const Context& context, const Name& name, const Remains& remains);
  Status CleanUpOnce(const Context& context, const Name& name, const Remains& remains);
  // The owners that this node's claims, of all classes, give to a Secret; nullopt if those of one
  // are not known yet.
  std::optional<std::vector<OwnerReference>> OwnersOfSecret(const Name& name) const
      NODEKEEP_REQUIRES(mutex_);

  KubeClient& kube_;
  const Clock& clock_;
  const Options options_;
  const std::string old_manager_;  // OldClaimManager of this node
  const SecretBytes key_;          // of the digests

  Mutex mutex_;
  std::condition_variable_any idle_;  // an entry is no longer busy
  // An entry that is busy or has waiters is not erased.
  std::map<Name, Known> secrets_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep
