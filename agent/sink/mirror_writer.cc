#include "agent/sink/mirror_writer.h"

#include <algorithm>
#include <utility>

#include "agent/base/digest.h"
#include "agent/base/mutex.h"
#include "agent/kube/resource.h"
#include "agent/kube/retry_on_conflict.h"
#include "agent/sink/shared_content.h"

namespace nodekeep {
namespace {

// After this many conflicts another controller keeps changing the Secret: the next Write or Sweep
// tries again. Four classes that keep writing one Secret at once have a third of their writes in
// conflict, so five in a row were seen.
constexpr int kMaxAttempts = 12;

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

bool Contains(const std::vector<OwnerReference>& owners, const OwnerReference& owner) {
  return std::find(owners.begin(), owners.end(), owner) != owners.end();
}

}  // namespace

std::string MirrorWriter::Name::path() const {
  return kSecretResource.ObjectPath(namespace_name, secret);
}

// One Write: the wanted state, and what is known of the current state.
struct MirrorWriter::Task {
  Name name;
  const KubeSecret& secret;
  DeletionPolicy deletion;
  std::string_view class_name;
  Json content;                          // ContentBody
  std::string manager;                   // of the content
  std::vector<OwnerReference> owners{};  // set by this node
  bool is_known = false;                 // this content was written or found before
  bool is_fresh = false;                 // `version` need not be read again
  Version version{};                     // last seen
  std::optional<LiveSecret> replaced{};  // the Secret that was deleted to be created again
  bool is_restored = false;              // RestoreOthers is done
  // Owners of `replaced` by class, also those set by other nodes.
  std::map<std::string, std::vector<OwnerReference>> inherited{};
  SharedContent share{};    // as of the last read
  bool must_check = false;  // the next Write reads the Secret again

