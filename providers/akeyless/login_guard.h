#pragma once

// Keeps the agent from getting an access id blocked, and one namespace from getting it held for the
// others.
//
// Akeyless blocks a client for a while after five consecutive failed logins
// (docs/protocol/akeyless-api.md, "Refusals and blocking"), and one access id may serve many pods.
// So refusals are counted here, per access id (an account), whatever gateways the class lists, and,
// in it, per namespace of the caller. A subject is proven when its latest login or rotation was
// accepted: the service account whose token was sent, else the credential, each with the gateways
// and the other options of the class.
//   - A credential is held back after its second refusal in a row, longer after each further one;
//     likewise all of a namespace that are not proven, after its second one in a row.
//   - A namespace counts for at most half of kMostRefusals. After kMostRefusals in a row, which
//     thus takes two of them, only proven subjects are admitted until kHold has passed.
//   - An accepted login ends the rows of all namespaces, but only of refusals of the same gateways,
//     because a gateway may be a tenant's own. A row also ends kForgetAfter after its last refusal.
//   - The number of concurrent logins is limited so that, even if all are refused, the row does not
//     grow beyond kMostRefusals. One namespace leaves room for another. For a proven subject only
//     other proven ones of other namespaces count, so that refusals of others never keep it out.
//   - Once a proven subject is refused, none of its namespace counts as proven until its row ends,
//     and none at the same gateways once that has happened in two namespaces: the whole auth method
//     may have been disabled.
// A refused rotation of a universal identity counts as a refused login, as it does at Akeyless,
// which also counts other nodes and other clients of the access id; those are not visible here.
//
// A fifth refusal in a row is nevertheless possible
//   - of proven subjects, which are admitted after four; of each namespace one, if they use
//     different gateways;
//   - after a hold or kForgetAfter, if no login was accepted meanwhile;
//   - if a class lists several gateways, one of which accepts logins without asking Akeyless: these
//     end the row of what the others refused.
//
// What is remembered is limited: over the limit, the namespace with the most entries forgets those
// of its own that were used least recently.
//
// Thread-safe. Waits within the caller's context; no requests and no callbacks under the lock.

#include <condition_variable>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/fair_table.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "providers/akeyless/access_type.h"
#include "providers/akeyless/options.h"

namespace nodekeep::akeyless {

// A login or rotation to make.
struct LoginAttempt {
  std::string account;         // the access id: a digest
  std::string credential;      // what is presented and under which options: a digest
  std::string namespace_name;  // of the caller
  std::string subject{};       // what a success proves; "" = the credential
  std::string gateways{};      // that the class lists: a digest
  bool trusted = false;        // set by Admit: the subject is proven
};

// `digest`: of the credential. `service_account`: "namespace/name" of the pod whose token is
// sent, "" if none is. Other options of the class are part of the credential, because each of them
// may be the cause of a refusal.
LoginAttempt AttemptOf(AccessType type, const Options& options, std::string_view digest,
                       const std::string& namespace_name, std::string_view service_account = "");

class LoginGuard {
 public:
  enum class Outcome {
    kAccepted,
    kRotated,  // proves the subject but is not a login, so the row of refusals goes on
    kRefused,
    kUnknown,
  };

  static constexpr std::size_t kMostRefusals = 4;
  static constexpr std::size_t kMostOfNamespace = kMostRefusals / 2;
  static constexpr Duration kHold = std::chrono::minutes(15);
  // Longer than the longest wait, so that what is tried again after each wait stays in its row.
  static constexpr Duration kForgetAfter = 2 * kHold;
  // Pairs of an account and a namespace that are remembered.
  static constexpr std::size_t kMostPlaces = 1024;

  explicit LoginGuard(const Clock& clock) : clock_(clock) {}

  // Admits the attempt; the caller must then call Settle. Errors: kThrottled with retry_after and
  // the text of the last refusal, when the attempt must not be made now; those of the context.
  Status Admit(const Context& context, LoginAttempt& attempt);
  void Settle(const LoginAttempt& attempt, Outcome outcome, const std::string& refusal = "");
  // The number of accounts that are remembered.
  std::size_t size() const;

 private:
  using Place = std::pair<std::string, std::string>;  // account and namespace

  // A credential that was refused since its last success.
  struct Refused {
    std::size_t refusals = 0;
    SteadyTime wait_until;
    SteadyTime used;
  };
  // Refusals in a row.
  struct Row {
    std::size_t refusals = 0;
    bool proven_refused = false;  // a proven subject was among them
    SteadyTime used;              // by the last one
  };
  // What a namespace did at an account.
  struct Share {
    SteadyTime hold_until;
    std::size_t in_flight = 0;
    std::string last_refusal;
    std::map<std::string, Row> rows;         // by gateways
    std::map<std::string, Refused> refused;  // by credential

    std::size_t Refusals() const;  // of all rows
    std::size_t Counted() const;   // of them, those that count for other namespaces
  };
  struct Proven {
    std::string namespace_name;  // that proved it
    SteadyTime used;
  };
  struct Account {
    SteadyTime hold_until;
    std::size_t in_flight = 0;
    std::size_t trusted_in_flight = 0;     // of in_flight
    std::map<std::string, Share> shares;   // by namespace
    std::map<std::string, Proven> proven;  // by subject

    std::size_t Counted() const;  // refusals that count for all namespaces
  };

  // The account of the attempt, which is added if it is new.
  Account& Of(const LoginAttempt& attempt) NODEKEEP_REQUIRES(mutex_);
  // What the namespace did at the account, except while it has an attempt in flight there.
  void Forget(const Place& place) NODEKEEP_REQUIRES(mutex_);
  // Removes old refusals, and shares without any.
  void DropOld(Account& account) const NODEKEEP_REQUIRES(mutex_);
  static bool Trusts(const Account& account, const LoginAttempt& attempt);
  std::optional<Error> Refusal(const Account& account, const Share& share,
                               const LoginAttempt& attempt) const NODEKEEP_REQUIRES(mutex_);
  void SetProven(Account& account, const LoginAttempt& attempt) NODEKEEP_REQUIRES(mutex_);
  void CountRefusal(Account& account, const LoginAttempt& attempt, const std::string& refusal)
      NODEKEEP_REQUIRES(mutex_);

  const Clock& clock_;

  mutable Mutex mutex_;
  std::condition_variable_any settled_;
  std::map<std::string, Account> accounts_ NODEKEEP_GUARDED_BY(mutex_);
  // Of all entries in accounts_, except a namespace's that has attempts in flight.
  FairTable<Place, std::monostate> places_ NODEKEEP_GUARDED_BY(mutex_){kMostPlaces};
};

}  // namespace nodekeep::akeyless
