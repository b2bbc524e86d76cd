#include "agent/sink/mirror_writer.h"

#include <algorithm>
#include <utility>

#include "agent/base/digest.h"
#include "agent/base/mutex.h"
#include "agent/kube/resource.h"
#include "agent/kube/retry_on_conflict.h"

namespace nodekeep {
namespace {

// After this many conflicts another controller keeps changing the Secret: the next Write or Sweep
// tries again.
constexpr int kMaxAttempts = 5;

Error Explained(const Error& error) {
  if (error.code() != ErrorCode::kDenied) return error;
  return Error(error.code(), error.message() +
                                 ": the agent's ClusterRole needs the verbs get, create, patch "
                                 "and delete on secrets to mirror secretObjects");
}

// The key in Known::claims for the owners that other nodes had set on a Secret that was replaced.
// No volume has that name.
constexpr std::string_view kInherited = "inherited";

void Append(const std::vector<OwnerReference>& more, std::vector<OwnerReference>& owners) {
  owners.insert(owners.end(), more.begin(), more.end());
}

}  // namespace

// One Write: the wanted state, and what is known of the current state.
struct MirrorWriter::Task {
  Name name;
  const KubeSecret& secret;
  DeletionPolicy deletion;
  Json content;                             // ContentBody
  std::vector<OwnerReference> owners{};     // set by this node
  std::vector<OwnerReference> inherited{};  // of a Secret that was replaced, set by other nodes
  bool is_known = false;                    // this content was written or found before
  bool is_fresh = false;                    // `version` need not be read again
  Version version{};                        // last seen

