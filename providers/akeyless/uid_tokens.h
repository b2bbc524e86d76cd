#pragma once

// Universal identities: the newest token of each, by its first one
// (docs/protocol/akeyless-api.md, "Universal identities").
//
// - A rotation invalidates the token before it, so an identity is rotated by one caller at a time
//   and at most once per kRotateEvery, however many mounts use it.
// - A rotation has two phases: with manual acknowledgement the old token stays valid until we have
//   received the new one, so a lost reply does not lose the identity.
// - A token that is not rotated expires (after an hour by default), and the identity with it, so
//   this class also rotates identities that have no logins (upkeep): those that are due for longest
//   first, on a few threads that namespaces share, and of each namespace one at a time per gateway,
//   so that a gateway that hangs delays nothing but what is kept there.
// - Upkeep ends some time after the last login, and the identity is forgotten. That is sooner where
//   the operator does not trust the gateways, whose replies then decide what the node keeps.
// - A namespace has its share of the identities that are kept.
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
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/base/shared_resource.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
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
  // The upkeep retries an identity that has been rotated before until this many refusals in a row.
  // After those, and if it was never rotated, only a login retries.
  static constexpr int kUpkeepTries = 2;
  // An identity is kept for this long after its last use; kAtStrangersFor, if its gateways are not
  // those that the operator trusts with the node's identity; kUnprovenFor, if nothing has worked.
  static constexpr Duration kKeptFor = std::chrono::hours(24 * 7);
  static constexpr Duration kAtStrangersFor = std::chrono::hours(24);
  static constexpr Duration kUnprovenFor = std::chrono::hours(1);
  static constexpr std::size_t kUpkeepThreads = 8;

  struct Newest {
    SecretBytes token;
    // Why it could not be rotated; it may still be valid (a token may deny rotation).
    std::optional<Error> not_rotated;
  };

  struct Settings {
    ExceptionReporter on_exception{};      // for the threads, "uid-tokens"
    RefusalReporter on_refusal{};          // of places in the upkeep's queue
    SharedResource* identities = nullptr;  // kept at a time; null = without a limit
  };

  // All, and what `settings` refers to, must outlive this object.
  UidTokens(GatewayClient& api, LoginGuard& guard, const Clock& clock, Settings settings);
  ~UidTokens();

  // The newest token of the identity whose first token is `first`, rotated if due. The rotation
  // uses the options that last worked for the identity, because the caller's may be mistyped, or
  // the caller's if none have worked yet. `namespace_name`: whose share an identity uses that is
  // new; "" = the node's own. Errors: kThrottled, the share is used up; those of the context.
  Result<Newest> Get(const Context& context, const Options& options, std::string_view first,
                     const std::string& namespace_name);
  // Records that a login with these options was accepted. `first`: Sha256Hex of the first token.
  void Accepted(const Options& options, const std::string& first);
  // The number of identities that are kept.
  std::size_t size() const;

 private:
  // Guarded by mutex_, except what is constant after Begin.
  struct Identity {
    std::string name;            // the digest of its first token; constant
    std::string namespace_name;  // constant
    SharedResource::Grant share;
    std::shared_ptr<const UidTokenFile> file;  // constant; the first token itself is not stored
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
    bool AtStrangers() const;  // it has worked, and at gateways that the operator does not trust
    Duration KeptFor() const;
    // Namespace and gateway: one upkeep at a time. Precondition: proven.
    std::pair<std::string, std::string> Place() const;
  };
  using IdentityPtr = std::shared_ptr<Identity>;

  Result<IdentityPtr> FindOrAdd(MutexLock& lock, const Options& options, std::string_view first,
                                const std::string& namespace_name)
      NODEKEEP_REQUIRES(mutex_) NODEKEEP_NO_THREAD_SAFETY_ANALYSIS;
  // Rotates; releases `lock`, which holds mutex_, during the calls. False: the guard holds the
  // rotation back now. Not analysed: clang cannot follow a lock that is passed by reference.
  bool Rotate(MutexLock& lock, Identity& identity, const Context& context,
              std::shared_ptr<const Options> options)
      NODEKEEP_REQUIRES(mutex_) NODEKEEP_NO_THREAD_SAFETY_ANALYSIS;
  void KeepAlive(std::stop_token stop);
  bool IsDue(const Identity& identity) const NODEKEEP_REQUIRES(mutex_);
  // The identity whose upkeep may begin now; null = none.
  IdentityPtr NextDue() const NODEKEEP_REQUIRES(mutex_);
  void StartUpkeep(MutexLock& lock, const IdentityPtr& identity)
      NODEKEEP_REQUIRES(mutex_) NODEKEEP_NO_THREAD_SAFETY_ANALYSIS;
  void Postpone(Identity& identity) NODEKEEP_REQUIRES(mutex_);
  // Those that have not been used for too long; of strangers' gateways the file too.
  void Forget(MutexLock& lock) NODEKEEP_REQUIRES(mutex_) NODEKEEP_NO_THREAD_SAFETY_ANALYSIS;
  static void Begin(const Options& options, std::string_view first, Identity& identity);
  Result<SecretBytes> Next(const Context& context, const Options& options, const UidTokenFile& file,
                           const SecretBytes& token);
  Status Acknowledge(const Context& context, const Options& options, const SecretBytes& token,
                     const SecretBytes& next);

  GatewayClient& api_;
  LoginGuard& guard_;
  const Clock& clock_;
  const Settings settings_;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, IdentityPtr> identities_ NODEKEEP_GUARDED_BY(mutex_);  // by name
  // Identity::Place of the upkeep that is queued or running.
  std::set<std::pair<std::string, std::string>> in_upkeep_ NODEKEEP_GUARDED_BY(mutex_);

  std::stop_source stop_;  // of the upkeep's rotations
  WorkerPool pool_;
  // Started with the first identity; last member: stopped first.
  std::jthread thread_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep::akeyless
