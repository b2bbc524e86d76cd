#include "agent/secrets/credential_cache.h"

#include <algorithm>
#include <utility>

#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

// How many pods of one account must be refused before the account itself counts as refused.
constexpr std::size_t kAccountDenialThreshold = 3;

// A login is replaced before it expires, in the last tenth of its lifetime.
bool WorthUsing(const Session& session, SteadyTime now) {
  if (session.credential.expires == SteadyTime::max()) return true;
  return now < session.credential.expires - session.credential.lifetime / 10;
}

// An expired token is not sent: the backend would deny it, and a denial is final. The error is
// transient, because kubelet's next request contains a new token.
std::optional<Error> ExpiredToken(const ReadPlan& plan, WallTime now) {
  for (const std::string& audience : plan.audiences) {
    const ServiceAccountToken* token = plan.identity.Token(audience);
    if (token == nullptr) continue;
    if (now < token->expires) return std::nullopt;
    return Error::Format(
        ErrorCode::kTransient,
        "the token of pod {} for audience \"{}\" has expired at {}; kubelet's next "
        "request for the volume contains a new one",
        plan.identity.Text(), audience, FormatTime(token->expires));
  }
  return std::nullopt;
}

// Removes the oldest items until the map fits its bound, and returns them.
template <typename Map, typename Age>
std::vector<typename Map::node_type> Bound(Map& map, std::size_t bound, Age age) {
  std::vector<typename Map::node_type> oldest;
  while (map.size() > bound) {
    oldest.push_back(
        map.extract(std::min_element(map.begin(), map.end(), [&](const auto& a, const auto& b) {
          return age(a.second) < age(b.second);
        })));
  }
  return oldest;
}

}  // namespace

Result<Credential> Session::Open() const {
  Result<SecretBytes> plain = sealer->Unseal(scope, token);
  if (!plain.ok()) return plain.error().Prepend("open the login of {}", scope);
  Credential open;
  open.token = *std::move(plain);
  open.sharing = credential.sharing;
  open.service_account_uid = credential.service_account_uid;
  open.expires = credential.expires;
  open.lifetime = credential.lifetime;
  open.renewable = credential.renewable;
  return open;
}

CredentialCache::CredentialCache(Options options, WorkerPool& pool, const Clock& clock, Rng& rng,
                                 Logger& log, FetchMetrics& metrics)
    : options_(options),
      clock_(clock),
      rng_(rng),
      log_(log),
      metrics_(metrics),
      sealer_(Sealer::Create()),
      flights_(pool, clock, options.login_budget) {}

Result<SessionPtr> CredentialCache::Get(const Context& context, const ReadPlanPtr& plan,
                                        std::size_t& logins) {
  const LoginKeys& keys = plan->login_keys;
  while (true) {
    if (Status over = context.Check(clock_); !over.ok()) return over.error();
    const SessionPtr old = Use(keys);
    if (old && WorthUsing(*old, clock_.Now())) return old;
    if (std::optional<Error> denial = RememberedDenial(keys)) return *denial;
    if (std::optional<Error> expired = ExpiredToken(*plan, clock_.Wall())) {
      if (old) return old;
      return *expired;
    }

    // While the old login still works, limit the wait for the new one.
    Result<AttemptPtr> attempt = LogInOnce(
        old ? context.WithDeadline(clock_.Now() + options_.patience) : context, plan, logins);
    const std::optional<Error> error = attempt.ok() ? (*attempt)->error : attempt.error();
    const bool own = attempt.ok() && (*attempt)->made_by == keys.own;
    if (error && !error->IsFinal()) {
      // This caller's deadline passed, the pool is full, or the backend is down for all callers.
      if (old && clock_.Now() < old->credential.expires) return old;
      // The old login expired during the limited wait; the caller's own deadline allows more.
      if (old && !attempt.ok() && context.Check(clock_).ok()) continue;
      return *error;
    }
    if (own || !attempt.ok()) {
      if (error) return *error;
      return (*attempt)->session;
    }
    // Made with another pod's token: the next iteration finds the login if it is shareable; a
    // refusal of that token does not apply to this pod.
  }
}

Result<CredentialCache::AttemptPtr> CredentialCache::LogInOnce(const Context& context,
                                                               const ReadPlanPtr& plan,
                                                               std::size_t& logins) {
  const LoginKeys& keys = plan->login_keys;
  // Set only by this call, not by a login for another volume of the same pod.
  auto made = std::make_shared<std::atomic<bool>>(false);
  Result<AttemptPtr> attempt =
      flights_
          .Do(context, {MayShare(keys) ? keys.shared : keys.own},
              [this, plan, made](const Context& own, const std::vector<std::string>&) {
                AttemptPtr done = LogIn(own, *plan);
                *made = done->session != nullptr && !done->made_by.empty();
                return std::vector<Result<AttemptPtr>>{std::move(done)};
              })
          .front();
  if (*made) ++logins;
  return attempt;
}

