#include "agent/secrets/fetcher.h"

#include <algorithm>
#include <atomic>
#include <set>

#include "agent/base/digest.h"
#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

// Of remembered denials. Their keys contain refs, whose length is a class's choice.
constexpr std::size_t kDenialBytes = 4 << 20;

// The state of one read during a request.
struct Known {
  const PlannedRead* read = nullptr;
  SharedSecret value;  // to be served
  SharedSecret stale;  // last good value, to be served while the backend is down
  std::string stale_scope;
  std::string stale_lease;
  Duration stale_age = Duration::zero();
  std::optional<Error> failure;
  bool remembered = false;  // `failure` was found in the cache: already final

  // No further look-up or backend call is needed for this ref.
  bool settled() const {
    return value != nullptr ||
           (!read->required && failure && failure->code() == ErrorCode::kNotFound);
  }
};

}  // namespace

// The state of one Read call; each step adds to it.
struct Fetcher::Round {
  ReadPlanPtr plan;
  SteadyTime begun;
  std::vector<Known> known;         // in the order of the plan's reads
  std::set<std::string> looked_up;  // scopes
  ReadReport report;

  std::vector<Known*> Missing() {
    std::vector<Known*> missing;
    for (Known& state : known) {
      if (!state.value && !state.failure) missing.push_back(&state);
    }
    return missing;
  }

  bool Complete() const {
    return std::all_of(known.begin(), known.end(),
                       [](const Known& state) { return state.settled(); });
  }

  // The first failure in the plan's order, which is the request's; null if there is none.
  const Error* FirstFailure() const {
    for (const Known& state : known) {
      if (!state.settled() && state.failure) return &*state.failure;
    }
    return nullptr;
  }

  // The denials that the backend returned during this request.
  std::vector<Known*> NewDenials() {
    std::vector<Known*> denials;
    for (Known& state : known) {
      if (state.failure && state.failure->IsDenial() && !state.remembered)
        denials.push_back(&state);
    }
    return denials;
  }
};

Fetcher::Fetcher(Options options, Cache& cache, CredentialCache& credentials, LeaseKeeper& leases,
                 WorkerPool& pool, const Clock& clock, Rng& rng, FetchMetrics& metrics)
    : options_(std::move(options)),
      cache_(cache),
      credentials_(credentials),
      leases_(leases),
      clock_(clock),
      rng_(rng),
      metrics_(metrics),
      fingerprint_key_(RandomBytes(32)),
      denials_(kDenialBytes),
      flights_(pool, clock, options_.fetch_budget) {}

Fetcher::Round Fetcher::Begin(const ReadPlanPtr& plan) const {
  Round round;
  round.plan = plan;
  round.begun = clock_.Now();
  round.known.resize(plan->reads->size());
  for (std::size_t i = 0; i < round.known.size(); ++i) round.known[i].read = &(*plan->reads)[i];
  round.report.refs = round.known.size();
  return round;
}

std::optional<Answers> Fetcher::ReadFromMemory(const ReadPlanPtr& plan) {
  Round round = Begin(plan);
  if (!FindInMemory(round)) return std::nullopt;
  CountHits(round);
  return Finish(round, std::nullopt);
}

Answers Fetcher::Read(const Context& context, const ReadPlanPtr& plan) {
  Round round = Begin(plan);
  const bool complete = FindInMemory(round);
  CountHits(round);
  if (complete) return Finish(round, std::nullopt);
  if (const Error* failure = round.FirstFailure()) return ServeStaleOr(round, Error(*failure));
  const Context patience =
      CanServeStale(round) ? context.WithDeadline(clock_.Now() + PatienceFor(*plan)) : context;

  Result<SessionPtr> session = credentials_.Get(patience, plan, round.report.logins);
  if (!session.ok()) return LoginFailed(round, session.error());
  Status asked = AskBackend(patience, round, *session);

  const bool cached_login = (*session)->logged_in < round.begun;
  if (cached_login && ShouldReauthenticate(round, **session)) {
    asked = AskWithNewLogin(context, round, *session);
  }
  if (!asked.ok()) return ServeStaleOr(round, asked.error());
  return Finish(round, std::nullopt);
}

