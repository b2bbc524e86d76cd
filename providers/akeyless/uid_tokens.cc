#include "providers/akeyless/uid_tokens.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "agent/base/digest.h"
#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"

namespace nodekeep::akeyless {

namespace {

constexpr Duration kTryAgainAfter = std::chrono::seconds(30);
constexpr Duration kCallBudget = std::chrono::seconds(30);
// unverified: tokens are some hundred bytes. What a class's gateway answers is kept, in memory and
// on disk.
constexpr std::size_t kMaxToken = 16u << 10;
constexpr std::size_t kMaxReply = 64u << 10;  // to uid-rotate-token

LoginGuard::Outcome OutcomeOf(const Status& done) {
  if (done.ok()) return LoginGuard::Outcome::kRotated;
  return IsRefusal(done.error()) ? LoginGuard::Outcome::kRefused : LoginGuard::Outcome::kUnknown;
}

}  // namespace

UidTokens::UidTokens(GatewayClient& api, LoginGuard& guard, const Clock& clock, Settings settings)
    : api_(api),
      guard_(guard),
      clock_(clock),
      settings_(std::move(settings)),
      pool_({.max_threads = kUpkeepThreads,
             .name = "uid-tokens",
             .on_exception = settings_.on_exception,
             .on_refusal = settings_.on_refusal}) {}

UidTokens::~UidTokens() { stop_.request_stop(); }

bool UidTokens::Identity::AtStrangers() const {
  return proven && std::ranges::any_of(proven->gateways, [](const Gateway& gateway) {
           return !gateway.node_identity_withheld.empty();
         });
}

Duration UidTokens::Identity::KeptFor() const {
  if (!proven) return kUnprovenFor;
  return AtStrangers() ? kAtStrangersFor : kKeptFor;
}

std::pair<std::string, std::string> UidTokens::Identity::Place() const {
  return {namespace_name, proven->gateways.front().base};
}

std::size_t UidTokens::size() const {
  MutexLock lock(mutex_);
  return identities_.size();
}

Result<UidTokens::Newest> UidTokens::Get(const Context& context, const Options& options,
                                         std::string_view first,
                                         const std::string& namespace_name) {
  auto shared = std::make_shared<const Options>(options);
  MutexLock lock(mutex_);
  Result<IdentityPtr> found = FindOrAdd(lock, options, first, namespace_name);
  if (!found.ok()) {
    lock.unlock();
    return found.error();
  }
  Identity& identity = **found;
  identity.used = clock_.Now();
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](std::stop_token stop) {
      RunGuarded("uid-tokens", stop, clock_, settings_.on_exception, [&] { KeepAlive(stop); });
    });
  }
  if (!clock_.WaitUntil(lock, changed_, context.stop(), context.deadline(),
                        [&] { return !identity.busy; })) {
    lock.unlock();
    if (Status over = context.Check(clock_); !over.ok()) return over.error();
    return Error(ErrorCode::kDeadlineExceeded, "waited for the rotation of a universal identity");
  }
  if (const SteadyTime now = clock_.Now(); now >= identity.next) {
    // Half of the time, so that a gateway that hangs (maybe another class's) leaves time to log in.
    const Duration budget = std::min(context.Remaining(clock_) / 2, kCallBudget);
    (void)Rotate(lock, identity, context.WithDeadline(now + budget),
                 identity.proven ? identity.proven : std::move(shared));
  }
  return Newest{identity.token.Clone(), identity.not_rotated};
}

// The identity, which is added if it is new; releases `lock` for reading its file.
Result<UidTokens::IdentityPtr> UidTokens::FindOrAdd(MutexLock& lock, const Options& options,
                                                    std::string_view first,
                                                    const std::string& namespace_name) {
  const std::string name = Sha256Hex(first);
  if (auto found = identities_.find(name); found != identities_.end()) return found->second;
  Forget(lock);
  auto identity = std::make_shared<Identity>();
  identity->name = name;
  identity->namespace_name = namespace_name;
  lock.unlock();
  if (settings_.identities != nullptr) {
    std::optional<SharedResource::Grant> share = settings_.identities->TryTake(namespace_name, 1);
    if (!share) {
      lock.lock();
      return Error(ErrorCode::kThrottled,
                   "this namespace uses as many universal identities on the node as one may: "
                   "classes with the same akeylessUIDInitToken share one");
    }
    identity->share = *std::move(share);
  }
  Begin(options, first, *identity);
  lock.lock();
  return identities_.try_emplace(name, std::move(identity)).first->second;
}

