#pragma once

// Keeps the agent from getting an access id blocked.
//
// Akeyless blocks a client for a while after five consecutive failed logins
// (docs/protocol/akeyless-api.md, "Refusals and blocking"), and one access id may serve many pods.
// So refusals are counted here, per gateway and access id. A credential is proven when its latest
// login or rotation was accepted.
//   - A credential is held back after its second refusal in a row, longer after each further one.
//   - After kMostRefusals in a row, only proven credentials are admitted until kHold has passed. An
//     accepted login ends the row, here and at Akeyless.
//   - The number of concurrent logins is limited so that, even if all are refused, there is no
//     fifth refusal in a row. For a proven credential only other proven ones in flight count, and
//     at least one at a time is admitted, so that refusals of other credentials never keep it out.
//   - Once a proven credential is refused, none of the account counts as proven until a login is
//     accepted: the whole auth method may have been disabled.
// A refused rotation of a universal identity counts as a refused login, as it does at Akeyless,
// which also counts other nodes and other clients of the access id; those are not visible here.
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

// A login or rotation to make. Equal credentials have equal digests.
struct LoginAttempt {
  std::string account;     // gateway and access id
  std::string credential;  // a digest
  bool trusted = false;    // set by Admit: the credential is proven
};

LoginAttempt AttemptOf(AccessType type, const Options& options, std::string_view digest);

class LoginGuard {
 public:
  enum class Outcome {
    kAccepted,
    kRotated,  // proves the credential but is not a login, so the row of refusals goes on
    kRefused,
    kUnknown,
  };

  static constexpr std::size_t kMostRefusals = 4;
  static constexpr Duration kHold = std::chrono::minutes(15);

  explicit LoginGuard(const Clock& clock) : clock_(clock) {}

  // Admits the attempt; the caller must then call Settle. Errors: kThrottled with retry_after and
  // the text of the last refusal, when the attempt must not be made now; those of the context.
  Status Admit(const Context& context, LoginAttempt& attempt);
  void Settle(const LoginAttempt& attempt, Outcome outcome, const std::string& refusal = "");

 private:
  struct Credential {
    bool proven = false;  // the latest login with it was accepted
    std::size_t refusals = 0;
    SteadyTime wait_until;
    SteadyTime used;
  };
  struct Account {
    std::size_t refusals = 0;     // in a row
    bool proven_refused = false;  // a proven credential was among them
    SteadyTime hold_until;
    std::size_t in_flight = 0;
    std::size_t trusted_in_flight = 0;  // of in_flight
    std::string last_refusal;
    SteadyTime used;
    std::map<std::string, Credential> credentials;
  };

  Account& Of(const std::string& account) NODEKEEP_REQUIRES(mutex_);
  Credential& Of(Account& account, const std::string& credential) NODEKEEP_REQUIRES(mutex_);
  static bool Trusts(const Account& account, const Credential& credential);
  std::optional<Error> Refusal(const Account& account, const Credential& credential) const
      NODEKEEP_REQUIRES(mutex_);

  const Clock& clock_;

  Mutex mutex_;
  std::condition_variable_any settled_;
  std::map<std::string, Account> accounts_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep::akeyless
