#include "providers/akeyless/uid_tokens.h"

#include <algorithm>

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

LoginGuard::Outcome OutcomeOf(const Status& done) {
  if (done.ok()) return LoginGuard::Outcome::kRotated;
  return IsRefusal(done.error()) ? LoginGuard::Outcome::kRefused : LoginGuard::Outcome::kUnknown;
}

}  // namespace

Result<UidTokens::Newest> UidTokens::Get(const Context& context, const Options& options,
                                         std::string_view first) {
  auto shared = std::make_shared<const Options>(options);
  const std::string name = Sha256Hex(first);
  MutexLock lock(mutex_);
  if (!identities_.contains(name)) {
    lock.unlock();
    Identity begun = Begin(options, first);
    lock.lock();
    identities_.try_emplace(name, std::move(begun));
  }
  Identity& identity = identities_[name];  // a stable reference: a map from which nothing is erased
  identity.used = clock_.Now();
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](std::stop_token stop) {
      RunGuarded("uid-tokens", stop, clock_, on_exception_, [&] { KeepAlive(stop); });
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

void UidTokens::Accepted(const Options& options, const std::string& first) {
  auto proven = std::make_shared<const Options>(options);
  MutexLock lock(mutex_);
  if (auto found = identities_.find(first); found != identities_.end()) {
    found->second.proven.swap(proven);
  }
  lock.unlock();  // the previous options are destroyed without the lock
}

// Loads the stored token of an identity that is new to this process.
UidTokens::Identity UidTokens::Begin(const Options& options, std::string_view first) {
  Identity identity;
  identity.name = Sha256Hex(first);
  identity.file = std::make_shared<const UidTokenFile>(options.uid_token_directory, first);
  Result<std::optional<SecretBytes>> kept = identity.file->Read();
  if (!kept.ok()) identity.not_read = kept.error().message();
  const bool has_kept = kept.ok() && kept->has_value();
  identity.token = has_kept ? **std::move(kept) : SecretBytes(first);
  return identity;
}

bool UidTokens::Rotate(MutexLock& lock, Identity& identity, const Context& context,
                       std::shared_ptr<const Options> options) {
  identity.busy = true;
  const SecretBytes old = identity.token.Clone();
  const std::shared_ptr<const UidTokenFile> file = identity.file;
  LoginAttempt attempt = AttemptOf(AccessType::kUniversalIdentity, *options, identity.name);
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

// The identity to rotate now; null = none. Identities without options that have worked, and refused
// ones without upkeep tries left, are rotated by logins only.
UidTokens::Identity* UidTokens::NextDue() {
  const SteadyTime now = clock_.Now();
  for (auto& [first, identity] : identities_) {
    if (identity.busy || !identity.proven) continue;
    if (identity.Refused() && identity.upkeep_tries <= 0) continue;
    if (now - identity.used >= kKeptFor) continue;
    if (now >= identity.next + kRotateEvery) return &identity;
  }
  return nullptr;
}

void UidTokens::KeepAlive(std::stop_token stop) {
  MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    if (Identity* due = NextDue()) {
      if (!Rotate(lock, *due, Context(clock_.Now() + kCallBudget, stop), due->proven)) {
        due->next = clock_.Now() + kTryAgainAfter - kRotateEvery;  // due then, see NextDue
      }
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
       RequestBody().Text("uid-token", token.Reveal()).Flag("with-manual-ack", true).Take()});
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
  Result<Json> reply =
      api_.Send(context, options, Step::kLogin,
                {"uid-rotate-token", RequestBody()
                                         .Text("uid-token", token.Reveal())
                                         .Text("send-manual-ack-token", next.Reveal())
                                         .Take()});
  return reply.ok() ? Status() : reply.error();
}

}  // namespace nodekeep::akeyless
