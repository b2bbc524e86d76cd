#pragma once

// A scripted backend: values by path, lists of faults, and a gate at which calls wait.
//
// It counts calls, because most guarantees of the core are about calls that are not made.
// Thread-safe; scripts may change while calls are in progress. A call that waits at the gate
// observes its context, as every provider must.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

class FakeOptions final : public ProviderOptions {
 public:
  std::string LoginText() const override { return login_text; }
  std::string CredentialDigest(const Identity&) const override { return digest; }
  bool SendsPodToken() const override { return sends_pod_token; }
  std::vector<std::pair<std::string, std::string>> Explain() const override {
    return {{"login", login_text}};
  }

  std::string login_text = "fake";
  std::string digest;
  bool sends_pod_token = true;
};

// A recorded call of the provider.
struct FakeCall {
  std::string verb;   // login, read, renew-login, revoke-login, renew-lease, revoke-lease
  std::string what;   // pod of a login, path of a read, id of a lease, token of the others
  std::string token;  // the token of the credential that was used
};

class FakeProvider final : public Backend, public SpcDialect, public LeaseClient {
 public:
  using Reader = std::function<Result<Answer>(const Context&, const Credential&, const Question&)>;
  using LogIn = std::function<Result<Credential>(const Context&, const Identity&)>;

  explicit FakeProvider(const Clock& clock) : clock_(clock) {}

  // Sets the value at `path`. An empty version means that the backend has no versions. A read with
  // an equal known version is answered `unchanged`.
  void SetValue(const std::string& path, std::string value, std::string version = "");
  // The same with a lifetime of its own, and with a lease unless `lease_id` is "". The id of the
  // lease is "<lease_id>.<n>", n counting from 1: every read issues a new lease.
  void SetMinted(const std::string& path, std::string value, Duration lifetime,
                 std::string lease_id = "", bool renewable = true);
  void Remove(const std::string& path);
  // The next reads of `path` ("" = any) fail with these errors, in order; then reads work again.
  void FailReads(const std::string& path, std::vector<Error> errors);
  // Every read of `path` ("" = any) fails with this error until ClearFaults.
  void FailAlways(const std::string& path, Error error);
  void ClearFaults();
  // Answers reads instead of the script. Called without the lock.
  void SetReader(Reader reader);

  // Logins. The default token is "token-<n>", n counting logins from 1; the default sharing is
  // kServiceAccount with the uid in the pod's identity.
  void SetSharing(Sharing sharing);
  void SetLoginLifetime(Duration lifetime, bool renewable);
  void FailLogins(std::vector<Error> errors);
  void FailLoginsAlways(Error error);
  void SetLoginHandler(LogIn log_in);
  // Reads with this token are answered kDenied from now on.
  void RefuseToken(const std::string& token);

  // While leases are disabled, lease_client() returns null.
  void EnableLeases() { lease_ability_ = true; }
  void DisableLeases() { lease_ability_ = false; }
  // The next renewals of leases and logins fail with these errors; then they succeed again.
  void FailRenewals(std::vector<Error> errors);
  // The same for revocations of leases.
  void FailRevocations(std::vector<Error> errors);
  // The same for revocations of logins.
  void FailLoginRevocations(std::vector<Error> errors);
  // The next renewal of a lease or a login, or revocation of a lease, throws, to simulate a bug.
  void ThrowOnce() { throws_ = true; }
  // The lifetime that renewals grant; zero = the previous lifetime.
  void SetRenewedLifetime(Duration lifetime);

  // Closes the gate: logins and reads wait until Open.
  void Close();
  // Closes a gate of renewals and revocations of leases.
  void CloseLeases();
  void Open();
  // Blocks, in real time, until `count` calls wait at the gate; returns false after ten seconds.
  bool AwaitWaiting(std::size_t count) const;

  std::size_t logins() const { return Count("login"); }
  std::size_t reads() const { return Count("read"); }
  std::size_t reads(const std::string& path) const;
  std::size_t batches() const;  // calls of Fetch
  std::size_t Count(const std::string& verb) const;
  std::vector<FakeCall> calls() const;

