#include "providers/akeyless/login_guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/base/mutex.h"

namespace nodekeep::akeyless {
namespace {

constexpr std::size_t kMaxAccounts = 1024;
constexpr std::size_t kMaxCredentials = 512;  // of one account

// The core remembers a first refusal for some seconds, which is enough.
Duration WaitAfter(std::size_t refusals) {
  if (refusals < 2) return Duration::zero();
  if (refusals == 2) return std::chrono::minutes(1);
  return refusals == 3 ? std::chrono::minutes(5) : LoginGuard::kHold;
}

Error NotNow(SteadyTime until, SteadyTime now, const std::string& why, const std::string& refusal) {
  const Duration left = std::chrono::ceil<Duration>(until - now);
  return Error::Format(ErrorCode::kThrottled,
                       "{}; not tried again for {} s, because Akeyless blocks an access id after "
                       "five refusals in a row ({})",
                       refusal, std::chrono::ceil<std::chrono::seconds>(left).count(), why)
      .WithRetryAfter(left);
}

// Erases the least recently used entries until one more fits.
template <typename Map>
void Bound(Map& map, std::size_t bound) {
  while (map.size() >= bound) {
    map.erase(std::min_element(map.begin(), map.end(), [](const auto& a, const auto& b) {
      return a.second.used < b.second.used;
    }));
  }
}

}  // namespace

LoginAttempt AttemptOf(AccessType type, const Options& options, std::string_view digest) {
  LoginAttempt attempt;
  attempt.credential = fmt::format("{} {}", AccessTypeName(type), digest);
  attempt.account = fmt::format("{} {}", options.Endpoint(),
                                options.access_id.empty() ? attempt.credential : options.access_id);
  return attempt;
}

LoginGuard::Account& LoginGuard::Of(const std::string& account) {
  auto found = accounts_.find(account);
  if (found == accounts_.end()) {
    // An account with a login in flight was used recently, so it is never the one erased.
    Bound(accounts_, kMaxAccounts);
    found = accounts_.try_emplace(account).first;
  }
  found->second.used = clock_.Now();
  return found->second;
}

LoginGuard::Credential& LoginGuard::Of(Account& account, const std::string& credential) {
  auto found = account.credentials.find(credential);
  if (found == account.credentials.end()) {
    Bound(account.credentials, kMaxCredentials);
    found = account.credentials.try_emplace(credential).first;
  }
  found->second.used = clock_.Now();
  return found->second;
}

bool LoginGuard::Trusts(const Account& account, const Credential& credential) {
  return credential.proven && !account.proven_refused;
}

std::optional<Error> LoginGuard::Refusal(const Account& account,
                                         const Credential& credential) const {
  if (Trusts(account, credential)) return std::nullopt;
  const SteadyTime now = clock_.Now();
  if (now < credential.wait_until) {
    return NotNow(credential.wait_until, now, "this credential was refused", account.last_refusal);
  }
  if (account.refusals >= kMostRefusals && now < account.hold_until) {
    return NotNow(account.hold_until, now, "others were refused for this access id",
                  account.last_refusal);
  }
  return std::nullopt;
}

Status LoginGuard::Admit(const Context& context, LoginAttempt& attempt) {
  MutexLock lock(mutex_);
  std::optional<Error> refusal;
  // After kHold has passed, the row still allows one attempt at a time.
  const auto decided = [&] {
    mutex_.AssertHeld();
    Account& account = Of(attempt.account);
    const Credential& credential = Of(account, attempt.credential);
    attempt.trusted = Trusts(account, credential);
    refusal = Refusal(account, credential);
    if (refusal) return true;
    const std::size_t row = std::min(account.refusals, kMostRefusals - 1);
    const std::size_t ahead = attempt.trusted ? account.trusted_in_flight : account.in_flight;
    return row + ahead < kMostRefusals;
  };
  if (!clock_.WaitUntil(lock, settled_, context.stop(), context.deadline(), decided)) {
    lock.unlock();
    if (Status over = context.Check(clock_); !over.ok()) return over;
    return Error(ErrorCode::kDeadlineExceeded, "waited for other logins of this access id");
  }
  if (refusal) return *refusal;
  Account& account = Of(attempt.account);
  ++account.in_flight;
  if (attempt.trusted) ++account.trusted_in_flight;
  return {};
}

void LoginGuard::Settle(const LoginAttempt& attempt, Outcome outcome, const std::string& refusal) {
  {
    MutexLock lock(mutex_);
    Account& account = Of(attempt.account);
    Credential& credential = Of(account, attempt.credential);
    if (account.in_flight > 0) --account.in_flight;
    if (attempt.trusted && account.trusted_in_flight > 0) --account.trusted_in_flight;
    if (outcome == Outcome::kAccepted) {
      account.refusals = 0;
      account.proven_refused = false;
    }
    if (outcome == Outcome::kAccepted || outcome == Outcome::kRotated) {
      credential.proven = true;
      credential.refusals = 0;
      credential.wait_until = SteadyTime();
    } else if (outcome == Outcome::kRefused) {
      if (attempt.trusted || credential.proven) account.proven_refused = true;
      credential.proven = false;
      ++credential.refusals;
      credential.wait_until = clock_.Now() + WaitAfter(credential.refusals);
      account.last_refusal = refusal;
      ++account.refusals;
      if (account.refusals >= kMostRefusals) account.hold_until = clock_.Now() + kHold;
    }
  }
  settled_.notify_all();
}

}  // namespace nodekeep::akeyless