Duration Fetcher::PatienceFor(const ReadPlan& plan) const {
  const bool is_start = plan.max_age < plan.route.policy.refresh_after;
  return is_start ? std::max(options_.stale_patience, options_.start_patience)
                  : options_.stale_patience;
}

bool Fetcher::FindInMemory(Round& round) {
  for (const std::string& scope : credentials_.KnownScopes(round.plan->login_keys)) {
    LookUp(round, scope);
  }
  for (const Known& state : round.known) {
    if (state.settled()) ++round.report.hits;
  }
  return round.Complete();
}

void Fetcher::CountHits(const Round& round) {
  const std::string& provider = round.plan->route.provider;
  metrics_.CountCacheHits(provider, round.report.hits);
  metrics_.CountCacheMisses(provider, round.report.refs - round.report.hits);
}

void Fetcher::LookUp(Round& round, const std::string& scope) {
  round.looked_up.insert(scope);
  const bool alive = credentials_.Find(scope) != nullptr;
  for (Known& state : round.known) {
    if (state.value) continue;
    const EntryKey key{scope, *state.read->ref};
    std::optional<Result<CacheHit>> found =
        cache_.Find(key, round.plan->route.policy, 0, round.plan->max_age);
    if (!found) continue;
    if (!found->ok()) {
      state.failure = found->error();
      state.remembered = true;
      continue;
    }
    CacheHit& hit = **found;
    if (hit.fresh || (hit.permanent && alive)) {
      if (Status held = HoldLease(key, hit.lease, *round.plan); !held.ok()) {
        if (held.error().code() == ErrorCode::kNotFound) continue;
        state.failure = held.error();
        state.remembered = true;
        continue;
      }
      // The live login proves that the identity may still read this entry.
      if (!hit.fresh) cache_.Confirm(key, hit.version);
      state.value = hit.value;
      state.failure.reset();
    } else if (hit.usable) {
      state.stale = hit.value;
      state.stale_scope = scope;
      state.stale_lease = hit.lease;
      state.stale_age = hit.age;
    }
  }
}

bool Fetcher::CanServeStale(const Round& round) const {
  return std::all_of(round.known.begin(), round.known.end(),
                     [](const Known& state) { return state.settled() || state.stale; });
}

Status Fetcher::AskBackend(const Context& context, Round& round, const SessionPtr& session) {
  // While this request waited for the login, other requests may have fetched with it.
  if (session->logged_in >= round.begun || !round.looked_up.contains(session->scope)) {
    LookUp(round, session->scope);
  }
  const std::vector<Known*> missing = round.Missing();
  std::vector<SecretRef> refs;
  for (const Known* state : missing) refs.push_back(*state->read->ref);
  std::vector<Result<Served>> answers = FetchOnce(
      context,
      {session, round.plan->route, round.begun, round.plan->holder.name, round.plan->max_age}, refs,
      round.report.backend_reads);
  for (std::size_t i = 0; i < missing.size(); ++i) {
    Known& state = *missing[i];
    if (!answers[i].ok()) {
      state.failure = answers[i].error();
    } else if (Status held = HoldLease({session->scope, refs[i]}, answers[i]->lease, *round.plan);
               !held.ok()) {
      state.failure =
          held.error().code() != ErrorCode::kNotFound
              ? held.error()
              : Error::Format(ErrorCode::kTransient,
                              "the lease of {} ended before it could be served; mount again",
                              refs[i].Text());
    } else {
      state.value = answers[i]->value;
    }
  }
  if (const Error* failure = round.FirstFailure()) return *failure;
  return {};
}

// As LeaseKeeper::Hold; evicts the entry of a lease that has ended. Ok without a lease.
Status Fetcher::HoldLease(const EntryKey& key, const std::string& lease, const ReadPlan& plan) {
  if (lease.empty()) return {};
  Status held = leases_.Hold(key, lease, plan.holder);
  if (!held.ok() && held.error().code() == ErrorCode::kNotFound) cache_.EvictLease(key, lease);
  return held;
}

