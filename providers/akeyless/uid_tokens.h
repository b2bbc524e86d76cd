#pragma once

// Universal identities: the newest token of each, by its first one
// (docs/protocol/akeyless-api.md, "Universal identities").
//
// A rotation ends the token before it, so an identity is rotated by one caller at a time and not
// more often than kRotateEvery, however many mounts use it. It is done in two phases: with manual
// acknowledgement the old token lives until we have the new one in hand, so that no lost reply
// loses the identity. One that nobody logs in with is rotated by a thread of its own, because a
// token that is not rotated ends (after an hour by default), and with it the identity. A restart
// goes on with the newest token where Options::uid_token_directory says to keep it; else it begins
// again at the first one, which the server may have ended by then. Each node needs a token of its
// own. Every rotation is admitted by the guard of logins; one that it holds back is made later.
//
// Thread-safe. Waits under the caller's context; nothing is called out under the lock.

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/context.h"
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

  // A token that denies rotation, or is unknown, is not asked again for so long: every refusal
  // counts as a failed login. Well below the hour that a token lives by default: the refusal may
  // have been a passing one. What failed otherwise is tried again within the minute.
  static constexpr Duration kDeniedFor = std::chrono::minutes(15);
  // An identity that has been rotated before is tried again by the upkeep until so many refusals in
  // a row; after them, and where it never was, only by a login.
  static constexpr int kUpkeepTries = 2;
  // After its last use an identity is kept alive for so long.
  static constexpr Duration kKeptFor = std::chrono::hours(24 * 7);

  struct Newest {
    SecretBytes token;
    // Why it could not be rotated; it may still be good (a token may deny rotation).
    std::optional<Error> not_rotated;
  };

  // All must outlive it. `on_exception`: of its thread, "uid-tokens".
  UidTokens(GatewayClient& api, LoginGuard& guard, const Clock& clock,
            ExceptionReporter on_exception = {})
      : api_(api), guard_(guard), clock_(clock), on_exception_(std::move(on_exception)) {}

  // The newest token of the identity that began with `first`, rotated if it is time to: with the
  // options that last worked for it, since those of this caller may be mistyped, and with the
  // caller's own while none has worked yet. Errors: those of the context.
  Result<Newest> Get(const Context& context, const Options& options, std::string_view first);
  // A login with the identity was accepted: these options work. `first`: its digest by Sha256Hex.
  void Accepted(const Options& options, const std::string& first);

 private:
  struct Identity {
    std::string name;                          // the digest of its first token
    std::shared_ptr<const UidTokenFile> file;  // the first token itself is not kept
    SecretBytes token;
    std::string not_read;  // why what was kept on disk was of no use; "" = it was
    SteadyTime next;       // rotation; not before
    std::optional<Error> not_rotated;
    int upkeep_tries = 0;  // left
    bool busy = false;
    // Of the last rotation or login that succeeded; null = none has.
    std::shared_ptr<const Options> proven;
    SteadyTime used;

    bool Refused() const { return not_rotated && IsRefusal(*not_rotated); }
  };

  // Rotates under `lock`, which is given up meanwhile. False: the guard holds it back now.
  bool Rotate(std::unique_lock<std::mutex>& lock, Identity& identity, const Context& context,
              std::shared_ptr<const Options> options);
  void KeepAlive(std::stop_token stop);
  Identity* NextDue();
  static Identity Begin(const Options& options, std::string_view first);
  Result<SecretBytes> Next(const Context& context, const Options& options, const UidTokenFile& file,
                           const SecretBytes& token);
  Status Acknowledge(const Context& context, const Options& options, const SecretBytes& token,
                     const SecretBytes& next);

  GatewayClient& api_;
  LoginGuard& guard_;
  const Clock& clock_;
  const ExceptionReporter on_exception_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_. By a digest of the first token; never forgotten, since what comes after the
  // first token may exist nowhere else.
  std::map<std::string, Identity> identities_;

  std::jthread thread_;  // from the first identity on; last: stopped first
};

}  // namespace nodekeep::akeyless