void UidTokens::Accepted(const Options& options, const std::string& first) {
  auto proven = std::make_shared<const Options>(options);
  MutexLock lock(mutex_);
  if (auto found = identities_.find(first); found != identities_.end()) {
    found->second->proven.swap(proven);
  }
  lock.unlock();  // the previous options are destroyed without the lock
}

// Loads the stored token of an identity that is new to this process.
void UidTokens::Begin(const Options& options, std::string_view first, Identity& identity) {
  identity.file = std::make_shared<const UidTokenFile>(options.uid_token_directory, first);
  Result<std::optional<SecretBytes>> kept = identity.file->Read();
  if (!kept.ok()) identity.not_read = kept.error().message();
  const bool has_kept = kept.ok() && kept->has_value();
  identity.token = has_kept ? **std::move(kept) : SecretBytes(first);
}

bool UidTokens::Rotate(MutexLock& lock, Identity& identity, const Context& context,
                       std::shared_ptr<const Options> options) {
  identity.busy = true;
  const SecretBytes old = identity.token.Clone();
  const std::shared_ptr<const UidTokenFile> file = identity.file;
  LoginAttempt attempt =
      AttemptOf(AccessType::kUniversalIdentity, *options, identity.name, identity.namespace_name);
  // Counted apart from the login, because a token may log in and yet deny rotation.
  attempt.credential += " rotation";
  lock.unlock();
  bool settled = true;
  const OnThrow free_it([&]() NODEKEEP_NO_THREAD_SAFETY_ANALYSIS {
    if (!settled) guard_.Settle(attempt, LoginGuard::Outcome::kUnknown, "");
    if (!lock.owns_lock()) lock.lock();
    identity.busy = false;
    identity.next = clock_.Now() + kTryAgainAfter;
    changed_.notify_all();
  });
  // Does not wait: a login that gets here is already admitted, and the rotation can be made later.
  const bool admitted = guard_.Admit(Context(clock_.Now(), context.stop()), attempt).ok();
  Result<SecretBytes> next(SecretBytes{});
  if (admitted) {
    settled = false;
    next = Next(context, *options, *file, old);
    const Status done =
        next.ok() ? Acknowledge(context, *options, old, *next) : Status(next.error());
    settled = true;
    guard_.Settle(attempt, OutcomeOf(done), done.ok() ? "" : done.error().message());
  }
  lock.lock();
  identity.busy = false;
  changed_.notify_all();
  if (!admitted) return false;
  identity.not_rotated.reset();
  if (next.ok()) {
    identity.token = *std::move(next);
    identity.not_read.clear();
    identity.proven = std::move(options);
    identity.upkeep_tries = kUpkeepTries;
    identity.next = clock_.Now() + kRotateEvery;
  } else {
    identity.not_rotated = next.error();
    if (!identity.not_read.empty()) {
      identity.not_rotated =
          Error(next.error().code(), next.error().message() + "; " + identity.not_read);
    }
    if (identity.Refused()) --identity.upkeep_tries;
    identity.next = clock_.Now() + (identity.Refused() ? kDeniedFor : kTryAgainAfter);
  }
  return true;
}

// Identities without options that have worked, and refused ones without upkeep tries left, are
// rotated by logins only.
bool UidTokens::IsDue(const Identity& identity) const {
  if (identity.busy || !identity.proven) return false;
  if (identity.Refused() && identity.upkeep_tries <= 0) return false;
  const SteadyTime now = clock_.Now();
  return now >= identity.next + kRotateEvery && now - identity.used < identity.KeptFor();
}

UidTokens::IdentityPtr UidTokens::NextDue() const {
  IdentityPtr due;
  for (const auto& [name, identity] : identities_) {
    if (!IsDue(*identity) || in_upkeep_.contains(identity->Place())) continue;
    if (!due || identity->next < due->next) due = identity;
  }
  return due;
}