  std::string path() const { return name.path(); }
};

struct MirrorWriter::Remains {
  std::vector<OwnerReference> owners;  // of the class on this node
  // Of all classes on this node; nullopt = some are not known.
  std::optional<std::vector<OwnerReference>> of_all_classes;
};

MirrorWriter::MirrorWriter(KubeClient& kube, const Clock& clock, Options options)
    : kube_(kube),
      clock_(clock),
      options_(std::move(options)),
      old_manager_(OldClaimManager(options_.node_name)),
      key_(RandomBytes(32)) {}

Result<SecretWrite> MirrorWriter::Write(const Context& context, const MirroredSecret& mirrored,
                                        const SecretClaim& claim) {
  const KubeSecret& secret = mirrored.secret;
  std::vector<OwnerReference> content_owners;
  if (mirrored.deletion == DeletionPolicy::kWithClass) content_owners = {claim.secret_class};
  const std::string mark = ClassMark(claim.secret_class.name);
  Task task{.name = {claim.namespace_name, secret.name, mark},
            .secret = secret,
            .deletion = mirrored.deletion,
            .class_name = claim.secret_class.name,
            .content = ContentBody(secret, content_owners),
            .manager = ContentManager(mark)};
  SecretBytes digest = HmacSha256(key_, {GoJson(task.content).Reveal()});

  MutexLock lock(mutex_);
  Known& known = secrets_[task.name];
  known.claims[claim.volume] = Held{claim.owners, std::nullopt};
  known.deletion = task.deletion;
  Status begun = Begin(context, lock, known);
  if (!begun.ok()) return begun.error().Prepend("secret {}", task.name.Text());
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
  known.kept.reset();
  task.is_fresh = is_fresh && !known.version.uid.empty();
  task.version = known.version;
  lock.unlock();
  Result<SecretWrite> done = Converge(context, task);
  lock.lock();
  if (done.ok()) {
    for (auto& [class_mark, owners] : task.inherited) {
      // By then those nodes have read the Secret again and set their owners themselves.
      secrets_[{task.name.namespace_name, task.name.secret, class_mark}]
          .claims[std::string(kInherited)] =
          Held{std::move(owners), clock_.Now() + 2 * options_.recheck};
    }
    if (task.must_check) known.must_check = true;
    if (!task.share.refused.empty() && *done != SecretWrite::kUnchanged) CheckAgain(task.name);
    known.content = std::move(digest);
    known.owners = std::move(task.owners);
    known.version = std::move(task.version);
    // Owners that were applied without a read do not postpone the next read.
    if (!task.is_fresh) known.checked = clock_.Now();
  } else {
    known.must_check = true;
  }
  End(known);
  if (!done.ok()) return Explained(done.error()).Prepend("secret {}", task.name.Text());
  if (std::string fault = task.share.Fault(); !fault.empty()) {
    return Error(ErrorCode::kPrecondition, std::move(fault)).Prepend("secret {}", task.name.Text());
  }
  return done;
}

// Other classes with the same Secret, which report on their pods what this one was refused.
void MirrorWriter::CheckAgain(const Name& name) {
  const Name first{name.namespace_name, name.secret, ""};
  for (auto entry = secrets_.lower_bound(first);
       entry != secrets_.end() && entry->first.IsSameSecret(name); ++entry) {
    entry->second.must_check = true;
  }
}

Result<SecretWrite> MirrorWriter::Converge(const Context& context, Task& task) {
  if (task.is_fresh) {
    Json body = ClaimBody(task.secret.name, task.version.uid, task.owners);
    body["metadata"]["resourceVersion"] = task.version.resource_version;
    Result<LiveSecret> claimed = ApplyClaim(context, task.name, std::move(body));
    if (claimed.ok()) {
      task.version = VersionOf(*claimed);
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
    if (found.error().code() != ErrorCode::kNotFound) return found.error();
    if (!task.replaced) task.share = {};  // of a Secret that was deleted meanwhile
    return Create(context, task);
  }
  const LiveSecret live(*std::move(found));
  if (!live.IsMirror() && !live.IsOfferedForAdoption()) {
    return Error(ErrorCode::kPrecondition,
                 "exists and was created by another client, so it is left unchanged: choose "
                 "another secretName, delete it, or let the agent adopt it by setting the "
                 "annotation nodekeep/adopt: \"true\" on it");
  }
  Result<SharedContent> share = ShareContent(
      live, {.class_name = task.class_name, .content = task.content, .deletion = task.deletion});
  if (!share.ok()) return share.error();
  task.share = *std::move(share);
  task.must_check =
      !task.share.Fault().empty() || live.HasFieldsOf(kOldContentManager) || live.HasOldClaims();
  if (task.replaced && !task.is_restored) {
    // Another class's agent was faster to create it again.
    Status restored = RestoreOthers(context, task, live);
    if (!restored.ok()) return restored.error();
    return ConvergeOnce(context, task);
  }
  const bool cannot_change = live.type() != task.secret.type ||
                             (live.is_immutable() && !live.Holds(task.share.body, task.manager));
  if (!cannot_change) return Adjust(context, task, live);
  Status deleted = DeleteForReplacement(context, task, live);
  if (!deleted.ok()) return deleted.error();
  task.replaced = live;
  task.is_restored = false;
  Result<SecretWrite> created = Create(context, task);
  if (!created.ok()) return created;
  return SecretWrite::kUpdated;
}

// Two requests: a process killed between them leaves a complete Secret without owners, which the
// garbage collector does not delete.
Result<SecretWrite> MirrorWriter::Create(const Context& context, Task& task) {
  const Json& content = task.replaced ? task.share.body : task.content;
  // Without force: a Secret created by another client at the same time is not overwritten.
  Result<Json> made = kube_.Apply(context, task.path(), content, task.manager, false);
  if (!made.ok()) return made.error();
  const LiveSecret live(*std::move(made));
  if (live.HasForeignMaker()) {
    Result<Json> withdrawn = kube_.Apply(
        context, task.path(), ClaimBody(task.secret.name, live.uid(), {}), task.manager, false);
    if (!withdrawn.ok()) return withdrawn.error();
    return Error(ErrorCode::kConflict, "was created by another client at the same time");
  }
  if (!OtherClassesOf(live, task.name.class_mark).empty()) {
    return Error(ErrorCode::kConflict, "was created for another class at the same time");
  }
  task.version = VersionOf(live);
  if (task.replaced) {
    Status restored = RestoreOthers(context, task, live);
    if (!restored.ok()) return restored.error();
  }
  if (task.deletion != DeletionPolicy::kDelete || task.owners.empty()) return SecretWrite::kCreated;
  Status claimed = ClaimOwners(context, task, live.uid());
  if (!claimed.ok()) return claimed.error();
  return SecretWrite::kCreated;
}

// The content of other classes, unless their agents have restored it themselves, and the owners
// that all nodes had set: until those nodes read the Secret again, this one sets them.
Status MirrorWriter::RestoreOthers(const Context& context, Task& task, const LiveSecret& live) {
  const std::string uid = live.uid();
  const LiveSecret& replaced = *task.replaced;
  std::vector<OwnerReference> own = replaced.owners();
  for (const std::string& mark : OtherClassesOf(replaced, task.name.class_mark)) {
    const std::string manager = ContentManager(mark);
    if (!live.HasFieldsOf(manager)) {
      Json body = replaced.ContentOf(manager);
      body["metadata"]["uid"] = uid;
      Result<Json> content = kube_.Apply(context, task.path(), body, manager, true);
      if (!content.ok()) return content.error();
    }
    std::vector<OwnerReference> owners = replaced.OwnersOfClass(mark);
    std::erase_if(own, [&owners](const auto& owner) { return Contains(owners, owner); });
    if (owners.empty()) continue;
    Result<LiveSecret> claimed =
        ApplyClaim(context, {task.name.namespace_name, task.name.secret, mark},
                   ClaimBody(task.secret.name, uid, owners));
    if (!claimed.ok()) return claimed.error();
    task.inherited[mark] = std::move(owners);
  }
  task.is_restored = true;
  if (task.deletion != DeletionPolicy::kDelete) return {};
  Append(replaced.OwnersOfClass(task.name.class_mark), own);
  Append(own, task.owners);
  task.owners = Distinct(std::move(task.owners));
  if (!own.empty()) task.inherited[task.name.class_mark] = Distinct(std::move(own));
  return {};
}

Status MirrorWriter::ClaimOwners(const Context& context, Task& task, const std::string& uid) {
  Result<LiveSecret> claimed =
      ApplyClaim(context, task.name, ClaimBody(task.secret.name, uid, task.owners));
  if (!claimed.ok()) return claimed.error();
  // Until then the class had no pod, so that another one may have removed its content.
  if (claimed->HasManagers() && !claimed->HasFieldsOf(task.manager)) {
    return Error(ErrorCode::kConflict, "its content was removed at the same time");
  }
  task.version = VersionOf(*claimed);
  return {};
}

Result<SecretWrite> MirrorWriter::Adjust(const Context& context, Task& task,
                                         const LiveSecret& live) {
  task.version = VersionOf(live);
  const SharedContent& share = task.share;
  const bool is_untouched = live.IsUntouched(share.body, task.manager);
  const bool is_content_due = !is_untouched || share.must_apply ||
                              (!task.is_known && !live.Holds(share.body, task.manager));
  const std::vector<std::string> extra = live.ExtraKeys(share.body, task.manager);
  if (is_content_due) {
    Json body = share.body;
    body["metadata"]["uid"] = live.uid();
    // Keys are removed below: another class must not have set one of them since the read.
    if (!extra.empty()) body["metadata"]["resourceVersion"] = live.resource_version();
    // Fields that the class does not have yet: a value of another client is replaced, one that
    // another class has set meanwhile is not.
    Result<Json> applied = kube_.Apply(context, task.path(), body, task.manager, is_untouched);
    if (!applied.ok() && IsConflict(applied.error()) && !is_untouched) {
      body["metadata"]["resourceVersion"] = live.resource_version();
      applied = kube_.Apply(context, task.path(), body, task.manager, true);
    }
    if (!applied.ok()) return applied.error();
    task.version = VersionOf(LiveSecret(*std::move(applied)));
  }
  for (const std::string& manager : share.obsolete) {
    Status withdrawn = Withdraw(context, task.name, manager, task.version);
    if (!withdrawn.ok()) return withdrawn.error();
  }
  if (is_content_due && !extra.empty()) {
    Json body;
    body["metadata"]["uid"] = live.uid();
    body["metadata"]["resourceVersion"] = task.version.resource_version;
    for (const std::string& key : extra) body["data"][key] = Json::null();
    Result<Json> pruned = kube_.MergePatch(context, task.path(), body);
    if (!pruned.ok()) return pruned.error();
    task.version = VersionOf(LiveSecret(*std::move(pruned)));
  }
  const bool is_claim_due =
      live.OwnersNamedBy(ClaimManager(options_.node_name, task.name.class_mark)) != task.owners;
  if (is_claim_due) {
    Status claimed = ClaimOwners(context, task, live.uid());
    if (!claimed.ok()) return claimed.error();
  }
  const std::vector<OwnerReference> old_in_use = OldOwnersInUse(task.name, live);
  const bool is_old_claim_due = live.OwnersNamedBy(old_manager_) != old_in_use;
  if (is_old_claim_due) {
    Status withdrawn = WithdrawAllBut(context, task.name, old_manager_, old_in_use, task.version);
    if (!withdrawn.ok()) return withdrawn.error();
  }
  const bool is_changed =
      is_content_due || is_claim_due || is_old_claim_due || !share.obsolete.empty();
  return is_changed ? SecretWrite::kUpdated : SecretWrite::kUnchanged;
}

// Removes all that `manager` has set, if the Secret still has that version; updates the version.
Status MirrorWriter::Withdraw(const Context& context, const Name& name, const std::string& manager,
                              Version& version) {
  return WithdrawAllBut(context, name, manager, {}, version);
}

Status MirrorWriter::WithdrawAllBut(const Context& context, const Name& name,
                                    const std::string& manager,
                                    const std::vector<OwnerReference>& owners, Version& version) {
  Json body = ClaimBody(name.secret, version.uid, owners);
  body["metadata"]["resourceVersion"] = version.resource_version;
  Result<Json> applied = kube_.Apply(context, name.path(), body, manager, true);
  if (!applied.ok()) return applied.error();
  version = VersionOf(LiveSecret(*std::move(applied)));
  return {};
}

// The owners that an earlier release set for all classes on this node, and that other classes have
// not set themselves yet. Without them, those classes would seem to have no pod.
std::vector<OwnerReference> MirrorWriter::OldOwnersInUse(const Name& name, const LiveSecret& live) {
  std::vector<OwnerReference> old = live.OwnersNamedBy(old_manager_);
  std::vector<OwnerReference> waiting;
  MutexLock lock(mutex_);
  const Name first{name.namespace_name, name.secret, ""};
  for (auto entry = secrets_.lower_bound(first);
       entry != secrets_.end() && entry->first.IsSameSecret(name); ++entry) {
    if (entry->first.class_mark == name.class_mark) continue;
    const std::vector<OwnerReference> set =
        live.OwnersNamedBy(ClaimManager(options_.node_name, entry->first.class_mark));
    for (const auto& [volume, held] : entry->second.claims) {
      if (held.owners.empty()) return old;  // not known yet
      for (const OwnerReference& owner : held.owners) {
        if (!Contains(set, owner)) waiting.push_back(owner);
      }
    }
  }
  std::erase_if(old, [&waiting](const auto& owner) { return !Contains(waiting, owner); });
  return old;
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

Result<LiveSecret> MirrorWriter::ApplyClaim(const Context& context, const Name& name, Json body) {
  Result<Json> applied = kube_.Apply(context, name.path(), body,
                                     ClaimManager(options_.node_name, name.class_mark), true);
  if (!applied.ok()) return applied.error();
  return LiveSecret(*std::move(applied));
}

void MirrorWriter::Claim(const SecretClaim& claim, const SecretObject& object) {
  MutexLock lock(mutex_);
  Known& known =
      secrets_[{claim.namespace_name, object.secret_name, ClassMark(claim.secret_class.name)}];
  known.claims[claim.volume] = Held{claim.owners, std::nullopt};
  known.deletion = object.deletion;
}

Status MirrorWriter::KeepExisting(const Context& context, const SecretObject& object,
                                  const SecretClaim& claim) {
  Claim(claim, object);
  if (object.deletion != DeletionPolicy::kDelete) return {};
  const Name name{claim.namespace_name, object.secret_name, ClassMark(claim.secret_class.name)};
  MutexLock lock(mutex_);
  Known& known = secrets_[name];
  Status begun = Begin(context, lock, known);
  if (!begun.ok()) return begun.error().Prepend("secret {}", name.Text());
  std::vector<OwnerReference> owners;
  for (const auto& [volume, held] : known.claims) Append(held.owners, owners);
  owners = Distinct(std::move(owners));
  const SteadyTime now = clock_.Now();
  if (known.kept && now - *known.kept < options_.recheck && known.owners == owners) {
    End(known);
    return {};
  }
  lock.unlock();
  Status kept =
      RetryOnConflict(kMaxAttempts, [&] { return KeepExistingOnce(context, name, owners); });
  lock.lock();
  // Of the content nothing is known.
  known.must_check = true;
  known.kept.reset();
  if (kept.ok()) {
    known.kept = now;
    known.owners = std::move(owners);
  }
  End(known);
  // Another node may create it while this one cannot: its owners are due then.
  if (!kept.ok() && kept.error().code() == ErrorCode::kNotFound) return {};
  return kept.ok() ? kept : Explained(kept.error()).Prepend("secret {}", name.Text());
}

// kNotFound: the Secret does not exist, or has no content of the class.
Status MirrorWriter::KeepExistingOnce(const Context& context, const Name& name,
                                      const std::vector<OwnerReference>& owners) {
  Result<Json> found = kube_.Get(context, name.path());
  if (!found.ok()) return found.error();
  const LiveSecret live(*std::move(found));
  const bool has_content =
      live.HasFieldsOf(ContentManager(name.class_mark)) || live.HasFieldsOf(kOldContentManager);
  if (!live.IsMirror() || !has_content) {
    return Error(ErrorCode::kNotFound, "has no content of the class");
  }
  if (live.OwnersNamedBy(ClaimManager(options_.node_name, name.class_mark)) == owners) return {};
  Result<LiveSecret> claimed =
      ApplyClaim(context, name, ClaimBody(name.secret, live.uid(), owners));
  return claimed.ok() ? Status() : Status(claimed.error());
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
      errors.push_back(Explained(swept.error()).Prepend("secret {}: clean up", name.Text()));
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
    const Remains remains{std::move(remaining), OwnersOfSecret(name)};
    lock.unlock();
    cleaned_up = CleanUp(context, name, remains);
    lock.lock();
  }
  // A claim that was renewed meanwhile has no end any more, so it stays.
  if (cleaned_up.ok()) std::erase_if(known.claims, is_over);
  End(known);
  if (known.claims.empty() && known.waiting == 0) secrets_.erase(name);
  return cleaned_up;
}

std::optional<std::vector<OwnerReference>> MirrorWriter::OwnersOfSecret(const Name& name) const {
  const SteadyTime now = clock_.Now();
  std::vector<OwnerReference> owners;
  const Name first{name.namespace_name, name.secret, ""};
  for (auto entry = secrets_.lower_bound(first);
       entry != secrets_.end() && entry->first.IsSameSecret(name); ++entry) {
    for (const auto& [volume, held] : entry->second.claims) {
      if (held.until && *held.until <= now) continue;
      if (held.owners.empty()) return std::nullopt;
      Append(held.owners, owners);
    }
  }
  return owners;
}

Status MirrorWriter::CleanUp(const Context& context, const Name& name, const Remains& remains) {
  return RetryOnConflict(kMaxAttempts, [&] { return CleanUpOnce(context, name, remains); });
}

// Each write is bound to the version that was read: two nodes that clean up the Secret at the same
// time must not each conclude that the other still uses it.
Status MirrorWriter::CleanUpOnce(const Context& context, const Name& name, const Remains& remains) {
  Result<Json> found = kube_.Get(context, name.path());
  if (!found.ok()) {
    if (found.error().code() == ErrorCode::kNotFound) return {};
    return found.error();
  }
  const LiveSecret live(*std::move(found));
  // The annotation on the Secret is from the newest class, Known::deletion possibly an older one.
  if (!live.IsMirror() || live.IsKept()) return {};
  const std::string manager = ClaimManager(options_.node_name, name.class_mark);
  const std::vector<OwnerReference> old_owners = live.OwnersNamedBy(old_manager_);
  std::vector<OwnerReference> old_remaining = old_owners;
  if (remains.of_all_classes) {
    std::erase_if(old_remaining, [&remains](const OwnerReference& owner) {
      return !Contains(*remains.of_all_classes, owner);
    });
  }
  std::set<std::string> leaving{manager};
  if (old_remaining.empty()) leaving.insert(old_manager_);
  if (remains.owners.empty() && !live.HasOwnersBesides(leaving)) {
    // An adopted Secret may have users other than the pods of this class.
    if (live.HasForeignMaker()) return {};
    return kube_.Delete(context, name.path(), live.uid(), live.resource_version());
  }
  Version version = VersionOf(live);
  const std::string content_manager = ContentManager(name.class_mark);
  const bool is_last = remains.owners.empty() &&
                       live.OwnersOfClass(name.class_mark, manager).empty() &&
                       !live.HasOldClaims(old_manager_);
  if (is_last && live.HasFieldsOf(content_manager) &&
      !OtherClassesOf(live, name.class_mark).empty() && !IsAwaited(live, name.class_mark)) {
    Status withdrawn = Withdraw(context, name, content_manager, version);
    // The type may require these keys: then they stay until another class sets them.
    if (!withdrawn.ok() && withdrawn.error().code() != ErrorCode::kInvalid) return withdrawn;
  }
  if (live.OwnersNamedBy(manager) != remains.owners) {
    Json body = ClaimBody(name.secret, live.uid(), remains.owners);
    body["metadata"]["resourceVersion"] = version.resource_version;
    Result<LiveSecret> claimed = ApplyClaim(context, name, std::move(body));
    if (!claimed.ok()) return claimed.error();
    version = VersionOf(*claimed);
  }
  if (old_remaining == old_owners) return {};
  Json body = ClaimBody(name.secret, live.uid(), old_remaining);
  body["metadata"]["resourceVersion"] = version.resource_version;
  Result<Json> claimed = kube_.Apply(context, name.path(), body, old_manager_, true);
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
