#include "providers/akeyless/login_guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/base/digest.h"
#include "agent/base/mutex.h"

namespace nodekeep::akeyless {
namespace {

// Of one namespace at one account.
constexpr std::size_t kMaxProven = 128;
constexpr std::size_t kMaxRefused = 256;
constexpr std::size_t kMaxRows = 16;

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
  // A universal identity may be used without an access id.
  attempt.account = Sha256Hex(options.access_id.empty() ? digest : options.access_id);
  attempt.gateways = Sha256Hex(options.Endpoint());
  attempt.namespace_name = namespace_name;
  return attempt;
}

std::size_t LoginGuard::size() const {
  MutexLock lock(mutex_);
  return accounts_.size();
}

std::size_t LoginGuard::Share::Refusals() const {
  std::size_t refusals = 0;
  for (const auto& [gateways, row] : rows) refusals += row.refusals;
  return refusals;
}

std::size_t LoginGuard::Share::Counted() const { return std::min(Refusals(), kMostOfNamespace); }

std::size_t LoginGuard::Account::Counted() const {
  std::size_t counted = 0;
  for (const auto& [name, share] : shares) counted += share.Counted();
  return counted;
}

LoginGuard::Account& LoginGuard::Of(const LoginAttempt& attempt) {
  const Place place(attempt.account, attempt.namespace_name);
  if (places_.Use(place) == nullptr) {
    for (const auto& dropped : places_.Put(attempt.namespace_name, place, {}, 1)) {
      Forget(dropped.key());
    }
  }
  return accounts_[attempt.account];
}

void LoginGuard::Forget(const Place& place) {
  const auto found = accounts_.find(place.first);
  if (found == accounts_.end()) return;
  Account& account = found->second;
  std::erase_if(account.proven,
                [&](const auto& entry) { return entry.second.namespace_name == place.second; });
  const auto share = account.shares.find(place.second);
  if (share != account.shares.end() && share->second.in_flight == 0) account.shares.erase(share);
  if (account.shares.empty() && account.proven.empty()) accounts_.erase(found);
}

void LoginGuard::DropOld(Account& account) const {
  const SteadyTime now = clock_.Now();
  const auto is_old = [&](const auto& entry) { return now - entry.second.used >= kForgetAfter; };
  for (auto& [name, share] : account.shares) {
    std::erase_if(share.rows, is_old);
    std::erase_if(share.refused, is_old);
  }
  std::erase_if(account.shares, [](const auto& entry) {
    const Share& share = entry.second;
    return share.rows.empty() && share.refused.empty() && share.in_flight == 0;
  });
}

bool LoginGuard::Trusts(const Account& account, const LoginAttempt& attempt) {
  if (!account.proven.contains(SubjectOf(attempt))) return false;
  std::size_t in_doubt = 0;  // namespaces
  for (const auto& [name, share] : account.shares) {
    const bool own = name == attempt.namespace_name;
    const bool doubtful = std::ranges::any_of(share.rows, [&](const auto& entry) {
      return entry.second.proven_refused && (own || entry.first == attempt.gateways);
    });
    if (own && doubtful) return false;
    if (doubtful) ++in_doubt;
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
  if (account.Counted() >= kMostRefusals && now < account.hold_until) {
    return NotNow(account.hold_until, now, "logins of several namespaces were refused",
                  "logins with this access id are held back");
  }
  return std::nullopt;
}

Status LoginGuard::Admit(const Context& context, LoginAttempt& attempt) {
  MutexLock lock(mutex_);
  std::optional<Error> refusal;
  const Share none{};
  // After a hold has passed, the row still allows one attempt at a time.
  const auto decided = [&] {
    mutex_.AssertHeld();
    const auto found = accounts_.find(attempt.account);
    if (found == accounts_.end()) {
      attempt.trusted = false;
      refusal.reset();
      return true;
    }
    Account& account = found->second;
    DropOld(account);
    const auto own = account.shares.find(attempt.namespace_name);
    const Share& share = own == account.shares.end() ? none : own->second;
    attempt.trusted = Trusts(account, attempt);
    refusal = Refusal(account, share, attempt);
    if (refusal) return true;
    const std::size_t row = std::min(account.Counted(), kMostRefusals - 1);
    const std::size_t ahead = attempt.trusted ? account.trusted_in_flight : account.in_flight;
    if (row + ahead >= kMostRefusals) return false;
    // One of the places is left for another namespace.
    return share.Counted() + share.in_flight < kMostRefusals - 1;
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
  if (!share.rows.contains(attempt.gateways)) {
    Bound(share.rows, kMaxRows, [](const Row&) { return true; });
  }
  Row& row = share.rows[attempt.gateways];
  ++row.refusals;
  row.used = now;
  if (attempt.trusted || was_proven) row.proven_refused = true;
  if (!share.refused.contains(attempt.credential)) {
    Bound(share.refused, kMaxRefused, [](const Refused&) { return true; });
  }
  Refused& refused = share.refused[attempt.credential];
  refused.wait_until = now + WaitAfter(++refused.refusals);
  refused.used = now;
  share.hold_until = now + WaitAfter(share.Refusals());
  share.last_refusal = refusal;
  if (account.Counted() >= kMostRefusals) account.hold_until = now + kHold;
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
        each.rows.erase(attempt.gateways);
        if (each.rows.empty()) each.hold_until = SteadyTime();
      }
    }
    if (outcome == Outcome::kAccepted || outcome == Outcome::kRotated) {
      SetProven(account, attempt);
    } else if (outcome == Outcome::kRefused) {
      CountRefusal(account, attempt, refusal);
    }
    DropOld(account);
    // With very many namespaces there may be no place for this one.
    const Place place(attempt.account, attempt.namespace_name);
    if (!places_.Contains(place)) Forget(place);
  }
  settled_.notify_all();
}

}  // namespace nodekeep::akeyless
