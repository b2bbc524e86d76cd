#include "agent/secrets/fetcher.h"

#include <algorithm>
#include <atomic>
#include <map>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"

namespace nodekeep {
namespace {

// What is known of one ref in the course of a fetch.
struct Known {
  std::shared_ptr<const SecretBytes> value;     // to be served
  std::shared_ptr<const SecretBytes> stand_in;  // last good value, for a backend that is down
  std::string stand_in_lease;
  Duration stand_in_age = Duration::zero();
  std::optional<Error> failure;
  bool remembered = false;  // `failure` was found in the cache: already final
  bool required = false;    // some object that is not optional needs it

  // Nothing more is to be found out about this ref.
  bool settled() const {
    return value != nullptr || (!required && failure && failure->code() == ErrorCode::kNotFound);
  }
};

bool Refused(const Error& error) {
  return error.code() == ErrorCode::kDenied || error.code() == ErrorCode::kAuthExpired;
}

}  // namespace

// The state of one Fetch, filled in step by step.
struct Fetcher::Round {
  PlanPtr plan;
  SteadyTime begun;
  std::map<SecretRef, Known> known;
  FetchReport report;

  std::vector<SecretRef> Missing() const {
    std::vector<SecretRef> missing;
    for (const auto& [ref, state] : known) {
      if (!state.value && !state.failure) missing.push_back(ref);
    }
    return missing;
  }

  bool Complete() const {
    return std::all_of(known.begin(), known.end(),
                       [](const auto& item) { return item.second.settled(); });
  }

  // The first failure in the manifest's order speaks for all; null when there is none.
  const Error* FirstFailure() {
    for (const Projection& projection : plan->mount.projections) {
      const Known& state = known[projection.ref];
      if (!state.settled() && state.failure) return &*state.failure;
    }
    return nullptr;
  }