  // `objects`: comma-separated list of path or path#field; the file name is the path with '/'
  // replaced by '-'. Further parameters: login (FakeOptions::login_text), mountError, and the
  // reserved ones.
  Result<ParsedMount> Parse(const SpcInput& input) const override;
  Result<Credential> Authenticate(const Context& context, const ProviderOptions& options,
                                  const Identity& identity) override;
  std::vector<Result<Answer>> Fetch(const Context& context, const ProviderOptions& options,
                                    const Credential& credential,
                                    std::span<const Question> questions) override;
  // The whole answer, or for a field the rest of the line that starts with "<field>=".
  Result<std::vector<RenderedFile>> RenderFiles(const Projection& projection,
                                                const SecretBytes& answer) const override;
  LeaseClient* lease_client() override { return lease_ability_ ? this : nullptr; }

  Result<Credential> RenewCredential(const Context& context, const ProviderOptions& options,
                                     const Credential& credential) override;
  Status RevokeCredential(const Context& context, const ProviderOptions& options,
                          const Credential& credential) override;
  Result<Lease> RenewLease(const Context& context, const ProviderOptions& options,
                           const Credential& credential, const Lease& lease) override;
  Status RevokeLease(const Context& context, const ProviderOptions& options,
                     const Credential& credential, const Lease& lease) override;

 private:
  struct Value {
    std::string text;
    std::string version;
    Duration lifetime = Duration::zero();
    std::string lease_id;
    bool renewable = false;
    std::size_t issued = 0;
  };

  Status PassGate(MutexLock& lock, const Context& context, const bool& closed)
      NODEKEEP_REQUIRES(mutex_);
  std::optional<Error> NextFault(const std::string& path) NODEKEEP_REQUIRES(mutex_);
  Result<Answer> AnswerOf(const Credential& credential, const Question& question)
      NODEKEEP_REQUIRES(mutex_);
  std::optional<Error> NextRenewalFault() NODEKEEP_REQUIRES(mutex_);
  void ThrowIfRequested();

  const Clock& clock_;
  bool lease_ability_ = false;

  mutable Mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::map<std::string, Value> values_ NODEKEEP_GUARDED_BY(mutex_);
  std::map<std::string, std::deque<Error>> read_faults_ NODEKEEP_GUARDED_BY(mutex_);
  std::map<std::string, Error> read_outages_ NODEKEEP_GUARDED_BY(mutex_);
  Reader reader_ NODEKEEP_GUARDED_BY(mutex_);
  Sharing sharing_ NODEKEEP_GUARDED_BY(mutex_) = Sharing::kServiceAccount;
  Duration login_lifetime_ NODEKEEP_GUARDED_BY(mutex_) = Duration::zero();
  bool login_renewable_ NODEKEEP_GUARDED_BY(mutex_) = false;
  std::deque<Error> login_faults_ NODEKEEP_GUARDED_BY(mutex_);
  std::optional<Error> login_outage_ NODEKEEP_GUARDED_BY(mutex_);
  LogIn log_in_ NODEKEEP_GUARDED_BY(mutex_);
  std::vector<std::string> refused_tokens_ NODEKEEP_GUARDED_BY(mutex_);
  std::deque<Error> renewal_faults_ NODEKEEP_GUARDED_BY(mutex_);
  std::deque<Error> revocation_faults_ NODEKEEP_GUARDED_BY(mutex_);
  std::deque<Error> login_revocation_faults_ NODEKEEP_GUARDED_BY(mutex_);
  Duration renewed_lifetime_ NODEKEEP_GUARDED_BY(mutex_) = Duration::zero();
  std::atomic<bool> throws_ = false;
  bool closed_ NODEKEEP_GUARDED_BY(mutex_) = false;
  bool leases_closed_ NODEKEEP_GUARDED_BY(mutex_) = false;
  std::size_t waiting_ NODEKEEP_GUARDED_BY(mutex_) = 0;
  std::size_t login_number_ NODEKEEP_GUARDED_BY(mutex_) = 0;
  std::size_t batches_ NODEKEEP_GUARDED_BY(mutex_) = 0;
  std::vector<FakeCall> calls_ NODEKEEP_GUARDED_BY(mutex_);
};

// A pod with a service account. Uids are derived from the names; a `sa_uid` other than "-" is used
// as it is.
Identity MakeIdentity(const std::string& namespace_name, const std::string& pod,
                      const std::string& service_account, const std::string& sa_uid = "-");

}  // namespace nodekeep
