#include "agent/secrets/lease_keeper.h"

#include <algorithm>

#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"

namespace nodekeep {
namespace {

// Per lease. Beyond it, holders without a `gone` function are dropped first. Only with more holders
// than this can a lease be revoked while such a holder still uses it.
constexpr std::size_t kMaxHolders = 4096;

// A lease counts once more for each so many bytes of its texts, which the class and its server
// choose.
constexpr std::size_t kBytesPerLease = 4096;

// After a failed renewal: several tries before the lease ends, without flooding the backend.
Duration RetryDelay(Duration lifetime) {
  return std::max<Duration>(lifetime / 12, std::chrono::seconds(5));
}

// The backend granted less than requested: the maximum is near.
bool FallsShort(Duration granted, Duration asked) {
  return granted > Duration::zero() && granted < asked * 9 / 10;
}

Duration Left(SteadyTime end, SteadyTime now) {
  return std::chrono::duration_cast<Duration>(end - now);
}

}  // namespace

Duration WithinLogin(Duration lifetime, const Session& session, SteadyTime now) {
  // Never zero, which would mean "does not end".
  const Duration own = std::max(lifetime, Duration(1));
  if (session.credential.expires == SteadyTime::max()) return own;
  return std::clamp(Left(session.credential.expires, now), Duration(1), own);
}

LeaseKeeper::LeaseKeeper(Options options, Cache& cache, CredentialCache& credentials,
                         WorkerPool& pool, SharedResource& leases, const Clock& clock, Logger& log,
                         FetchMetrics& metrics)
    : options_(std::move(options)),
      cache_(cache),
      credentials_(credentials),
      pool_(pool),
      shares_(leases),
      clock_(clock),
      log_(log),
      metrics_(metrics),
      thread_([this](std::stop_token stop) {
        RunGuarded("leases", stop, clock_, options_.on_exception, [&] { Run(stop); });
      }) {}

LeaseKeeper::~LeaseKeeper() {
  stop_.request_stop();
  thread_.request_stop();
  thread_.join();
  Drain();
}

void LeaseKeeper::Run(std::stop_token stop) {
  const Context context(SteadyTime::max(), stop);
  while (Sleep(context, clock_, options_.tick).ok()) Tick();
}

Status LeaseKeeper::Add(const EntryKey& key, const SessionPtr& session, const Lease& lease,
                        const LeaseOrigin& origin) {
  const LeaseKey id{key.scope, lease.id};
  std::optional<SharedResource::Grant> share =
      shares_.TryTake(origin.namespace_name, 1 + (SizeOf(key) + lease.id.size()) / kBytesPerLease);
  const SteadyTime now = clock_.Now();
  Held held;
  held.key = key;
  held.origin = origin;
  held.login = session->login;
  held.lease = lease;
  held.granted_end = now + std::max(lease.lifetime, Duration(1));
  if (!lease.renewable) held.reissue_from = now + lease.lifetime * 2 / 3;
  held.unheld_since = now;
  std::optional<Error> refused;
  if (!share) {
    refused =
        Error::Format(ErrorCode::kPrecondition,
                      "{}: the volumes of namespace {} have as many leases on this node as one "
                      "namespace may have; use fewer dynamic secrets",
                      key.ref.Text(), origin.namespace_name);
  } else {
    held.share = *std::move(share);
    MutexLock lock(mutex_);
    const auto same = leases_.find(id);
    Volume& volume = volumes_[origin.volume];
    if (same == leases_.end() && !origin.volume.empty() &&
        volume.obtained >= options_.max_per_volume && !Replaces(key, origin.volume)) {
      refused =
          Error::Format(ErrorCode::kPrecondition,
                        "{}: the volume has {} leases already, as many as one volume may have; "
                        "divide its dynamic secrets among several volumes",
                        key.ref.Text(), volume.obtained);
    } else {
      ++volume.obtained;
      if (same != leases_.end()) {
        for (const auto& [name, gone] : same->second.holders) ++volumes_[name].held;
        held.holders = same->second.holders;
        Remove(id);
      }
      Owner& owner = owners_[held.login];
      if (!owner.session || owner.session->number < session->number) owner.session = session;
      owner.leases.insert(id);
      held.ending = owner.revoking;
      held.busy = owner.revoking;
      // The login may have been renewed while it obtained the lease.
      held.ends = now + WithinLogin(lease.lifetime, *owner.session, now);
      held.next_try = now + Left(held.ends, now) * 2 / 3;
      of_entry_[key].push_back(lease.id);
      leases_[id] = std::move(held);
    }
  }
  if (!refused) return {};
  RevokeRefused(session, lease, origin);
  return *refused;
}

// A lease that replaces another one does not count besides it, although that one is revoked later.
bool LeaseKeeper::Replaces(const EntryKey& key, const std::string& volume) const {
  const auto former = of_entry_.find(key);
  if (former == of_entry_.end()) return false;
  return std::any_of(former->second.begin(), former->second.end(), [&](const std::string& lease) {
    mutex_.AssertHeld();
    const Held& held = leases_.at({key.scope, lease});
    return held.origin.volume == volume || held.holders.contains(volume);
  });
}

void LeaseKeeper::RevokeRefused(const SessionPtr& session, const Lease& lease,
                                const LeaseOrigin& origin) {
  const std::string& provider = session->route.provider;
  const bool started = Start(origin.namespace_name, [session, lease](const Context& context) {
    Result<Credential> credential = session->Open();
    if (!credential.ok()) return;
    (void)session->route.backend->lease_client()->RevokeLease(context, *session->route.options,
                                                              *credential, lease);
  });
  // Without a place in the queue of the pool it ends after its lifetime.
  metrics_.CountLeaseEvent(provider, started ? "refused" : "lost");
}

Status LeaseKeeper::Hold(const EntryKey& key, const std::string& lease, const LeaseHolder& holder) {
  MutexLock lock(mutex_);
  const SteadyTime now = clock_.Now();
  auto found = leases_.find({key.scope, lease});
  if (found == leases_.end() || found->second.ending || now >= found->second.ends) {
    return Error::Format(ErrorCode::kNotFound, "the lease of {} has ended", key.ref.Text());
  }
  Held& held = found->second;
  if (!held.holders.contains(holder.name)) {
    std::size_t& count = volumes_[holder.name].held;
    if (count >= options_.max_per_volume && !Replaces(held.key, holder.name)) {
      return Error::Format(ErrorCode::kPrecondition,
                           "{}: the volume uses {} leases already, as many as one volume may use; "
                           "divide its dynamic secrets among several volumes",
                           key.ref.Text(), count);
    }
    ++count;
  }
  held.holders[holder.name] = holder.gone;
  if (held.holders.size() > kMaxHolders) {
    auto unwatched = std::find_if(held.holders.begin(), held.holders.end(),
                                  [](const auto& item) { return item.second == nullptr; });
    if (unwatched != held.holders.end()) EraseHolder(held, std::string(unwatched->first));
  }
  for (const std::string& other : of_entry_[held.key]) {
    if (other == lease) continue;
    Held& former = leases_.at({key.scope, other});
    if (!former.holders.contains(holder.name)) continue;
    EraseHolder(former, holder.name);
    if (former.holders.empty()) former.unheld_since = now;
  }
  return {};
}

void LeaseKeeper::EraseHolder(Held& held, const std::string& holder) {
  if (held.holders.erase(holder) == 0) return;
  --volumes_[holder].held;
  ForgetIfUnused(holder);
}

void LeaseKeeper::ForgetIfUnused(const std::string& volume) {
  const auto found = volumes_.find(volume);
  if (found != volumes_.end() && found->second.held == 0 && found->second.obtained == 0) {
    volumes_.erase(found);
  }
}

std::vector<LeaseInfo> LeaseKeeper::List() const {
  MutexLock lock(mutex_);
  std::vector<LeaseInfo> list;
  for (const auto& [lease, held] : leases_) {
    LeaseInfo info;
    info.ref = held.key.ref.Text();
    info.scope = held.key.scope;
    info.left = std::max(Left(held.ends, clock_.Now()), Duration::zero());
    info.holders = held.holders.size();
    info.retiring = held.ending || of_entry_.at(held.key).back() != lease.id;
    list.push_back(std::move(info));
  }
  return list;
}

void LeaseKeeper::Tick() {
  DropGoneHolders();
  RenewLeases();
  RenewLogins();
  credentials_.ForgetExpired();
}

void LeaseKeeper::DropGoneHolders() {
  std::map<LeaseKey, std::map<std::string, IsGone>> all;
  {
    MutexLock lock(mutex_);
    for (const auto& [lease, held] : leases_) {
      if (!held.ending) all[lease] = held.holders;
    }
  }
  for (auto& [lease, holders] : all) {
    std::erase_if(holders, [](const auto& item) { return !item.second || !item.second(); });
  }
  MutexLock lock(mutex_);
  for (const auto& [lease, gone] : all) {
    auto found = leases_.find(lease);
    if (found == leases_.end() || gone.empty()) continue;
    Held& held = found->second;
    for (const auto& [name, holder] : gone) EraseHolder(held, name);
    // From here on Hold refuses the lease; a mount that is about to serve it holds it already.
    if (held.holders.empty()) held.ending = held.abandoned = true;
  }
}

std::vector<SessionPtr> LeaseKeeper::AbandonedLogins() {
  std::vector<SessionPtr> logins;
  for (auto& [login, owner] : owners_) {
    if (!owner.session->of_one_pod || owner.revoke_each || owner.revoking) continue;
    const bool all = std::all_of(owner.leases.begin(), owner.leases.end(), [&](const LeaseKey& id) {
      mutex_.AssertHeld();
      const Held& held = leases_.at(id);
      return held.abandoned && !held.busy;
    });
    if (!all) continue;
    owner.revoking = true;
    for (const LeaseKey& id : owner.leases) leases_.at(id).busy = true;
    logins.push_back(owner.session);
  }
  return logins;
}

void LeaseKeeper::RevokeAbandoned(const SessionPtr& session) {
  const Error later(ErrorCode::kTransient, "not revoked yet");
  const bool started =
      Start(session->namespace_name, [this, session, later](const Context& context) {
        const OnThrow again([&] { EndRevocation(session->login, later); });
        RevokeWithLeases(context, session);
      });
  if (!started) EndRevocation(session->login, later);
}

void LeaseKeeper::RevokeWithLeases(const Context& context, const SessionPtr& session) {
  credentials_.Drop(*session);
  EndRevocation(session->login, RevokeLogin(context, session));
}

void LeaseKeeper::EndRevocation(std::uint64_t login, const Status& revoked) {
  std::vector<EntryKey> ended;
  std::vector<LeaseKey> leases;
  {
    MutexLock lock(mutex_);
    const auto found = owners_.find(login);
    if (found == owners_.end()) return;
    Owner& owner = found->second;
    owner.revoking = false;
    owner.revoke_each = !revoked.ok() && revoked.error().IsFinal();
    leases.assign(owner.leases.begin(), owner.leases.end());
    for (const LeaseKey& id : leases) {
      leases_.at(id).busy = false;
      ended.push_back(leases_.at(id).key);
      if (revoked.ok()) Remove(id);  // with the last one, removes the owner
    }
  }
  for (std::size_t i = 0; i < leases.size(); ++i) {
    cache_.EvictLease(ended[i], leases[i].id);
    if (revoked.ok()) metrics_.CountLeaseEvent(ended[i].ref.provider, "revoked");
  }
  if (!revoked.ok()) return;
  log_.Info("leases revoked with their login",
            {{"scope", leases.front().scope}, {"leases", leases.size()}});
}

LeaseKeeper::Step LeaseKeeper::NextStep(const Held& held, SteadyTime now) const {
  if (held.busy) return Step::kNothing;
  // It has ended at the backend: there is nothing to renew or revoke.
  if (now >= held.ends) return Step::kOver;
  if (held.ending) return Step::kRevoke;
  if (held.holders.empty() && now >= held.unheld_since + options_.grace) return Step::kRevoke;
  return held.lease.renewable && now >= held.next_try ? Step::kRenew : Step::kNothing;
}

void LeaseKeeper::RenewLeases() {
  struct Due {
    std::string namespace_name;
    LeaseKey lease;
    LeaseCall call;
  };
  std::vector<Due> calls;
  std::vector<SessionPtr> logins;
  std::size_t started = 0;
  std::size_t revoked = 0;
  const OnThrow free_the_others([&] {
    for (; started < calls.size(); ++started) TryLater(calls[started].lease);
    for (; revoked < logins.size(); ++revoked) {
      EndRevocation(logins[revoked]->login, Error(ErrorCode::kTransient, "not revoked yet"));
    }
  });
  std::vector<std::pair<EntryKey, std::string>> aged;
  {
    MutexLock lock(mutex_);
    const SteadyTime now = clock_.Now();
    std::vector<LeaseKey> over;
    logins = AbandonedLogins();
    for (auto& [lease, held] : leases_) {
      const Step step = NextStep(held, now);
      if (step == Step::kOver) over.push_back(lease);
      if (step == Step::kRenew || step == Step::kRevoke) {
        calls.push_back(
            {held.origin.namespace_name, lease,
             step == Step::kRenew ? &LeaseKeeper::RenewLease : &LeaseKeeper::RevokeLease});
        held.busy = true;
      }
      held.ending |= step == Step::kRevoke;
      if (now < held.reissue_from) continue;
      aged.push_back({held.key, lease.id});
      held.reissue_from = SteadyTime::max();
    }
    for (const LeaseKey& lease : over) Remove(lease);
  }
  for (const auto& [key, id] : aged) cache_.ExpireLease(key, id);
  for (; revoked < logins.size(); ++revoked) RevokeAbandoned(logins[revoked]);
  for (; started < calls.size(); ++started) {
    StartFor(calls[started].namespace_name, calls[started].lease, calls[started].call);
  }
}

void LeaseKeeper::StartFor(const std::string& namespace_name, const LeaseKey& lease,
                           LeaseCall call) {
  const bool started = Start(namespace_name, [this, lease, call](const Context& context) {
    const OnThrow again([&] {
      MutexLock lock(mutex_);
      const auto found = leases_.find(lease);
      if (found == leases_.end()) return;
      found->second.busy = false;
      found->second.next_try = clock_.Now() + RetryDelay(found->second.lease.lifetime);
    });
    (this->*call)(context, lease);
  });
  if (!started) TryLater(lease);
}

void LeaseKeeper::TryLater(const LeaseKey& lease) {
  MutexLock lock(mutex_);
  const auto found = leases_.find(lease);
  if (found != leases_.end()) found->second.busy = false;
}

void LeaseKeeper::Remove(const LeaseKey& lease) {
  auto found = leases_.find(lease);
  if (found == leases_.end()) return;
  Held& held = found->second;
  while (!held.holders.empty()) EraseHolder(held, std::string(held.holders.begin()->first));
  --volumes_[held.origin.volume].obtained;
  ForgetIfUnused(held.origin.volume);
  auto entry = of_entry_.find(held.key);
  std::erase(entry->second, lease.id);
  if (entry->second.empty()) of_entry_.erase(entry);
  auto owner = owners_.find(held.login);
  owner->second.leases.erase(lease);
  if (owner->second.leases.empty()) owners_.erase(owner);
  leases_.erase(found);
}

void LeaseKeeper::Drain() {
  MutexLock lock(mutex_);
  changed_.wait(lock, [this] {
    mutex_.AssertHeld();
    return calls_ == 0;
  });
}

bool LeaseKeeper::Start(const std::string& namespace_name,
                        std::function<void(const Context&)> call) {
  {
    MutexLock lock(mutex_);
    ++calls_;
  }
  // Released with the task, whether it has run, was refused, or threw.
  std::shared_ptr<void> counted(nullptr, [this](void*) {
    MutexLock lock(mutex_);
    --calls_;
    changed_.notify_all();
  });
  return pool_
      .Post(namespace_name,
            [this, namespace_name, counted = std::move(counted), call = std::move(call)] {
              call(Context(clock_.Now() + options_.call_budget, stop_.get_token())
                       .WithNamespace(namespace_name));
            })
      .ok();
}

void LeaseKeeper::RenewLease(const Context& context, const LeaseKey& id) {
  SessionPtr session;
  Lease lease;
  EntryKey key;
  {
    MutexLock lock(mutex_);
    auto found = leases_.find(id);
    if (found == leases_.end()) return;
    session = owners_.at(found->second.login).session;
    lease = found->second.lease;
    key = found->second.key;
  }
  Result<Credential> credential = session->Open();
  Result<Lease> renewed = credential.ok()
                              ? session->route.backend->lease_client()->RenewLease(
                                    context, *session->route.options, *credential, lease)
                              : Result<Lease>(credential.error());
  if (renewed.ok()) return Renewed(id, *session, *renewed);

  const Error& error = renewed.error();
  const bool gone = error.code() == ErrorCode::kNotFound;
  {
    MutexLock lock(mutex_);
    auto found = leases_.find(id);
    if (found == leases_.end()) return;
    Held& held = found->second;
    held.busy = false;
    held.next_try = clock_.Now() + RetryDelay(lease.lifetime);
    if (error.IsFinal()) held.lease.renewable = false;
    if (gone) Remove(id);
  }
  metrics_.CountLeaseEvent(key.ref.provider, error.IsFinal() ? "lost" : "renewal_delayed");
  if (!error.IsFinal()) return;
  if (gone) {
    cache_.EvictLease(key, id.id);
  } else {
    cache_.ExpireLease(key, id.id);
  }
  log_.Warn("lease cannot be extended; the next mount gets new credentials",
            {{"ref", key.ref.Text()}, {"reason", error.message()}});
}

void LeaseKeeper::Renewed(const LeaseKey& id, const Session& session, const Lease& granted) {
  EntryKey key;
  Duration left;
  bool at_end = false;
  {
    MutexLock lock(mutex_);
    auto found = leases_.find(id);
    if (found == leases_.end()) return;
    Held& held = found->second;
    const SteadyTime now = clock_.Now();
    key = held.key;
    left = WithinLogin(granted.lifetime, session, now);
    // A lease limited by its login is at its end only if the login cannot be renewed any more.
    at_end = !granted.renewable || FallsShort(granted.lifetime, held.lease.lifetime) ||
             (left < granted.lifetime && !session.credential.renewable);
    held.busy = false;
    held.granted_end = now + std::max(granted.lifetime, Duration(1));
    held.ends = now + left;
    held.next_try = now + left * 2 / 3;
    held.lease.renewable = !at_end;
  }
  cache_.ExtendLease(key, id.id, left);
  metrics_.CountLeaseEvent(key.ref.provider, at_end ? "at_maximum" : "renewed");
  if (!at_end) return;
  cache_.ExpireLease(key, id.id);
  log_.Info("lease is near its maximum; the next mount gets new credentials",
            {{"ref", key.ref.Text()}, {"left_ms", left.count()}});
}

void LeaseKeeper::RevokeLease(const Context& context, const LeaseKey& id) {
  SessionPtr session;
  Lease lease;
  EntryKey key;
  {
    MutexLock lock(mutex_);
    auto found = leases_.find(id);
    if (found == leases_.end()) return;
    session = owners_.at(found->second.login).session;
    lease = found->second.lease;
    key = found->second.key;
  }
  cache_.EvictLease(key, id.id);
  Result<Credential> credential = session->Open();
  Status revoked = credential.ok() ? session->route.backend->lease_client()->RevokeLease(
                                         context, *session->route.options, *credential, lease)
                                   : Status(credential.error());

  const bool again = !revoked.ok() && !revoked.error().IsFinal();
  {
    MutexLock lock(mutex_);
    auto found = leases_.find(id);
    if (found == leases_.end()) return;
    found->second.busy = false;
    if (!again) Remove(id);
  }
  metrics_.CountLeaseEvent(key.ref.provider,
                           revoked.ok() ? "revoked" : again ? "revocation_delayed" : "lost");
  if (!again) {
    log_.Info("lease revoked", {{"ref", key.ref.Text()},
                                {"outcome", revoked.ok() ? "ok" : revoked.error().message()}});
  }
}

std::map<std::uint64_t, SessionPtr> LeaseKeeper::Logins() const {
  std::map<std::uint64_t, SessionPtr> logins;
  for (const auto& [login, owner] : owners_) logins[login] = owner.session;
  return logins;
}

void LeaseKeeper::RenewLogins() {
  std::vector<SessionPtr> current = credentials_.Sessions();
  std::vector<SessionPtr> due;
  {
    MutexLock lock(mutex_);
    std::map<std::uint64_t, SessionPtr> logins = Logins();
    for (SessionPtr& session : current) {
      SessionPtr& known = logins[session->login];
      if (!known || known->number < session->number) known = std::move(session);
    }
    std::erase_if(renewals_, [&](const auto& item) {
      return !item.second.busy && !logins.contains(item.first);
    });
    const SteadyTime now = clock_.Now();
    for (const auto& [login, session] : logins) {
      const Credential& credential = session->credential;
      if (!credential.renewable || credential.lifetime == Duration::zero() ||
          session->route.backend->lease_client() == nullptr || now >= credential.expires ||
          now < session->obtained + credential.lifetime * 2 / 3) {
        continue;
      }
      Renewal& renewal = renewals_[login];
      if (renewal.busy || now < renewal.next_try) continue;
      renewal.busy = true;
      renewal.next_try = now + RetryDelay(credential.lifetime);
      due.push_back(session);
    }
  }
  std::size_t started = 0;
  const auto not_busy = [this](const Session& session) {
    MutexLock lock(mutex_);
    renewals_[session.login].busy = false;
  };
  const OnThrow free_the_others([&] {
    for (; started < due.size(); ++started) not_busy(*due[started]);
  });
  for (; started < due.size(); ++started) {
    const SessionPtr& session = due[started];
    // A login with the node's own credentials serves all namespaces.
    const bool is_shared = !session->route.options->SendsPodToken();
    const std::string share = is_shared ? "" : session->namespace_name;
    const bool posted = Start(share, [=, this](const Context& context) {
      const OnExit over([&] { not_busy(*session); });
      KeepLogin(context, session);
    });
    if (posted) continue;
    MutexLock lock(mutex_);
    renewals_[session->login] = Renewal();  // at the next tick
  }
}

void LeaseKeeper::KeepLogin(const Context& context, const SessionPtr& session) {
  bool owns = false;
  {
    MutexLock lock(mutex_);
    owns = owners_.contains(session->login);
  }
  if (!owns && credentials_.DropUnused(*session)) {
    (void)RevokeLogin(context, session);
  } else {
    RenewLogin(context, session);
  }
}

void LeaseKeeper::RenewLogin(const Context& context, const SessionPtr& session) {
  Result<Credential> credential = session->Open();
  if (!credential.ok()) return;
  Result<Credential> renewed = session->route.backend->lease_client()->RenewCredential(
      context, *session->route.options, *credential);
  if (!renewed.ok()) {
    // The next mount logs in again, while this login still works.
    metrics_.CountLeaseEvent(session->route.provider, "login_not_renewed");
    return;
  }
  const bool at_end = FallsShort(renewed->lifetime, session->credential.lifetime);
  if (at_end) renewed->renewable = false;
  const SessionPtr newest = credentials_.Replace(*session, *std::move(renewed));
  PutOffEnds(newest);
  metrics_.CountLeaseEvent(session->route.provider, at_end ? "login_at_maximum" : "login_renewed");
}

// Moves the end of the login's non-renewable leases to its new expiry. Renewable leases get it with
// their next renewal.
void LeaseKeeper::PutOffEnds(const SessionPtr& renewed) {
  struct Extension {
    EntryKey key;
    std::string lease;
    Duration left;
  };
  std::vector<Extension> extensions;
  {
    MutexLock lock(mutex_);
    auto owner = owners_.find(renewed->login);
    if (owner == owners_.end()) return;
    owner->second.session = renewed;
    const SteadyTime now = clock_.Now();
    for (const LeaseKey& lease : owner->second.leases) {
      Held& held = leases_.at(lease);
      if (held.lease.renewable) continue;
      held.ends = std::min(held.granted_end, renewed->credential.expires);
      // Never zero, which would mean "does not end".
      extensions.push_back({held.key, lease.id, std::max(Left(held.ends, now), Duration(1))});
    }
  }
  for (const Extension& one : extensions) cache_.ExtendLease(one.key, one.lease, one.left);
}

Status LeaseKeeper::RevokeLogin(const Context& context, const SessionPtr& session) {
  Result<Credential> credential = session->Open();
  if (!credential.ok()) return credential.error();
  Status revoked = session->route.backend->lease_client()->RevokeCredential(
      context, *session->route.options, *credential);
  metrics_.CountLeaseEvent(session->route.provider,
                           revoked.ok() ? "login_given_back" : "login_not_given_back");
  return revoked;
}

}  // namespace nodekeep