CredentialCache::AttemptPtr CredentialCache::LogIn(const Context& context, const ReadPlan& plan) {
  const LoginKeys& keys = plan.login_keys;
  auto attempt = std::make_shared<Attempt>();
  // Another call may have logged in since the caller's look-up.
  if (SessionPtr usable = Use(keys); usable && WorthUsing(*usable, clock_.Now())) {
    attempt->session = usable;
    return attempt;
  }
  if (std::optional<Error> denial = RememberedDenial(keys)) {
    attempt->error = *denial;
    return attempt;
  }
  attempt->made_by = keys.own;
  RetryLoop retry(options_.retry, clock_, rng_);
  Result<Credential> credential = retry.Run(context, [&] {
    return plan.route.backend->Authenticate(context, *plan.route.options, plan.identity);
  });
  metrics_.CountLogin(plan.route.provider,
                      credential.ok() ? "ok" : ErrorCodeName(credential.error().code()));
  if (credential.ok()) {
    attempt->session = Keep(plan, *std::move(credential));
    return attempt;
  }
  log_.Warn("login failed", {{"provider", plan.route.provider},
                             {"pod", plan.identity.Text()},
                             {"error", credential.error().message()}});
  if (credential.error().IsFinal()) RememberDenial(keys, credential.error());
  attempt->error = credential.error();
  return attempt;
}

std::shared_ptr<Session> CredentialCache::Make(const std::string& scope, Credential credential,
                                               Route route) const {
  auto session = std::make_shared<Session>();
  session->scope = scope;
  session->obtained = session->logged_in = clock_.Now();
  session->token = sealer_->Seal(scope, credential.token);
  session->sealer = sealer_;
  credential.token.Wipe();
  session->credential = std::move(credential);
  session->route = std::move(route);
  return session;
}

SessionPtr CredentialCache::Keep(const ReadPlan& plan, Credential credential) {
  const LoginKeys& keys = plan.login_keys;
  const bool shared = credential.sharing == Sharing::kServiceAccount && !keys.shared.empty() &&
                      credential.service_account_uid == plan.identity.service_account_uid;
  std::shared_ptr<Session> session =
      Make(shared ? keys.shared : keys.own, std::move(credential), plan.route);
  Slots::node_type unshared, former;
  std::vector<Slots::node_type> oldest;
  MutexLock lock(mutex_);
  session->number = session->login = next_number_++;
  if (shared) {
    never_shared_.erase(keys.shared);
    denials_.erase(keys.shared);
  } else if (!keys.shared.empty()) {
    // The latest reply decides: a login shared until now is no longer shared.
    if (never_shared_.size() >= options_.max_sessions) never_shared_.clear();
    never_shared_.insert(keys.shared);
    unshared = sessions_.extract(keys.shared);
    known_scopes_.erase(keys.shared);
  }
  denials_.erase(keys.own);
  refused_pods_.erase(keys.own);
  former = sessions_.extract(session->scope);
  sessions_[session->scope] = {session, session->obtained};
  known_scopes_[session->scope] = session->obtained;
  oldest = Bound(sessions_, options_.max_sessions, [](const Slot& slot) { return slot.used; });
  Bound(known_scopes_, options_.max_sessions, [](SteadyTime t) { return t; });
  return session;
}

SessionPtr CredentialCache::Use(const LoginKeys& keys) {
  MutexLock lock(mutex_);
  const bool refused = refused_pods_.contains(keys.own);
  for (const std::string* scope : {&keys.own, &keys.shared}) {
    if (refused && scope == &keys.shared) continue;
    auto found = sessions_.find(*scope);
    if (found == sessions_.end()) continue;
    const SteadyTime now = clock_.Now();
    if (now >= found->second.session->credential.expires) continue;
    found->second.used = now;
    return found->second.session;
  }
  return nullptr;
}

std::optional<Error> CredentialCache::RememberedDenial(const LoginKeys& keys) const {
  MutexLock lock(mutex_);
  auto own = denials_.find(keys.own);
  if (own != denials_.end() && clock_.Now() < own->second.until) return own->second.error;
  if (const Error* account = AccountDenial(keys)) return *account;
  return std::nullopt;
}

