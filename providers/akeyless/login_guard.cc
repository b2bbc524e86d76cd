#include "providers/akeyless/login_guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/base/digest.h"
#include "agent/base/mutex.h"

namespace nodekeep::akeyless {
namespace {

// Of one namespace.
constexpr std::size_t kMaxAccounts = 128;
constexpr std::size_t kMaxProven = 128;   // of an account
constexpr std::size_t kMaxRefused = 256;  // of an account

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

// Erases the least recently used of the entries for which `may_go` holds until one more fits.
template <typename Map, typename MayGo>
void Bound(Map& map, std::size_t bound, MayGo may_go) {
  while (true) {
    std::size_t count = 0;
    auto oldest = map.end();
    for (auto entry = map.begin(); entry != map.end(); ++entry) {
      if (!may_go(entry->second)) continue;
      ++count;
      if (oldest == map.end() || entry->second.used < oldest->second.used) oldest = entry;
    }
    if (count < bound) return;
    map.erase(oldest);
  }
}

const std::string& SubjectOf(const LoginAttempt& attempt) {
  return attempt.subject.empty() ? attempt.credential : attempt.subject;
}

}  // namespace

LoginAttempt AttemptOf(AccessType type, const Options& options, std::string_view digest,
                       const std::string& namespace_name, std::string_view service_account) {
  const std::string settings = options.LoginText();
  const auto named = [&](std::string_view who) {
    return fmt::format("{} {}", AccessTypeName(type),
                       Sha256Hex(fmt::format("{}:{} {}", settings.size(), settings, who)));
  };
  LoginAttempt attempt;
  attempt.credential = named(fmt::format("{} {}", digest, service_account));
  if (!service_account.empty()) attempt.subject = named(service_account);
  attempt.account = fmt::format("{} {}", options.Endpoint(),
                                options.access_id.empty() ? attempt.credential : options.access_id);
  attempt.namespace_name = namespace_name;
  return attempt;
}

std::size_t LoginGuard::Account::Row() const {
  std::size_t row = 0;
  for (const auto& [name, share] : shares) row += std::min(share.refusals, kMostOfNamespace);
  return row;
}

bool LoginGuard::Account::IsOnlyOf(const std::string& namespace_name) const {
  return std::ranges::all_of(shares, [&](const auto& e) { return e.first == namespace_name; }) &&
         std::ranges::all_of(
             proven, [&](const auto& e) { return e.second.namespace_name == namespace_name; });
}

LoginGuard::Account& LoginGuard::Of(const LoginAttempt& attempt) {
  auto found = accounts_.find(attempt.account);
  if (found == accounts_.end()) {
    Bound(accounts_, kMaxAccounts, [&](const Account& account) {
      return account.in_flight == 0 && account.IsOnlyOf(attempt.namespace_name);
    });
    found = accounts_.try_emplace(attempt.account).first;
  }
  found->second.used = clock_.Now();
  return found->second;
}

bool LoginGuard::Trusts(const Account& account, const LoginAttempt& attempt) {
  if (!account.proven.contains(SubjectOf(attempt))) return false;
  std::size_t in_doubt = 0;  // namespaces
  for (const auto& [name, share] : account.shares) {
    if (!share.proven_refused) continue;
    if (name == attempt.namespace_name) return false;
    ++in_doubt;
  }
  return in_doubt < 2;
}

std::optional<Error> LoginGuard::Refusal(const Account& account, const Share& share,
                                         const LoginAttempt& attempt) const {
  if (attempt.trusted) return std::nullopt;
  const SteadyTime now = clock_.Now();
  if (auto refused = share.refused.find(attempt.credential);
      refused != share.refused.end() && now < refused->second.wait_until) {
    return NotNow(refused->second.wait_until, now, "this credential was refused",
                  share.last_refusal);
  }
  if (now < share.hold_until) {
    return NotNow(share.hold_until, now, "others of this namespace were refused for this access id",
                  share.last_refusal);
  }
  if (account.Row() >= kMostRefusals && now < account.hold_until) {
    return NotNow(account.hold_until, now, "logins of several namespaces were refused",
                  "logins with this access id are held back");
  }
  return std::nullopt;
}

Status LoginGuard::Admit(const Context& context, LoginAttempt& attempt) {
  MutexLock lock(mutex_);
  std::optional<Error> refusal;
  // After a hold has passed, the row still allows one attempt at a time.
  const auto decided = [&] {
    mutex_.AssertHeld();
    Account& account = Of(attempt);
    const Share& share = account.shares[attempt.namespace_name];
    attempt.trusted = Trusts(account, attempt);
    refusal = Refusal(account, share, attempt);
    if (refusal) return true;
    const std::size_t row = std::min(account.Row(), kMostRefusals - 1);
    const std::size_t ahead = attempt.trusted ? account.trusted_in_flight : account.in_flight;
    if (row + ahead >= kMostRefusals) return false;
    // One of the places is left for another namespace.
    return std::min(share.refusals, kMostOfNamespace) + share.in_flight < kMostRefusals - 1;
  };
  if (!clock_.WaitUntil(lock, settled_, context.stop(), context.deadline(), decided)) {
    lock.unlock();
    if (Status over = context.Check(clock_); !over.ok()) return over;
    return Error(ErrorCode::kDeadlineExceeded, "waited for other logins of this access id");
  }
  if (refusal) return *refusal;
  Account& account = Of(attempt);
  Share& share = account.shares[attempt.namespace_name];
  ++account.in_flight;
  ++share.in_flight;
  if (attempt.trusted) ++account.trusted_in_flight;
  return {};
}

void LoginGuard::SetProven(Account& account, const LoginAttempt& attempt) {
  const std::string& subject = SubjectOf(attempt);
  account.shares[attempt.namespace_name].refused.erase(attempt.credential);
  auto found = account.proven.find(subject);
  if (found == account.proven.end()) {
    Bound(account.proven, kMaxProven,
          [&](const Proven& proven) { return proven.namespace_name == attempt.namespace_name; });
    found = account.proven.try_emplace(subject, Proven{attempt.namespace_name, {}}).first;
  }
  found->second.used = clock_.Now();
}

void LoginGuard::CountRefusal(Account& account, const LoginAttempt& attempt,
                              const std::string& refusal) {
  const SteadyTime now = clock_.Now();
  Share& share = account.shares[attempt.namespace_name];
  const bool was_proven = account.proven.erase(SubjectOf(attempt)) > 0;
  if (attempt.trusted || was_proven) share.proven_refused = true;
  if (!share.refused.contains(attempt.credential)) {
    Bound(share.refused, kMaxRefused, [](const Refused&) { return true; });
  }
  Refused& refused = share.refused[attempt.credential];
  refused.wait_until = now + WaitAfter(++refused.refusals);
  refused.used = now;
  share.hold_until = now + WaitAfter(++share.refusals);
  share.last_refusal = refusal;
  if (account.Row() >= kMostRefusals) account.hold_until = now + kHold;
}

void LoginGuard::Settle(const LoginAttempt& attempt, Outcome outcome, const std::string& refusal) {
  {
    MutexLock lock(mutex_);
    Account& account = Of(attempt);
    Share& share = account.shares[attempt.namespace_name];
    if (account.in_flight > 0) --account.in_flight;
    if (share.in_flight > 0) --share.in_flight;
    if (attempt.trusted && account.trusted_in_flight > 0) --account.trusted_in_flight;
    if (outcome == Outcome::kAccepted) {
      for (auto& [name, each] : account.shares) {
        each.refusals = 0;
        each.proven_refused = false;
        each.hold_until = SteadyTime();
      }
    }
    if (outcome == Outcome::kAccepted || outcome == Outcome::kRotated) {
      SetProven(account, attempt);
    } else if (outcome == Outcome::kRefused) {
      CountRefusal(account, attempt, refusal);
    }
    std::erase_if(account.shares, [](const auto& entry) {
      const Share& each = entry.second;
      return each.refusals == 0 && each.in_flight == 0 && each.refused.empty();
    });
  }
  settled_.notify_all();
}

}  // namespace nodekeep::akeyless
