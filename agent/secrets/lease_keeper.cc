#include "agent/secrets/lease_keeper.h"

#include <algorithm>

#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"

namespace nodekeep {
namespace {

// Per lease. Beyond it, holders without a `gone` function are dropped first. Only with more holders
// than this can a lease be revoked while such a holder still uses it.
constexpr std::size_t kMaxHolders = 4096;

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
                         WorkerPool& pool, const Clock& clock, Logger& log, FetchMetrics& metrics)
    : options_(std::move(options)),
      cache_(cache),
      credentials_(credentials),
      pool_(pool),
      clock_(clock),
      log_(log),
      metrics_(metrics),
      thread_([this](std::stop_token stop) {
        RunGuarded("leases", stop, clock_, options_.on_exception, [&] { Run(stop); });
      }) {}

LeaseKeeper::~LeaseKeeper() {
  // Stops the calls first: with a full pool, the thread runs one itself.
  stop_.request_stop();
  thread_.request_stop();
  thread_.join();
  Drain();
}

void LeaseKeeper::Run(std::stop_token stop) {
  const Context context(SteadyTime::max(), stop);
  while (Sleep(context, clock_, options_.tick).ok()) Tick();
}

void LeaseKeeper::Add(const EntryKey& key, const SessionPtr& session, const Lease& lease) {
  const SteadyTime now = clock_.Now();
  Held held;
  held.key = key;
  held.login = session->login;
  held.lease = lease;
  held.granted_end = now + std::max(lease.lifetime, Duration(1));
  if (!lease.renewable) held.reissue_from = now + lease.lifetime * 2 / 3;
  held.unheld_since = now;
  MutexLock lock(mutex_);
  if (auto same = leases_.find(lease.id); same != leases_.end()) {
    held.holders = std::move(same->second.holders);
    Remove(lease.id);
  }
  Owner& owner = owners_[held.login];
  if (!owner.session || owner.session->number < session->number) owner.session = session;
  owner.leases.insert(lease.id);
  // The login may have been renewed while it obtained the lease.
  held.ends = now + WithinLogin(lease.lifetime, *owner.session, now);
  held.next_try = now + Left(held.ends, now) * 2 / 3;
  of_entry_[key].push_back(lease.id);
  leases_[lease.id] = std::move(held);
}

bool LeaseKeeper::Hold(const std::string& lease, const LeaseHolder& holder) {
  MutexLock lock(mutex_);
  auto found = leases_.find(lease);
  if (found == leases_.end()) return false;
  Held& held = found->second;
  const SteadyTime now = clock_.Now();
  if (held.ending || now >= held.ends) return false;
  held.holders[holder.name] = holder.gone;
  if (held.holders.size() > kMaxHolders) {
    auto unwatched = std::find_if(held.holders.begin(), held.holders.end(),
                                  [](const auto& item) { return item.second == nullptr; });
    if (unwatched != held.holders.end()) held.holders.erase(unwatched);
  }
  for (const std::string& other : of_entry_[held.key]) {
    if (other == lease) continue;
    Held& former = leases_.at(other);
    if (former.holders.erase(holder.name) > 0 && former.holders.empty()) former.unheld_since = now;
  }
  return true;
}

std::vector<LeaseInfo> LeaseKeeper::List() const {
  MutexLock lock(mutex_);
  std::vector<LeaseInfo> list;
  for (const auto& [id, held] : leases_) {
    LeaseInfo info;
    info.ref = held.key.ref.Text();
    info.scope = held.key.scope;
    info.left = std::max(Left(held.ends, clock_.Now()), Duration::zero());
    info.holders = held.holders.size();
    info.retiring = held.ending || of_entry_.at(held.key).back() != id;
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
  std::map<std::string, std::map<std::string, IsGone>> all;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, held] : leases_) {
      if (!held.ending) all[id] = held.holders;
    }
  }
  for (auto& [id, holders] : all) {
    std::erase_if(holders, [](const auto& item) { return !item.second || !item.second(); });
  }
  MutexLock lock(mutex_);
  for (const auto& [id, gone] : all) {
    auto found = leases_.find(id);
    if (found == leases_.end() || gone.empty()) continue;
    Held& held = found->second;
    for (const auto& [name, holder] : gone) held.holders.erase(name);
    // From here on Hold refuses the lease; a mount that is about to serve it holds it already.
    if (held.holders.empty()) held.ending = true;
  }
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
  std::vector<std::pair<std::string, LeaseCall>> calls;
  std::size_t started = 0;
  const OnThrow free_the_others([&] {
    for (; started < calls.size(); ++started) TryLater(calls[started].first);
  });
  std::vector<std::pair<EntryKey, std::string>> aged;
  {
    MutexLock lock(mutex_);
    const SteadyTime now = clock_.Now();
    std::vector<std::string> over;
    for (auto& [id, held] : leases_) {
      const Step step = NextStep(held, now);
      if (step == Step::kOver) over.push_back(id);
      if (step == Step::kRenew) calls.emplace_back(id, &LeaseKeeper::RenewLease);
      if (step == Step::kRevoke) calls.emplace_back(id, &LeaseKeeper::RevokeLease);
      held.busy |= step == Step::kRenew || step == Step::kRevoke;
      held.ending |= step == Step::kRevoke;
      if (now < held.reissue_from) continue;
      aged.push_back({held.key, id});
      held.reissue_from = SteadyTime::max();
    }
    for (const std::string& id : over) Remove(id);
  }
  for (const auto& [key, id] : aged) cache_.ExpireLease(key, id);
  while (started < calls.size()) {
    const auto& [id, call] = calls[started++];
    StartFor(id, call);
  }
}