// Whether a denial of this request may be due to the cached login.
bool Fetcher::ShouldReauthenticate(Round& round, const Session& session) {
  const SteadyTime now = clock_.Now();
  MutexLock lock(mutex_);
  for (const Known& state : round.known) {
    if (!state.failure || !state.failure->IsDenial() || state.remembered) continue;
    const ConfirmedDenial* denial = denials_.Find({session.scope, *state.read->ref});
    if (denial == nullptr || now >= denial->until) return true;
  }
  return false;
}

void Fetcher::RememberDenial(const EntryKey& key, const std::string& namespace_name) {
  constexpr std::size_t kItemOverhead = 512;
  const SteadyTime now = clock_.Now();
  MutexLock lock(mutex_);
  const ConfirmedDenial* former = denials_.Find(key);
  ConfirmedDenial denial = former != nullptr ? *former : ConfirmedDenial();
  denial.wait = denial.wait == Duration::zero()
                    ? options_.confirm_denial
                    : std::min(denial.wait * 2, options_.confirm_denial_longest);
  denial.until = now + denial.wait;
  denials_.Put(namespace_name, key, denial, kItemOverhead + SizeOf(key));
  if (now < next_sweep_) return;
  // Kept a while after their end, for the doubling of the wait.
  denials_.EraseIf([&](const EntryKey&, const ConfirmedDenial& item) {
    return now >= item.until + options_.confirm_denial_longest;
  });
  next_sweep_ = now + options_.confirm_denial_longest;
}

void Fetcher::ForgetDenial(const EntryKey& key) {
  MutexLock lock(mutex_);
  denials_.Erase(key);
}

// The cached login may have been revoked or have lost its policy: log in again and repeat the read
// once; the second answer is final. Uses the full deadline of the caller, because a denial is never
// answered with a stale value.
Status Fetcher::AskWithNewLogin(const Context& context, Round& round, const SessionPtr& denied) {
  credentials_.Drop(*denied);
  Result<SessionPtr> session = credentials_.Get(context, round.plan, round.report.logins);
  if (!session.ok()) {
    if (session.error().IsFinal()) ForgetIdentity(*round.plan);
    for (Known* state : round.NewDenials()) {
      state->failure = Error(state->failure->code(),
                             state->failure->message() +
                                 "; logging in once more failed: " + session.error().message());
    }
    return *round.FirstFailure();
  }
  for (Known* state : round.NewDenials()) state->failure.reset();
  return AskBackend(context, round, *session);
}

std::vector<Result<Fetcher::Served>> Fetcher::FetchOnce(const Context& context, const Ask& ask,
                                                        const std::vector<SecretRef>& refs,
                                                        std::size_t& reads) {
  std::vector<FlightKey> keys;
  for (const SecretRef& ref : refs) {
    keys.push_back(
        {context.namespace_name(), EntryKey{ask.session->scope, ref}, ask.session->login});
  }
  auto count = std::make_shared<std::atomic<std::size_t>>(0);
  std::vector<Result<Served>> answers = flights_.Do(
      context, keys,
      [this, ask, count](const Context& own, const std::vector<FlightKey>& claimed) {
        std::size_t asked = 0;
        std::vector<Result<Served>> results = CallBackend(own, ask, claimed, asked);
        *count = asked;
        return results;
      },
      ask.begun - ask.max_age);
  reads += *count;
  return answers;
}

