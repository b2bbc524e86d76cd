#include "agent/secrets/credential_cache.h"

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

// Tree and list nodes of an item, besides its texts.
constexpr std::size_t kItemOverhead = 256;
// Far above any real token; a backend's answer decides how long it is, and it is kept.
constexpr std::size_t kMaxToken = 256 * 1024;

std::size_t SizeOf(const Session& session) {
  return sizeof(Session) + kItemOverhead + 2 * session.scope.size() + session.token.bytes.size() +
         session.route.options_bytes;
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
      sessions_(options.max_session_bytes),
      known_scopes_(options.max_table_bytes),
      never_shared_(options.max_table_bytes),
      denials_(options.max_table_bytes),
      refused_pods_(options.max_table_bytes),
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
          .Do(context, {{context.namespace_name(), MayShare(keys) ? keys.shared : keys.own}},
              [this, plan, made](const Context& own, const std::vector<FlightKey>&) {
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
  if (credential.ok() && credential->token.size() > kMaxToken) {
    credential =
        Error::Format(ErrorCode::kTooLarge,
                      "the login of {} returned a token of {} bytes; at most {} are allowed",
                      plan.route.provider, credential->token.size(), kMaxToken);
  }
  metrics_.CountLogin(plan.route.provider,
                      credential.ok() ? "ok" : ErrorCodeName(credential.error().code()));
  if (credential.ok()) {
    attempt->session = Keep(plan, *std::move(credential));
    return attempt;
  }
  log_.Warn("login failed", {{"provider", plan.route.provider},
                             {"pod", plan.identity.Text()},
                             {"error", credential.error().message()}});
  if (credential.error().IsFinal()) RememberDenial(plan, credential.error());
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
  session->namespace_name = plan.identity.namespace_name;
  session->of_one_pod = !shared && plan.route.options->SendsPodToken();
  const auto remember = [&](Times& table, const std::string& key) {
    mutex_.AssertHeld();
    table.Put(session->namespace_name, key, session->obtained, kItemOverhead + key.size());
  };
  Slots::Removed unshared, replaced;
  MutexLock lock(mutex_);
  session->number = session->login = next_number_++;
  if (shared) {
    never_shared_.Erase(keys.shared);
    denials_.Erase(keys.shared);
  } else if (!keys.shared.empty()) {
    // The latest reply decides: a login shared until now is no longer shared.
    remember(never_shared_, keys.shared);
    unshared = sessions_.Erase(keys.shared);
    known_scopes_.Erase(keys.shared);
  }
  denials_.Erase(keys.own);
  refused_pods_.Erase(keys.own);
  replaced = Store(session, session->obtained);
  remember(known_scopes_, session->scope);
  return session;
}

CredentialCache::Slots::Removed CredentialCache::Store(const SessionPtr& session, SteadyTime used) {
  return sessions_.Put(session->namespace_name, session->scope, {session, used}, SizeOf(*session));
}

bool CredentialCache::Touch(Times& table, const std::string& key) {
  SteadyTime* used = table.Use(key);
  if (used != nullptr) *used = clock_.Now();
  return used != nullptr;
}

SessionPtr CredentialCache::Use(const LoginKeys& keys) {
  MutexLock lock(mutex_);
  const bool refused = Touch(refused_pods_, keys.own);
  for (const std::string* scope : {&keys.own, &keys.shared}) {
    if (refused && scope == &keys.shared) continue;
    Slot* slot = sessions_.Use(*scope);
    if (slot == nullptr) continue;
    const SteadyTime now = clock_.Now();
    if (now >= slot->session->credential.expires) continue;
    slot->used = now;
    return slot->session;
  }
  return nullptr;
}

std::optional<Error> CredentialCache::RememberedDenial(const LoginKeys& keys) const {
  MutexLock lock(mutex_);
  const Denial* own = denials_.Find(keys.own);
  if (own != nullptr && clock_.Now() < own->until) return own->error;
  if (const Error* account = AccountDenial(keys)) return *account;
  return std::nullopt;
}

const Error* CredentialCache::AccountDenial(const LoginKeys& keys) const {
  const Denial* account = denials_.Find(keys.shared);
  if (account == nullptr || clock_.Now() >= account->until) return nullptr;
  return account->pods.size() >= kAccountDenialThreshold ? &account->error : nullptr;
}

void CredentialCache::RememberDenial(const ReadPlan& plan, const Error& error) {
  const LoginKeys& keys = plan.login_keys;
  const std::string& namespace_name = plan.identity.namespace_name;
  MutexLock lock(mutex_);
  const SteadyTime now = clock_.Now();
  for (const std::string* key : {&keys.own, &keys.shared}) {
    if (key->empty()) continue;
    const Denial* former = denials_.Find(*key);
    Denial denial{now + options_.remember_denial, {}, error};
    if (former != nullptr && now < former->until) denial.pods = former->pods;
    if (denial.pods.size() < kAccountDenialThreshold) denial.pods.insert(keys.own);
    std::size_t bytes = kItemOverhead + key->size() + error.message().size();
    for (const std::string& pod : denial.pods) bytes += kItemOverhead + pod.size();
    denials_.Put(namespace_name, *key, std::move(denial), bytes);
  }
  refused_pods_.Put(namespace_name, keys.own, now, kItemOverhead + keys.own.size());
}

bool CredentialCache::MayShare(const LoginKeys& keys) {
  MutexLock lock(mutex_);
  return !keys.shared.empty() && !Touch(never_shared_, keys.shared);
}

std::vector<std::string> CredentialCache::KnownScopes(const LoginKeys& keys) {
  std::vector<std::string> scopes;
  MutexLock lock(mutex_);
  if (Touch(refused_pods_, keys.own)) return scopes;
  for (const std::string* scope : {&keys.own, &keys.shared}) {
    if (!scope->empty() && Touch(known_scopes_, *scope)) scopes.push_back(*scope);
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
  Slots::Removed gone;
  MutexLock lock(mutex_);
  const Slot* slot = sessions_.Find(session.scope);
  // Compared by login, not by number: a renewal keeps the token.
  if (slot != nullptr && slot->session->login == session.login) {
    gone = sessions_.Erase(session.scope);
  }
}

SessionPtr CredentialCache::Replace(const Session& old, Credential renewed) {
  std::shared_ptr<Session> session = Make(old.scope, std::move(renewed), old.route);
  session->login = old.login;
  session->logged_in = old.logged_in;
  session->namespace_name = old.namespace_name;
  session->of_one_pod = old.of_one_pod;
  Slots::Removed replaced;
  MutexLock lock(mutex_);
  session->number = next_number_++;
  const Slot* slot = sessions_.Find(old.scope);
  if (slot != nullptr && slot->session->number == old.number) replaced = Store(session, slot->used);
  return session;
}

void CredentialCache::Forget(const std::vector<std::string>& scopes) {
  std::vector<Slots::Removed> gone;
  MutexLock lock(mutex_);
  for (const std::string& scope : scopes) {
    known_scopes_.Erase(scope);
    gone.push_back(sessions_.Erase(scope));
  }
}

bool CredentialCache::DropUnused(const Session& session) {
  Slots::Removed gone;
  MutexLock lock(mutex_);
  const Slot* slot = sessions_.Find(session.scope);
  if (slot == nullptr || slot->session->number != session.number || slot->used > session.obtained) {
    return false;
  }
  gone = sessions_.Erase(session.scope);
  return true;
}

void CredentialCache::ForgetExpired() {
  const SteadyTime now = clock_.Now();
  Slots::Removed gone;
  MutexLock lock(mutex_);
  gone = sessions_.EraseIf([&](const std::string&, const Slot& slot) {
    return now >= slot.session->credential.expires;
  });
  denials_.EraseIf([&](const std::string&, const Denial& denial) { return now >= denial.until; });
  for (Times* table : {&known_scopes_, &never_shared_, &refused_pods_}) {
    table->EraseIf(
        [&](const std::string&, SteadyTime used) { return now >= used + options_.forget_unused; });
  }
}

SessionPtr CredentialCache::Find(const std::string& scope) const {
  MutexLock lock(mutex_);
  const Slot* slot = sessions_.Find(scope);
  return slot != nullptr && clock_.Now() < slot->session->credential.expires ? slot->session
                                                                             : nullptr;
}

std::vector<SessionPtr> CredentialCache::Sessions() const {
  MutexLock lock(mutex_);
  std::vector<SessionPtr> all;
  sessions_.ForEach(
      [&](const std::string&, const Slot& slot, std::size_t) { all.push_back(slot.session); });
  return all;
}

}  // namespace nodekeep