  // The refusals that came from the backend just now.
  std::vector<Known*> NewRefusals() {
    std::vector<Known*> refusals;
    for (auto& [ref, state] : known) {
      if (state.failure && Refused(*state.failure) && !state.remembered) refusals.push_back(&state);
    }
    return refusals;
  }
};

Fetcher::Fetcher(Options options, Cache& cache, CredentialCache& credentials, LeaseKeeper& leases,
                 WorkerPool& pool, const Clock& clock, Rng& rng, Logger& log, Metrics& metrics)
    : options_(std::move(options)),
      cache_(cache),
      credentials_(credentials),
      leases_(leases),
      clock_(clock),
      rng_(rng),
      log_(log),
      metrics_(metrics),
      flights_(pool, clock, options_.fetch_budget) {}

Fetcher::Round Fetcher::Begin(const PlanPtr& plan) const {
  Round round;
  round.plan = plan;
  round.begun = clock_.Now();
  for (const Projection& projection : plan->mount.projections) {
    round.known[projection.ref].required |= !projection.optional;
  }
  round.report.refs = round.known.size();
  return round;
}

std::optional<Result<Bundle>> Fetcher::FetchFromMemory(const PlanPtr& plan) {
  Round round = Begin(plan);
  if (!ServeFromMemory(round)) return std::nullopt;
  CountHits(round);
  return Assemble(round);
}

Result<Bundle> Fetcher::Fetch(const Context& context, const PlanPtr& plan) {
  Round round = Begin(plan);
  const bool complete = ServeFromMemory(round);
  CountHits(round);
  if (complete) return Assemble(round);
  if (const Error* no = round.FirstFailure()) return StandIn(round, *no);
  const Context patience = StandInsAtHand(round)
                               ? context.WithDeadline(clock_.Now() + options_.stale_patience)
                               : context;

  Result<SessionPtr> session = credentials_.Get(patience, plan, round.report.logins);
  if (!session.ok()) return LoginFailed(round, session.error());
  Status asked = AskBackend(patience, round, *session);

  const bool cached_login = (*session)->logged_in < round.begun;
  if (cached_login && Doubts(round, **session)) asked = AskAgain(context, round, *session);
  if (!asked.ok()) return StandIn(round, asked.error());
  return Assemble(round);
}

bool Fetcher::ServeFromMemory(Round& round) {
  for (const std::string& scope : credentials_.KnownScopes(*round.plan)) LookUp(round, scope);
  for (auto& [ref, state] : round.known) {
    if (state.settled()) ++round.report.hits;
  }
  return round.Complete();
}

void Fetcher::CountHits(const Round& round) {
  metrics_.CountCacheHits(round.plan->provider, round.report.hits);
  metrics_.CountCacheMisses(round.plan->provider, round.report.refs - round.report.hits);
}

void Fetcher::LookUp(Round& round, const std::string& scope) {
  const bool alive = credentials_.Find(scope) != nullptr;
  for (auto& [ref, state] : round.known) {
    if (state.value) continue;
    const EntryKey key{scope, ref};
    std::optional<Result<CacheHit>> found = cache_.Find(key, round.plan->mount.policy);
    if (!found) continue;
    if (!found->ok()) {
      state.failure = found->error();
      state.remembered = true;
      continue;
    }
    CacheHit& hit = **found;
    if (hit.fresh || (hit.permanent && alive)) {
      if (!hit.lease.empty() && !leases_.Hold(hit.lease, *round.plan)) {
        cache_.EvictLease(key, hit.lease);
        continue;
      }
      // The login that is alive proves anew that this may be seen.
      if (!hit.fresh) cache_.Confirm(key, hit.version);
      state.value = hit.value;
      state.failure.reset();
    } else if (hit.usable) {
      state.stand_in = hit.value;
      state.stand_in_lease = hit.lease;
      state.stand_in_age = hit.age;
    }
  }
}

bool Fetcher::StandInsAtHand(const Round& round) const {
  return std::all_of(round.known.begin(), round.known.end(), [](const auto& item) {
    return item.second.settled() || item.second.stand_in;
  });
}

Status Fetcher::AskBackend(const Context& context, Round& round, const SessionPtr& session) {
  // Entries of this very login: another request may have fetched them a moment ago.
  LookUp(round, session->scope);
  const std::vector<SecretRef> missing = round.Missing();
  std::vector<Result<Served>> answers = Fly(context, {session, round.plan->route(), round.begun},
                                            missing, round.report.backend_reads);
  for (std::size_t i = 0; i < missing.size(); ++i) {
    Known& state = round.known[missing[i]];
    if (!answers[i].ok()) {
      state.failure = answers[i].error();
    } else if (!answers[i]->lease.empty() && !leases_.Hold(answers[i]->lease, *round.plan)) {
      cache_.EvictLease({session->scope, missing[i]}, answers[i]->lease);
      state.failure = Error::Format(ErrorCode::kTransient,
                                    "the lease of {} ended before it could be served; mount again",
                                    missing[i].Text());
    } else {
      state.value = answers[i]->value;
    }
  }
  if (const Error* failure = round.FirstFailure()) return *failure;
  return {};
}

// Whether some refusal may be the login's fault, as far as is known.
bool Fetcher::Doubts(Round& round, const Session& session) {
  const SteadyTime now = clock_.Now();
  std::unique_lock lock(mutex_);
  for (const auto& [ref, state] : round.known) {
    if (!state.failure || !Refused(*state.failure) || state.remembered) continue;
    auto found = beliefs_.find({session.scope, ref});
    if (found == beliefs_.end() || now >= found->second.until) return true;
  }
  return false;
}

void Fetcher::Believe(const EntryKey& key) {
  constexpr std::size_t kMaxBeliefs = 4096;
  const SteadyTime now = clock_.Now();
  std::unique_lock lock(mutex_);
  if (beliefs_.size() >= kMaxBeliefs) {
    std::erase_if(beliefs_, [&](const auto& item) { return now >= item.second.until; });
    if (beliefs_.size() >= kMaxBeliefs) beliefs_.clear();
  }
  Belief& belief = beliefs_[key];
  belief.wait = belief.wait == Duration::zero()
                    ? options_.believe_refusal
                    : std::min(belief.wait * 2, options_.believe_refusal_longest);
  belief.until = now + belief.wait;
}

void Fetcher::Disbelieve(const EntryKey& key) {
  std::unique_lock lock(mutex_);
  beliefs_.erase(key);
}

// The cached login may have been revoked or have lost its policy: log in once more, ask once more,
// and then believe it. What was refused has no stand-in, so this takes the time that it takes.
Status Fetcher::AskAgain(const Context& context, Round& round, const SessionPtr& refused) {
  credentials_.Drop(*refused);
  Result<SessionPtr> session = credentials_.Get(context, round.plan, round.report.logins);
  if (!session.ok()) {
    if (session.error().IsFinal()) ForgetIdentity(*round.plan);
    for (Known* state : round.NewRefusals()) {
      state->failure = Error(state->failure->code(),
                             state->failure->message() +
                                 "; logging in once more failed: " + session.error().message());
    }
    return *round.FirstFailure();
  }
  for (Known* state : round.NewRefusals()) state->failure.reset();
  return AskBackend(context, round, *session);
}

std::vector<Result<Fetcher::Served>> Fetcher::Fly(const Context& context, const Ask& ask,
                                                  const std::vector<SecretRef>& refs,
                                                  std::size_t& reads) {
  std::vector<FlightKey> keys;
  for (const SecretRef& ref : refs) {
    keys.push_back({EntryKey{ask.session->scope, ref}, ask.session->login});
  }
  auto count = std::make_shared<std::atomic<std::size_t>>(0);
  std::vector<Result<Served>> answers = flights_.Do(
      context, keys, [this, ask, count](const Context& own, const std::vector<FlightKey>& claimed) {
        std::size_t asked = 0;
        std::vector<Result<Served>> results = CallBackend(own, ask, claimed, asked);
        *count = asked;
        return results;
      });
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
  // Fetched by the flight before this one, between our look and our turn?
  Policy since = ask.route.policy;
  since.refresh_after =
      std::min(since.refresh_after,
               std::chrono::duration_cast<Duration>(clock_.Now() - ask.begun) + Duration(1));
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    auto found = cache_.Find(keys[i].entry, since, keys[i].login);
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
  // Each round asks again only for what failed in passing, when all of that may be asked again.
  (void)retry.Run(context, [&]() -> Status {
    if (open.empty()) return {};
    std::vector<Question> questions;
    for (std::size_t i : open) {
      questions.push_back({keys[i].entry.ref, cache_.KnownVersion(keys[i].entry)});
    }
    std::vector<Result<Answer>> answers =
        ask.route.backend->Fetch(context, *ask.route.options, *credential, questions);
    // A provider that answers too little must not be read beyond its answers.
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
      result = Keep(ask, questions[j], std::move(answers[j]));
      if (result.ok() || !result.error().IsTransient()) continue;
      // What asks for more patience than we have is left alone, and holds up nothing else.
      if (!retry.LeavesTime(context, result.error())) continue;
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

Result<Fetcher::Served> Fetcher::Keep(const Ask& ask, const Question& question,
                                      Result<Answer> answer) {
  const EntryKey key{ask.session->scope, question.ref};
  if (!answer.ok()) {
    const Error& error = answer.error();
    if (error.code() == ErrorCode::kNotFound || Refused(error)) {
      // A new login may see it again; until then the old value stands in for nothing.
      const bool final = !Refused(error) || ask.fresh_login();
      cache_.StoreFailure(key, error, ask.route.policy.remember_failure,
                          final ? 0 : ask.session->login);
      if (final && Refused(error)) Believe(key);
    }
    return error;
  }
  Disbelieve(key);
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
    if (ask.route.backend->leases() == nullptr) {
      answer->lease.reset();
    } else {
      // First, so that whoever finds the entry can hold its lease.
      leases_.Add(key, ask.session, *answer->lease);
      // What ends only with a login that is renewed is kept alive like a lease that is.
      answer->lease->renewable |=
          ask.session->credential.renewable && answer->lifetime < answer->lease->lifetime;
    }
  }
  cache_.Store(key, *answer);
  return Served{std::make_shared<const SecretBytes>(std::move(answer->value)),
                answer->lease ? answer->lease->id : ""};
}

// Nothing fetched in a refused name may be served any more.
void Fetcher::ForgetIdentity(const FetchPlan& plan) {
  const std::vector<std::string> scopes = credentials_.RefusedScopes(plan);
  for (const std::string& scope : scopes) cache_.EvictScope(scope);
  credentials_.Forget(scopes);
}

Result<Bundle> Fetcher::LoginFailed(Round& round, const Error& why) {
  if (why.IsFinal()) ForgetIdentity(*round.plan);
  return StandIn(round, why);
}

Result<Bundle> Fetcher::StandIn(Round& round, const Error& why) {
  const FetchPlan& plan = *round.plan;
  if (why.IsTransient()) {
    for (auto& [ref, state] : round.known) {
      if (state.value || !state.stand_in) continue;
      if (state.failure && !state.failure->IsTransient()) continue;
      if (!state.stand_in_lease.empty() && !leases_.Hold(state.stand_in_lease, plan)) continue;
      state.value = state.stand_in;
      state.failure.reset();
      ++round.report.stale;
      round.report.stale_age = std::max(round.report.stale_age, state.stand_in_age);
    }
    if (round.Complete()) {
      round.report.stale_reason = why.message();
      metrics_.CountStaleServed(plan.provider, round.report.stale);
      return Assemble(round);
    }
  }
  // Which object the failure belongs to: the first that could not be served.
  Error error = why;
  for (const Projection& projection : plan.mount.projections) {
    const Known& state = round.known[projection.ref];
    if (state.settled()) continue;
    if (state.failure) error = *state.failure;
    if (!projection.read_error.empty()) error = error.Prepend("{}", projection.read_error);
    break;
  }
  return plan.mount.mount_error.empty() ? error : error.Prepend("{}", plan.mount.mount_error);
}

Result<Bundle> Fetcher::Assemble(Round& round) {
  const FetchPlan& plan = *round.plan;
  Bundle bundle;
  for (const Projection& projection : plan.mount.projections) {
    const Known& state = round.known[projection.ref];
    if (!state.value) continue;  // optional and not found
    Result<std::vector<RenderedFile>> files = plan.backend->RenderFiles(projection, *state.value);
    if (!files.ok()) {
      if (projection.optional && files.error().code() == ErrorCode::kNotFound) continue;
      const Error& error = files.error();
      return plan.mount.mount_error.empty() ? error : error.Prepend("{}", plan.mount.mount_error);
    }
    for (RenderedFile& file : *files) {
      if (file.version.empty()) file.version = VersionOf(projection, file.contents);
      bundle.versions.push_back({file.object.empty() ? projection.object : std::move(file.object),
                                 std::move(file.version)});
      bundle.files.push_back({std::move(file.path), projection.mode, std::move(file.contents)});
    }
  }
  // The driver refuses an answer without versions, even when every object is optional and absent.
  if (bundle.versions.empty()) bundle.versions.push_back({"nodekeep/no-objects", "0"});
  bundle.report = std::move(round.report);
  return bundle;
}

std::string Fetcher::VersionOf(const Projection& projection, const SecretBytes& contents) const {
  // The NUL keeps the seed apart from the contents.
  const SecretBytes code =
      HmacSha256(options_.version_key,
                 {projection.version_seed, std::string_view("\0", 1), contents.Reveal()});
  return Base64UrlEncode(code.Reveal());
}

// Tells whether an entry's value changed without keeping it; "" when there is none.
std::string Fetcher::Fingerprint(const EntryKey& key) {
  auto found = cache_.Find(key, Policy());
  if (!found || !found->ok()) return "";
  return std::string(HmacSha256(options_.version_key, {(*found)->value->Reveal()}).Reveal());
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
        Fly(context, {session, session->route, clock_.Now()}, refs, reads);
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