std::vector<Result<Fetcher::Served>> Fetcher::CallBackend(const Context& context, const Ask& ask,
                                                          const std::vector<FlightKey>& keys,
                                                          std::size_t& reads) {
  Result<Credential> credential = ask.session->Open();
  if (!credential.ok()) return {keys.size(), Result<Served>(credential.error())};
  std::vector<Result<Served>> results(keys.size(),
                                      Result<Served>(Error(ErrorCode::kInternal, "not asked")));
  // An earlier flight may have fetched the entry after this request's look-up.
  const Duration since =
      std::chrono::duration_cast<Duration>(clock_.Now() - ask.begun) + Duration(1);
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    auto found = cache_.Find(keys[i].entry, ask.route.policy, keys[i].login, since);
    if (found && !found->ok()) {
      results[i] = found->error();
    } else if (found && ((*found)->fresh || (*found)->permanent)) {
      results[i] = Served{(*found)->value, (*found)->lease};
    } else {
      open.push_back(i);
    }
  }
  reads = open.size();
  RetryLoop retry(options_.retry, clock_, rng_);
  // Each try reads only the refs that failed transiently, after the longest of their Retry-Afters.
  (void)retry.Run(context, [&]() -> Status {
    if (open.empty()) return {};
    std::vector<Question> questions;
    for (std::size_t i : open) {
      questions.push_back({keys[i].entry.ref, cache_.KnownVersion(keys[i].entry)});
    }
    std::vector<Result<Answer>> answers =
        ask.route.backend->Fetch(context, *ask.route.options, *credential, questions);
    // Guards against a provider that returns fewer answers than questions.
    while (answers.size() < questions.size()) {
      answers.push_back(Error::Format(ErrorCode::kInternal, "provider {} left {} unanswered",
                                      ask.route.provider, questions[answers.size()].ref.Text()));
    }
    std::vector<std::size_t> failed;
    Status worst;
    for (std::size_t j = 0; j < open.size(); ++j) {
      metrics_.CountBackendRead(ask.route.provider,
                                answers[j].ok() ? "ok" : ErrorCodeName(answers[j].error().code()));
      Result<Served>& result = results[open[j]];
      result = Keep(ask, context.namespace_name(), questions[j], std::move(answers[j]));
      if (result.ok() || !result.error().IsTransient()) continue;
      // A ref whose Retry-After exceeds the time left is not retried and does not delay the others.
      if (!retry.FitsRetryAfter(context, result.error())) continue;
      failed.push_back(open[j]);
      if (worst.ok() || result.error().retry_after() >= worst.error().retry_after()) {
        worst = result.error();
      }
    }
    open = std::move(failed);
    return worst;
  });
  return results;
}

Result<Fetcher::Served> Fetcher::Keep(const Ask& ask, const std::string& namespace_name,
                                      const Question& question, Result<Answer> answer) {
  const EntryKey key{ask.session->scope, question.ref};
  if (!answer.ok()) {
    const Error& error = answer.error();
    if (error.code() == ErrorCode::kNotFound || error.IsDenial()) {
      // A new login may be allowed to read it; until then the old value is not served.
      const bool final = !error.IsDenial() || ask.fresh_login();
      cache_.StoreFailure(key, error, ask.route.policy.remember_failure,
                          final ? 0 : ask.session->login, namespace_name);
      if (final && error.IsDenial()) RememberDenial(key, namespace_name);
    }
    return error;
  }
  ForgetDenial(key);
  if (answer->unchanged) {
    if (cache_.Confirm(key, question.known_version)) {
      auto found = cache_.Find(key, ask.route.policy);
      if (found && found->ok()) return Served{(*found)->value, (*found)->lease};
    }
    return Error::Format(ErrorCode::kTransient,
                         "{} was dropped from the cache while the backend confirmed it",
                         question.ref.Text());
  }
  if (answer->lease) {
    answer->lifetime = WithinLogin(answer->lease->lifetime, *ask.session, clock_.Now());
    if (ask.route.backend->lease_client() == nullptr) {
      answer->lease.reset();
    } else {
      // Before Store, so that each caller that finds the entry can hold its lease.
      Status added = leases_.Add(key, ask.session, *answer->lease, {namespace_name, ask.volume});
      if (!added.ok()) return added.error();
      // A lease limited only by a renewable login is kept alive like a renewable lease.
      answer->lease->renewable |=
          ask.session->credential.renewable && answer->lifetime < answer->lease->lifetime;
    }
  }
  cache_.Store(key, *answer, namespace_name);
  return Served{std::make_shared<const SecretBytes>(std::move(answer->value)),
                answer->lease ? answer->lease->id : ""};
}