void UidTokens::StartUpkeep(MutexLock& lock, const IdentityPtr& identity) {
  const std::pair<std::string, std::string> place = identity->Place();
  in_upkeep_.insert(place);
  lock.unlock();
  const Status posted = pool_.Post(identity->namespace_name, [this, identity, place] {
    MutexLock held(mutex_);
    const OnExit end([&] {
      mutex_.AssertHeld();
      in_upkeep_.erase(place);
      changed_.notify_all();
    });
    if (!IsDue(*identity)) return;  // a login has rotated it, or does
    const Context context = Context(clock_.Now() + kCallBudget, stop_.get_token())
                                .WithNamespace(identity->namespace_name);
    if (!Rotate(held, *identity, context, identity->proven)) {
      Postpone(*identity);
    }
  });
  lock.lock();
  if (posted.ok()) return;
  in_upkeep_.erase(place);
  Postpone(*identity);
}

// For an upkeep that could not be done now.
void UidTokens::Postpone(Identity& identity) {
  identity.next = clock_.Now() + kTryAgainAfter - kRotateEvery;  // due then, see IsDue
}

void UidTokens::Forget(MutexLock& lock) {
  const SteadyTime now = clock_.Now();
  std::vector<IdentityPtr> forgotten;
  for (auto entry = identities_.begin(); entry != identities_.end();) {
    const Identity& identity = *entry->second;
    const bool stays = identity.busy || now - identity.used < identity.KeptFor();
    if (!stays) forgotten.push_back(entry->second);
    entry = stays ? std::next(entry) : identities_.erase(entry);
  }
  if (forgotten.empty()) return;
  lock.unlock();
  for (const IdentityPtr& identity : forgotten) {
    if (identity->AtStrangers()) identity->file->Remove();
  }
  forgotten.clear();
  lock.lock();
}

void UidTokens::KeepAlive(std::stop_token stop) {
  MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    Forget(lock);
    if (IdentityPtr due = NextDue()) {
      StartUpkeep(lock, due);
    } else {
      clock_.WaitUntil(lock, changed_, stop, clock_.Now() + kRotateEvery / 4, [&] {
        mutex_.AssertHeld();
        return NextDue() != nullptr;
      });
    }
  }
}

Result<SecretBytes> UidTokens::Next(const Context& context, const Options& options,
                                    const UidTokenFile& file, const SecretBytes& token) {
  // Not idempotent, but a lost reply does no harm: without our acknowledgement `token` stays valid.
  Result<Json> reply = api_.Send(
      context, options, Step::kMint,
      {"uid-rotate-token",
       RequestBody().Text("uid-token", token.Reveal()).Flag("with-manual-ack", true).Take(),
       kMaxReply});
  if (!reply.ok()) return reply.error();
  std::optional<std::string> text = TextOf(Find(*reply, {"token"}));
  if (!text || text->empty()) {
    return Error(ErrorCode::kTransient, "the reply to uid-rotate-token has no token");
  }
  SecretBytes next = SecretBytes::MoveFrom(*std::move(text));
  if (next.size() > kMaxToken) {
    return Error::Format(ErrorCode::kTransient,
                         "the reply to uid-rotate-token has a token of {} bytes, more than {}",
                         next.size(), kMaxToken);
  }
  // Stored before it is acknowledged: until then the old token, which a restart may find, is valid.
  if (Status kept = file.Write(next); !kept.ok()) return kept.error();
  return next;
}

// Even if this call fails, `next` is valid; `token` may then stay valid for some time as well.
Status UidTokens::Acknowledge(const Context& context, const Options& options,
                              const SecretBytes& token, const SecretBytes& next) {
  Result<Json> reply = api_.Send(context, options, Step::kLogin,
                                 {"uid-rotate-token",
                                  RequestBody()
                                      .Text("uid-token", token.Reveal())
                                      .Text("send-manual-ack-token", next.Reveal())
                                      .Take(),
                                  kMaxReply});
  return reply.ok() ? Status() : reply.error();
}

}  // namespace nodekeep::akeyless
