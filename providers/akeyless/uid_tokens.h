#pragma once

// Universal identities: the newest token of each, by its first one
// (docs/protocol/akeyless-api.md, "Universal identities").
//
// - A rotation invalidates the token before it, so an identity is rotated by one caller at a time
//   and at most once per kRotateEvery, however many mounts use it.
// - A rotation has two phases: with manual acknowledgement the old token stays valid until we have
//   received the new one, so a lost reply does not lose the identity.
// - A token that is not rotated expires (after an hour by default), and the identity with it, so a
//   thread of this class rotates identities that have no logins.
// - After a restart the newest token comes from Options::uid_token_directory, if set; else the
//   identity starts again from its first token, which the server may have invalidated by then.
// - Each node needs a first token of its own.
// - The login guard admits every rotation; one that it holds back is made later.
//
// Thread-safe. Waits within the caller's context; no requests and no callbacks under the lock.

#include <condition_variable>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/base/thread_guard.h"
#include "providers/akeyless/gateway_client.h"
#include "providers/akeyless/login_guard.h"
#include "providers/akeyless/uid_token_file.h"

namespace nodekeep::akeyless {

class UidTokens {
 public:
  static constexpr Duration kRotateEvery = std::chrono::minutes(2);  // as upstream

  // Pause after a refused rotation (the token denies rotation, or is unknown), because every
  // refusal counts as a failed login. Well below a token's default lifetime of an hour, because the
  // refusal may have been temporary. Other failures are retried within a minute.
  static constexpr Duration kDeniedFor = std::chrono::minutes(15);
  // The thread retries an identity that has been rotated before until this many refusals in a row.
  // After those, and if it was never rotated, only a login retries.
  static constexpr int kUpkeepTries = 2;
  // An identity is kept alive for this long after its last use.
  static constexpr Duration kKeptFor = std::chrono::hours(24 * 7);

  struct Newest {
    SecretBytes token;
    // Why it could not be rotated; it may still be valid (a token may deny rotation).
    std::optional<Error> not_rotated;
  };

  // All must outlive this object. `on_exception`: for its thread, "uid-tokens".
  UidTokens(GatewayClient& api, LoginGuard& guard, const Clock& clock,
            ExceptionReporter on_exception = {})
      : api_(api), guard_(guard), clock_(clock), on_exception_(std::move(on_exception)) {}

  // The newest token of the identity whose first token is `first`, rotated if due. The rotation
  // uses the options that last worked for the identity, because the caller's may be mistyped, or
  // the caller's if none have worked yet. Errors: those of the context.
  Result<Newest> Get(const Context& context, const Options& options, std::string_view first);
  // Records that a login with these options was accepted. `first`: Sha256Hex of the first token.
  void Accepted(const Options& options, const std::string& first);

 private:
  // Guarded by mutex_, except the name and the file.
  struct Identity {
    std::string name;                          // the digest of its first token
    std::shared_ptr<const UidTokenFile> file;  // the first token itself is not stored
    SecretBytes token;
    std::string not_read;  // why the stored token could not be read; "" = no error
    SteadyTime next;       // earliest time of the next rotation
    std::optional<Error> not_rotated;
    int upkeep_tries = 0;  // left
    bool busy = false;
    // The options of the last rotation or login that succeeded; null = none has.
    std::shared_ptr<const Options> proven;
    SteadyTime used;

    bool Refused() const { return not_rotated && IsRefusal(*not_rotated); }
  };

  // Rotates; releases `lock`, which holds mutex_, during the calls. False: the guard holds the
  // rotation back now. Not analysed: clang cannot follow a lock that is passed by reference.
  bool Rotate(MutexLock& lock, Identity& identity, const Context& context,
              std::shared_ptr<const Options> options)
      NODEKEEP_REQUIRES(mutex_) NODEKEEP_NO_THREAD_SAFETY_ANALYSIS;
  void KeepAlive(std::stop_token stop);
  Identity* NextDue() NODEKEEP_REQUIRES(mutex_);
  static Identity Begin(const Options& options, std::string_view first);
  Result<SecretBytes> Next(const Context& context, const Options& options, const UidTokenFile& file,
                           const SecretBytes& token);
  Status Acknowledge(const Context& context, const Options& options, const SecretBytes& token,
                     const SecretBytes& next);

  GatewayClient& api_;
  LoginGuard& guard_;
  const Clock& clock_;
  const ExceptionReporter on_exception_;

  Mutex mutex_;
  std::condition_variable_any changed_;
  // By a digest of the first token; never erased, because the newest token may exist nowhere else.
  std::map<std::string, Identity> identities_ NODEKEEP_GUARDED_BY(mutex_);

  // Started with the first identity; last member: stopped first.
  std::jthread thread_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep::akeyless