  std::string path() const { return kSecretResource.ObjectPath(name.first, name.second); }
};

MirrorWriter::MirrorWriter(KubeClient& kube, const Clock& clock, Options options)
    : kube_(kube),
      clock_(clock),
      options_(std::move(options)),
      manager_(NodeManager(options_.node_name)),
      key_(RandomBytes(32)) {}

Result<SecretWrite> MirrorWriter::Write(const Context& context, const MirroredSecret& mirrored,
                                        const SecretClaim& claim) {
  const KubeSecret& secret = mirrored.secret;
  std::vector<OwnerReference> content_owners;
  if (mirrored.deletion == DeletionPolicy::kWithClass) content_owners = {claim.secret_class};
  Task task{.name = {claim.namespace_name, secret.name},
            .secret = secret,
            .deletion = mirrored.deletion,
            .content = ContentBody(secret, content_owners)};
  SecretBytes digest = HmacSha256(key_, {GoJson(task.content).Reveal()});

  MutexLock lock(mutex_);
  Known& known = secrets_[task.name];
  known.claims[claim.volume] = Held{claim.owners, std::nullopt};
  known.deletion = task.deletion;
  Status begun = Begin(context, lock, known);
  if (!begun.ok()) return begun.error().Prepend("secret {}/{}", claim.namespace_name, secret.name);
  if (task.deletion == DeletionPolicy::kDelete) {
    for (const auto& [volume, held] : known.claims) Append(held.owners, task.owners);
    task.owners = Distinct(std::move(task.owners));
  }
  task.is_known = ConstantTimeEqual(known.content, digest);
  const bool is_fresh =
      task.is_known && !known.must_check && clock_.Now() - known.checked < options_.recheck;
  if (is_fresh && known.owners == task.owners) {
    End(known);
    return SecretWrite::kUnchanged;
  }
  known.must_check = false;
  task.is_fresh = is_fresh && !known.version.uid.empty();
  task.version = known.version;
  lock.unlock();
  Result<SecretWrite> done = Converge(context, task);
  lock.lock();
  if (done.ok()) {
    if (!task.inherited.empty()) {
      // By then those nodes have read the Secret again and set their owners themselves.
      known.claims[std::string(kInherited)] =
          Held{std::move(task.inherited), clock_.Now() + 2 * options_.recheck};
    }
    known.content = std::move(digest);
    known.owners = std::move(task.owners);
    known.version = std::move(task.version);
    // Owners that were applied without a read do not postpone the next read.
    if (!task.is_fresh) known.checked = clock_.Now();
  } else {
    known.must_check = true;
  }
  End(known);
  if (!done.ok()) {
    return Explained(done.error()).Prepend("secret {}/{}", claim.namespace_name, secret.name);
  }
  return done;
}

Result<SecretWrite> MirrorWriter::Converge(const Context& context, Task& task) {
  if (task.is_fresh) {
    Json body = ClaimBody(task.secret.name, task.version.uid, task.owners);
    body["metadata"]["resourceVersion"] = task.version.resource_version;
    Result<Version> claimed = ApplyClaim(context, task.name, std::move(body));
    if (claimed.ok()) {
      task.version = *std::move(claimed);
      return SecretWrite::kUpdated;
    }
    // It has changed since then: read it as if never seen.
    const ErrorCode code = claimed.error().code();
    if (code != ErrorCode::kConflict && code != ErrorCode::kInvalid) return claimed.error();
    task.is_fresh = false;
  }
  // If the Secret was replaced after the read, its uid differs: the API server returns Conflict if
  // no Secret of that name exists at the moment, and Invalid if one does. Invalid content gets the
  // same response, so Invalid is retried only once.
  return RetryOnConflict(
      kMaxAttempts, [&] { return ConvergeOnce(context, task); },
      [](const Error& error, int attempt) {
        return IsConflict(error) || (error.code() == ErrorCode::kInvalid && attempt == 1);
      });
}

Result<SecretWrite> MirrorWriter::ConvergeOnce(const Context& context, Task& task) {
  Result<Json> found = kube_.Get(context, task.path());
  if (!found.ok()) {
    if (found.error().code() == ErrorCode::kNotFound) return Create(context, task, {});
    return found.error();
  }
  const LiveSecret live(*std::move(found));
  if (!live.IsMirror() && !live.IsOfferedForAdoption()) {
    return Error(ErrorCode::kPrecondition,
                 "exists and was created by another client, so it is left unchanged: choose "
                 "another secretName, delete it, or let the agent adopt it by setting the "
                 "annotation nodekeep/adopt: \"true\" on it");
  }
  const bool cannot_change =
      live.type() != task.secret.type || (live.is_immutable() && !live.Holds(task.content));
  if (!cannot_change) return Adjust(context, task, live);
  Status deleted = DeleteForReplacement(context, task, live);
  if (!deleted.ok()) return deleted.error();
  Result<SecretWrite> created = Create(context, task, live.owners());
  if (!created.ok()) return created;
  return SecretWrite::kUpdated;
}

// Two requests: a process killed between them leaves a complete Secret without owners, which the
// garbage collector does not delete.
Result<SecretWrite> MirrorWriter::Create(const Context& context, Task& task,
                                         const std::vector<OwnerReference>& inherited) {
  // Without force: a Secret created by another client at the same time is not overwritten.
  Result<Json> made = kube_.Apply(context, task.path(), task.content, kContentManager, false);
  if (!made.ok()) return made.error();
  const LiveSecret live(*std::move(made));
  if (live.HasForeignMaker()) {
    Result<Json> withdrawn = kube_.Apply(
        context, task.path(), ClaimBody(task.secret.name, live.uid(), {}), kContentManager, false);
    if (!withdrawn.ok()) return withdrawn.error();
    return Error(ErrorCode::kConflict, "was created by another client at the same time");
  }
  task.version = VersionOf(live);
  if (task.deletion != DeletionPolicy::kDelete) return SecretWrite::kCreated;
  // Not cleared on a second attempt, which finds the Secret deleted by the first one.
  if (!inherited.empty()) task.inherited = inherited;
  Append(inherited, task.owners);
  task.owners = Distinct(std::move(task.owners));
  if (task.owners.empty()) return SecretWrite::kCreated;
  Result<Version> claimed =
      ApplyClaim(context, task.name, ClaimBody(task.secret.name, live.uid(), task.owners));
  if (!claimed.ok()) return claimed.error();
  task.version = *std::move(claimed);
  return SecretWrite::kCreated;
}

Result<SecretWrite> MirrorWriter::Adjust(const Context& context, Task& task,
                                         const LiveSecret& live) {
  task.version = VersionOf(live);
  const bool is_content_due = task.is_known
                                  ? !live.IsUntouched(task.content)
                                  : !live.Holds(task.content) || !live.IsUntouched(task.content);
  if (is_content_due) {
    Json body = task.content;
    body["metadata"]["uid"] = live.uid();
    Result<Json> applied = kube_.Apply(context, task.path(), body, kContentManager, true);
    if (!applied.ok()) return applied.error();
    task.version = VersionOf(LiveSecret(*std::move(applied)));
  }
  const std::vector<std::string> extra = live.ExtraKeys(task.content);
  if (is_content_due && !extra.empty()) {
    Json body;
    body["metadata"]["uid"] = live.uid();
    for (const std::string& key : extra) body["data"][key] = Json::null();
    Result<Json> pruned = kube_.MergePatch(context, task.path(), body);
    if (!pruned.ok()) return pruned.error();
    task.version = VersionOf(LiveSecret(*std::move(pruned)));
  }
  const bool is_claim_due = live.OwnersNamedBy(manager_) != task.owners;
  if (is_claim_due) {
    Result<Version> claimed =
        ApplyClaim(context, task.name, ClaimBody(task.secret.name, live.uid(), task.owners));
    if (!claimed.ok()) return claimed.error();
    task.version = *std::move(claimed);
  }
  return is_content_due || is_claim_due ? SecretWrite::kUpdated : SecretWrite::kUnchanged;
}

// Type and immutable content cannot be changed: the Secret is deleted and created again.
Status MirrorWriter::DeleteForReplacement(const Context& context, const Task& task,
                                          const LiveSecret& live) {
  if (!live.IsMirror()) {
    return Error::Format(ErrorCode::kPrecondition,
                         "is offered for adoption but {}, and the agent must not delete it: delete "
                         "it, or choose another secretName",
                         live.is_immutable()
                             ? std::string("is immutable")
                             : "has type " + live.type() + ", not " + task.secret.type);
  }
  return kube_.Delete(context, task.path(), live.uid(), live.resource_version());
}

MirrorWriter::Version MirrorWriter::VersionOf(const LiveSecret& live) {
  return {live.uid(), live.resource_version()};
}

Result<MirrorWriter::Version> MirrorWriter::ApplyClaim(const Context& context, const Name& name,
                                                       Json body) {
  Result<Json> applied = kube_.Apply(context, kSecretResource.ObjectPath(name.first, name.second),
                                     body, manager_, true);
  if (!applied.ok()) return applied.error();
  return VersionOf(LiveSecret(*std::move(applied)));
}

void MirrorWriter::Claim(const SecretClaim& claim, const SecretObject& object) {
  MutexLock lock(mutex_);
  Known& known = secrets_[{claim.namespace_name, object.secret_name}];
  known.claims[claim.volume] = Held{claim.owners, std::nullopt};
  known.deletion = object.deletion;
}

void MirrorWriter::Release(std::string_view volume) {
  const SteadyTime end = clock_.Now() + options_.linger;
  MutexLock lock(mutex_);
  for (auto& [name, known] : secrets_) {
    const auto held = known.claims.find(volume);
    if (held != known.claims.end() && !held->second.until) held->second.until = end;
  }
}

void MirrorWriter::EndLinger() {
  const SteadyTime now = clock_.Now();
  MutexLock lock(mutex_);
  for (auto& [name, known] : secrets_) {
    for (auto& [volume, held] : known.claims) {
      if (held.until && volume != kInherited) held.until = std::min(*held.until, now);
    }
  }
}

std::vector<Error> MirrorWriter::Sweep(const Context& context) {
  std::vector<Name> due;
  {
    MutexLock lock(mutex_);
    for (const auto& [name, known] : secrets_) {
      const bool is_due =
          std::any_of(known.claims.begin(), known.claims.end(), [this](const auto& claim) {
            return claim.second.until && *claim.second.until <= clock_.Now();
          });
      if (is_due) due.push_back(name);
    }
  }
  std::vector<Error> errors;
  for (const Name& name : due) {
    Status swept = SweepOne(context, name);
    if (!swept.ok()) {
      errors.push_back(
          Explained(swept.error()).Prepend("secret {}/{}: clean up", name.first, name.second));
    }
  }
  return errors;
}

Status MirrorWriter::SweepOne(const Context& context, const Name& name) {
  MutexLock lock(mutex_);
  Known& known = secrets_[name];
  Status begun = Begin(context, lock, known);
  if (!begun.ok()) return begun;
  const SteadyTime now = clock_.Now();
  const auto is_over = [now](const auto& claim) {
    return claim.second.until && *claim.second.until <= now;
  };
  std::vector<OwnerReference> before;
  std::vector<OwnerReference> remaining;
  bool is_owner_unknown = false;
  for (const auto& claim : known.claims) {
    Append(claim.second.owners, before);
    if (is_over(claim)) continue;
    Append(claim.second.owners, remaining);
    is_owner_unknown = is_owner_unknown || claim.second.owners.empty();
  }
  before = Distinct(std::move(before));
  remaining = Distinct(std::move(remaining));
  if (is_owner_unknown) {
    End(known);
    return {};
  }
  Status cleaned_up;
  if (known.deletion == DeletionPolicy::kDelete && before != remaining) {
    known.must_check = true;
    lock.unlock();
    cleaned_up = CleanUp(context, name, remaining);
    lock.lock();
  }
  // A claim that was renewed meanwhile has no end any more, so it stays.
  if (cleaned_up.ok()) std::erase_if(known.claims, is_over);
  End(known);
  if (known.claims.empty() && known.waiting == 0) secrets_.erase(name);
  return cleaned_up;
}

Status MirrorWriter::CleanUp(const Context& context, const Name& name,
                             const std::vector<OwnerReference>& remaining) {
  return RetryOnConflict(kMaxAttempts, [&] { return CleanUpOnce(context, name, remaining); });
}

// Both the deletion and the claim are bound to the version that was read: two nodes that clean up
// the Secret at the same time must not each conclude that the other still uses it.
Status MirrorWriter::CleanUpOnce(const Context& context, const Name& name,
                                 const std::vector<OwnerReference>& remaining) {
  const std::string path = kSecretResource.ObjectPath(name.first, name.second);
  Result<Json> found = kube_.Get(context, path);
  if (!found.ok()) {
    if (found.error().code() == ErrorCode::kNotFound) return {};
    return found.error();
  }
  const LiveSecret live(*std::move(found));
  // The annotation on the Secret is from the newest class, Known::deletion possibly an older one.
  if (!live.IsMirror() || live.IsKept()) return {};
  if (remaining.empty() && live.IsOwnedThroughOnly(manager_)) {
    // An adopted Secret may have users other than the pods of this class.
    if (live.HasForeignMaker()) return {};
    return kube_.Delete(context, path, live.uid(), live.resource_version());
  }
  if (live.OwnersNamedBy(manager_) == remaining) return {};
  Json body = ClaimBody(name.second, live.uid(), remaining);
  body["metadata"]["resourceVersion"] = live.resource_version();
  Result<Version> claimed = ApplyClaim(context, name, std::move(body));
  return claimed.ok() ? Status() : Status(claimed.error());
}

Status MirrorWriter::Begin(const Context& context, MutexLock& lock, Known& known) {
  ++known.waiting;
  const bool is_free = clock_.WaitUntil(lock, idle_, context.stop(), context.deadline(),
                                        [&known] { return !known.is_busy; });
  --known.waiting;
  Status over = context.Check(clock_);
  if (!over.ok()) return over;
  if (!is_free) return Error(ErrorCode::kCancelled, "gave up waiting for another write of it");
  known.is_busy = true;
  return {};
}

void MirrorWriter::End(Known& known) {
  known.is_busy = false;
  idle_.notify_all();
}

}  // namespace nodekeep
