#pragma once

// Keeps the agent from getting an access id blocked.
//
// Akeyless blocks a client for a while after five consecutive failed logins
// (docs/protocol/akeyless-api.md, "Refusals and blocking"), and one access id may serve many pods.
// So refusals are counted here, per gateway and access id:
//   - a credential that was refused twice waits before it is shown again, longer each time;
//   - after kMostRefusals in a row only proven credentials, accepted when last shown, are let
//     through, until kHold has passed; an accepted login ends the row, here as there;
//   - credentials are shown at most so many at a time that all of them could be refused without a
//     fifth refusal in a row; proven ones, which strangers' refusals must not keep out, at least
//     one at a time;
//   - a proven one that is refused proves nothing for its like any more (the whole auth method may
//     have been closed): until the row ends they are treated as if never accepted.
// A rotation of a universal identity counts as a login does: its refusal counts there too. Other
// nodes and other clients of the access id count there too, and cannot be seen from here.
//
// Thread-safe. Waits under the caller's context; nothing is called out under the lock.

#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/result.h"
#include "providers/akeyless/access_type.h"
#include "providers/akeyless/options.h"

namespace nodekeep::akeyless {

// A login or rotation to be made. Equal credentials have equal digests.
struct LoginAttempt {
  std::string account;     // gateway and access id
  std::string credential;  // a digest
  bool trusted = false;    // by the guard: admitted as a proven one
};

LoginAttempt AttemptOf(AccessType type, const Options& options, std::string_view digest);

class LoginGuard {
 public:
  enum class Outcome {
    kAccepted,
    kRotated,  // the credential is as good as accepted, but that was no login: the row goes on
    kRefused,
    kUnknown,
  };

  static constexpr std::size_t kMostRefusals = 4;
  static constexpr Duration kHold = std::chrono::minutes(15);

  explicit LoginGuard(const Clock& clock) : clock_(clock) {}

  // Lets the attempt through, which then must be settled. Errors: kThrottled with retry_after, the
  // last refusal repeated, when it must not be made now; those of the context.
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

  // Called with mutex_ held.
  Account& Of(const std::string& account);
  Credential& Of(Account& account, const std::string& credential);
  static bool Trusts(const Account& account, const Credential& credential);
  std::optional<Error> Refusal(const Account& account, const Credential& credential) const;

  const Clock& clock_;

  std::mutex mutex_;
  std::condition_variable_any settled_;
  // Guarded by mutex_.
  std::map<std::string, Account> accounts_;
};

}  // namespace nodekeep::akeyless