const Error* CredentialCache::AccountDenial(const LoginKeys& keys) const {
  auto account = denials_.find(keys.shared);
  if (account == denials_.end() || clock_.Now() >= account->second.until) return nullptr;
  return account->second.pods.size() >= kAccountDenialThreshold ? &account->second.error : nullptr;
}

void CredentialCache::RememberDenial(const LoginKeys& keys, const Error& error) {
  const SteadyTime until = clock_.Now() + options_.remember_denial;
  MutexLock lock(mutex_);
  for (const std::string* key : {&keys.own, &keys.shared}) {
    if (key->empty()) continue;
    auto [place, inserted] = denials_.try_emplace(*key, Denial{until, {}, error});
    Denial& denial = place->second;
    if (clock_.Now() >= denial.until) denial.pods.clear();
    denial.until = until;
    denial.error = error;
    if (denial.pods.size() < kAccountDenialThreshold) denial.pods.insert(keys.own);
  }
  refused_pods_[keys.own] = clock_.Now();
  Bound(denials_, options_.max_sessions, [](const Denial& d) { return d.until; });
  Bound(refused_pods_, options_.max_sessions, [](SteadyTime t) { return t; });
}

bool CredentialCache::MayShare(const LoginKeys& keys) const {
  MutexLock lock(mutex_);
  return !keys.shared.empty() && !never_shared_.contains(keys.shared);
}

std::vector<std::string> CredentialCache::KnownScopes(const LoginKeys& keys) const {
  std::vector<std::string> scopes;
  MutexLock lock(mutex_);
  if (refused_pods_.contains(keys.own)) return scopes;
  for (const std::string* scope : {&keys.own, &keys.shared}) {
    if (!scope->empty() && known_scopes_.contains(*scope)) scopes.push_back(*scope);
  }
  return scopes;
}

std::vector<std::string> CredentialCache::RefusedScopes(const LoginKeys& keys) const {
  std::vector<std::string> scopes = {keys.own};
  MutexLock lock(mutex_);
  if (AccountDenial(keys) != nullptr) scopes.push_back(keys.shared);
  return scopes;
}

void CredentialCache::Drop(const Session& session) {
  Slots::node_type gone;
  MutexLock lock(mutex_);
  auto found = sessions_.find(session.scope);
  // Compared by login, not by number: a renewal keeps the token.
  if (found != sessions_.end() && found->second.session->login == session.login) {
    gone = sessions_.extract(found);
  }
}

SessionPtr CredentialCache::Replace(const Session& old, Credential renewed) {
  std::shared_ptr<Session> session = Make(old.scope, std::move(renewed), old.route);
  session->login = old.login;
  session->logged_in = old.logged_in;
  SessionPtr former;
  MutexLock lock(mutex_);
  session->number = next_number_++;
  auto found = sessions_.find(old.scope);
  if (found != sessions_.end() && found->second.session->number == old.number) {
    former = std::exchange(found->second.session, session);
  }
  return session;
}

void CredentialCache::Forget(const std::vector<std::string>& scopes) {
  std::vector<Slots::node_type> gone;
  MutexLock lock(mutex_);
  for (const std::string& scope : scopes) {
    known_scopes_.erase(scope);
    gone.push_back(sessions_.extract(scope));
  }
}

bool CredentialCache::DropUnused(const Session& session) {
  Slots::node_type gone;
  MutexLock lock(mutex_);
  auto found = sessions_.find(session.scope);
  if (found == sessions_.end() || found->second.session->number != session.number ||
      found->second.used > session.obtained) {
    return false;
  }
  gone = sessions_.extract(found);
  return true;
}

void CredentialCache::ForgetExpired() {
  const SteadyTime now = clock_.Now();
  std::vector<Slots::node_type> gone;
  MutexLock lock(mutex_);
  for (auto slot = sessions_.begin(); slot != sessions_.end();) {
    const auto next = std::next(slot);
    if (now >= slot->second.session->credential.expires) gone.push_back(sessions_.extract(slot));
    slot = next;
  }
  std::erase_if(denials_, [&](const auto& item) { return now >= item.second.until; });
}

SessionPtr CredentialCache::Find(const std::string& scope) const {
  MutexLock lock(mutex_);
  auto found = sessions_.find(scope);
  if (found == sessions_.end()) return nullptr;
  const SessionPtr& session = found->second.session;
  return clock_.Now() < session->credential.expires ? session : nullptr;
}

std::vector<SessionPtr> CredentialCache::Sessions() const {
  MutexLock lock(mutex_);
  std::vector<SessionPtr> all;
  for (const auto& [scope, slot] : sessions_) all.push_back(slot.session);
  return all;
}

}  // namespace nodekeep
