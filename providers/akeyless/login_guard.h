#pragma once

// Keeps the agent from getting an access id blocked, and one namespace from getting it held for the
// others.
//
// Akeyless blocks a client for a while after five consecutive failed logins
// (docs/protocol/akeyless-api.md, "Refusals and blocking"), and one access id may serve many pods.
// So refusals are counted here, per gateway and access id (an account) and, in it, per namespace
// of the caller. A subject is proven when its latest login or rotation was accepted: the service
// account whose token was sent, else the credential.
//   - A credential is held back after its second refusal in a row, longer after each further one;
//     likewise all of a namespace that are not proven, after its second one in a row.
//   - A namespace counts for at most half of kMostRefusals. After kMostRefusals in a row, which
//     thus takes two of them, only proven subjects are admitted until kHold has passed. An accepted
//     login ends all rows of the account, here and at Akeyless.
//   - The number of concurrent logins is limited so that, even if all are refused, the row does not
//     grow beyond kMostRefusals. One namespace leaves room for another. For a proven subject only
//     other proven ones of other namespaces count, so that refusals of others never keep it out.
//   - Once a proven subject is refused, none of its namespace counts as proven until a login of the
//     account is accepted, and none of the account once that has happened in two namespaces: the
//     whole auth method may have been disabled.
// A refused rotation of a universal identity counts as a refused login, as it does at Akeyless,
// which also counts other nodes and other clients of the access id; those are not visible here.
//
// What is remembered is limited per namespace: one that fills its part forgets its own entries.
//
// Thread-safe. Waits within the caller's context; no requests and no callbacks under the lock.

#include <condition_variable>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "providers/akeyless/access_type.h"
#include "providers/akeyless/options.h"

namespace nodekeep::akeyless {

// A login or rotation to make.
struct LoginAttempt {
  std::string account;         // gateway and access id
  std::string credential;      // what is presented and under which options: a digest
  std::string namespace_name;  // of the caller
  std::string subject{};       // what a success proves; "" = the credential
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

  explicit LoginGuard(const Clock& clock) : clock_(clock) {}

  // Admits the attempt; the caller must then call Settle. Errors: kThrottled with retry_after and
  // the text of the last refusal, when the attempt must not be made now; those of the context.
  Status Admit(const Context& context, LoginAttempt& attempt);
  void Settle(const LoginAttempt& attempt, Outcome outcome, const std::string& refusal = "");

 private:
  // A credential that was refused since its last success.
  struct Refused {
    std::size_t refusals = 0;
    SteadyTime wait_until;
    SteadyTime used;
  };
  // What a namespace did at an account.
  struct Share {
    std::size_t refusals = 0;     // in a row
    bool proven_refused = false;  // a proven subject was among them
    SteadyTime hold_until;
    std::size_t in_flight = 0;
    std::string last_refusal;
    std::map<std::string, Refused> refused;  // by credential
  };
  struct Proven {
    std::string namespace_name;  // that proved it
    SteadyTime used;
  };
  struct Account {
    SteadyTime hold_until;
    std::size_t in_flight = 0;
    std::size_t trusted_in_flight = 0;  // of in_flight
    SteadyTime used;
    std::map<std::string, Share> shares;   // by namespace
    std::map<std::string, Proven> proven;  // by subject

    std::size_t Row() const;  // refusals that count for all namespaces
    bool IsOnlyOf(const std::string& namespace_name) const;  // no other has an entry in it
  };

  Account& Of(const LoginAttempt& attempt) NODEKEEP_REQUIRES(mutex_);
  static bool Trusts(const Account& account, const LoginAttempt& attempt);
  std::optional<Error> Refusal(const Account& account, const Share& share,
                               const LoginAttempt& attempt) const NODEKEEP_REQUIRES(mutex_);
  void SetProven(Account& account, const LoginAttempt& attempt) NODEKEEP_REQUIRES(mutex_);
  void CountRefusal(Account& account, const LoginAttempt& attempt, const std::string& refusal)
      NODEKEEP_REQUIRES(mutex_);

  const Clock& clock_;

  Mutex mutex_;
  std::condition_variable_any settled_;
  std::map<std::string, Account> accounts_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep::akeyless