void LeaseKeeper::StartFor(const std::string& id, LeaseCall call) {
  Start([this, id, call](const Context& context) {
    const OnThrow again([&] { TryLater(id); });
    (this->*call)(context, id);
  });
}

void LeaseKeeper::TryLater(const std::string& id) {
  MutexLock lock(mutex_);
  const auto found = leases_.find(id);
  if (found == leases_.end()) return;
  found->second.busy = false;
  found->second.next_try = clock_.Now() + RetryDelay(found->second.lease.lifetime);
}

void LeaseKeeper::Remove(const std::string& id) {
  auto found = leases_.find(id);
  if (found == leases_.end()) return;
  auto entry = of_entry_.find(found->second.key);
  std::erase(entry->second, id);
  if (entry->second.empty()) of_entry_.erase(entry);
  auto owner = owners_.find(found->second.login);
  owner->second.leases.erase(id);
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

void LeaseKeeper::Start(std::function<void(const Context&)> call) {
  {
    MutexLock lock(mutex_);
    ++calls_;
  }
  auto run = [this, call = std::move(call)] {
    const OnExit over([this] {
      MutexLock lock(mutex_);
      --calls_;
      changed_.notify_all();
    });
    call(Context(clock_.Now() + options_.call_budget, stop_.get_token()));
  };
  // With a full pool, run on this thread rather than lose track of the lease.
  if (!pool_.Post("", run).ok()) run();
}

void LeaseKeeper::RenewLease(const Context& context, const std::string& id) {
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
    cache_.EvictLease(key, id);
  } else {
    cache_.ExpireLease(key, id);
  }
  log_.Warn("lease cannot be extended; the next mount gets new credentials",
            {{"ref", key.ref.Text()}, {"reason", error.message()}});
}

void LeaseKeeper::Renewed(const std::string& id, const Session& session, const Lease& granted) {
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
  cache_.ExtendLease(key, id, left);
  metrics_.CountLeaseEvent(key.ref.provider, at_end ? "at_maximum" : "renewed");
  if (!at_end) return;
  cache_.ExpireLease(key, id);
  log_.Info("lease is near its maximum; the next mount gets new credentials",
            {{"ref", key.ref.Text()}, {"left_ms", left.count()}});
}

void LeaseKeeper::RevokeLease(const Context& context, const std::string& id) {
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
  cache_.EvictLease(key, id);
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
  for (const SessionPtr& session : due) {
    Start([this, session](const Context& context) {
      const OnExit over([&] {
        MutexLock lock(mutex_);
        renewals_[session->login].busy = false;
      });
      bool owns = false;
      {
        MutexLock lock(mutex_);
        owns = owners_.contains(session->login);
      }
      if (!owns && credentials_.DropUnused(*session)) {
        RevokeLogin(context, session);
      } else {
        RenewLogin(context, session);
      }
    });
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
    for (const std::string& id : owner->second.leases) {
      Held& held = leases_.at(id);
      if (held.lease.renewable) continue;
      held.ends = std::min(held.granted_end, renewed->credential.expires);
      // Never zero, which would mean "does not end".
      extensions.push_back({held.key, id, std::max(Left(held.ends, now), Duration(1))});
    }
  }
  for (const Extension& one : extensions) cache_.ExtendLease(one.key, one.lease, one.left);
}

void LeaseKeeper::RevokeLogin(const Context& context, const SessionPtr& session) {
  Result<Credential> credential = session->Open();
  if (!credential.ok()) return;
  Status revoked = session->route.backend->lease_client()->RevokeCredential(
      context, *session->route.options, *credential);
  metrics_.CountLeaseEvent(session->route.provider,
                           revoked.ok() ? "login_given_back" : "login_not_given_back");
}

}  // namespace nodekeep