// Entries fetched for an identity must not be served once its login is refused.
void Fetcher::ForgetIdentity(const ReadPlan& plan) {
  const std::vector<std::string> scopes = credentials_.RefusedScopes(plan.login_keys);
  for (const std::string& scope : scopes) cache_.EvictScope(scope);
  credentials_.Forget(scopes);
}

Answers Fetcher::LoginFailed(Round& round, const Error& why) {
  if (why.IsFinal()) ForgetIdentity(*round.plan);
  return ServeStaleOr(round, why);
}

Answers Fetcher::ServeStaleOr(Round& round, const Error& why) {
  if (!why.IsTransient()) return Finish(round, why);
  for (Known& state : round.known) {
    if (state.value || !state.stale) continue;
    if (state.failure && !state.failure->IsTransient()) continue;
    if (!state.stale_lease.empty() &&
        !leases_.Hold({state.stale_scope, *state.read->ref}, state.stale_lease, round.plan->holder)
             .ok()) {
      continue;
    }
    state.value = state.stale;
    state.failure.reset();
    ++round.report.stale;
    round.report.stale_age = std::max(round.report.stale_age, state.stale_age);
  }
  if (round.Complete()) {
    round.report.stale_reason = why.message();
    metrics_.CountStaleServed(round.plan->route.provider, round.report.stale);
  }
  return Finish(round, why);
}

// `why`: the error for reads that were skipped.
Answers Fetcher::Finish(Round& round, const std::optional<Error>& why) {
  Answers answers;
  for (Known& state : round.known) {
    // Not decided by the error code: a login may fail with kNotFound too.
    if (state.settled()) {
      answers.values.push_back(std::move(state.value));
    } else if (state.failure) {
      answers.values.push_back(*std::move(state.failure));
    } else {
      answers.values.push_back(why ? *why : Error(ErrorCode::kInternal, "not asked"));
    }
  }
  answers.report = std::move(round.report);
  return answers;
}

// A keyed hash that shows whether the value has changed; "" if the entry has no value.
std::string Fetcher::Fingerprint(const EntryKey& key) {
  auto found = cache_.Find(key, Policy());
  if (!found || !found->ok()) return "";
  return std::string(HmacSha256(fingerprint_key_, {(*found)->value->Reveal()}).Reveal());
}

RefreshReport Fetcher::Refresh(const Context& context,
                               const std::function<bool(const EntryKey&)>& matches) {
  RefreshReport report;
  std::map<std::string, std::vector<SecretRef>> by_scope;
  for (const EntryInfo& info : cache_.List()) {
    if (!matches(info.key)) continue;
    ++report.matched;
    if (info.minted) continue;
    cache_.Expire(info.key);
    if (!info.failure) by_scope[info.key.scope].push_back(info.key.ref);
  }
  for (const auto& [scope, refs] : by_scope) {
    const SessionPtr session = credentials_.Find(scope);
    if (!session) {
      report.deferred += refs.size();
      continue;
    }
    std::vector<std::string> before;
    for (const SecretRef& ref : refs) before.push_back(Fingerprint({scope, ref}));
    std::size_t reads = 0;
    std::vector<Result<Served>> answers =
        FetchOnce(context.WithNamespace(session->namespace_name),
                  {session, session->route, clock_.Now(), session->namespace_name}, refs, reads);
    for (std::size_t i = 0; i < refs.size(); ++i) {
      ++report.asked;
      if (!answers[i].ok()) {
        report.errors.push_back(refs[i].Text() + ": " + answers[i].error().message());
      } else if (Fingerprint({scope, refs[i]}) != before[i]) {
        ++report.changed;
      }
    }
  }
  return report;
}

}  // namespace nodekeep
