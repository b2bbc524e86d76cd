#pragma once

// The interface between the core and a backend. providers/README.md describes how to write one.
//
// A backend implements its protocol only. Caching, sharing, retries, volumes and the lifecycle of
// pods are outside: the Fetcher implements all policy. Each capability beyond reading is a small
// interface of its own, null if not supported.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/secrets/identity.h"
#include "agent/secrets/secret_ref.h"

namespace nodekeep {

// A node setting without which the logins of a class are refused, because a credential of the node
// is sent only to destinations that its operator has allowed.
struct NeededSetting {
  std::string key;             // below providers.<name>, such as "nodeIdentityGateways"
  std::string value;           // required in the comma list; "" = the operator must choose
  bool unless_secret = false;  // not needed if nodePublishSecretRef supplies a credential
};

// The call options of a provider, parsed by one of its dialects and opaque to the core. Immutable.
class ProviderOptions {
 public:
  virtual ~ProviderOptions() = default;

  // Everything except the pod that determines what a login grants: endpoint, namespace, auth mount,
  // role, audience, TLS trust. Canonical, printable, without secrets; part of every cache key. Made
  // with LoginText (agent/secrets/login_text.h) if the login goes over the network.
  // Options with equal texts are interchangeable: refreshes and renewals use those of the plan that
  // logged in, for the refs of all plans. So all else that affects a call must be here or in the
  // ref.
  virtual std::string LoginText() const = 0;
  // Digest (hex) of the credentials from the configuration or from Identity::credentials; "" if the
  // login uses only the pod's token. Logins with different digests are never shared.
  virtual std::string CredentialDigest(const Identity& identity) const { return ""; }
  // False if the login sends nothing of the pod to the backend: it then depends on the credentials
  // alone (those of CredentialDigest, or the node's own), and all pods with the same ones share it.
  virtual bool SendsPodToken() const { return true; }
  // One line per setting for `get --explain`: name, value. No secrets.
  virtual std::vector<std::pair<std::string, std::string>> Explain() const = 0;
  // For `validate`: node settings that the class needs in addition to those in force.
  virtual std::vector<NeededSetting> NeededSettings() const { return {}; }
};

// Which pods may use a login.
enum class Sharing {
  kPod,             // the pod that logged in: the backend may have checked the pod, or is unknown
  kServiceAccount,  // those of the account: the reply proves that the backend checked only that
};

// A token that grants read access at a backend until it expires.
struct Credential {
  SecretBytes token;
  Sharing sharing = Sharing::kPod;
  // Proven by the backend's reply. The login is shared only if the pod's own claim is equal.
  std::string service_account_uid;
  SteadyTime expires = SteadyTime::max();  // when the backend stops accepting it
  Duration lifetime = Duration::zero();    // as granted; zero = unlimited
  bool renewable = false;
};

// A lease that the backend attached to an answer.
struct Lease {
  std::string id;
  Duration lifetime = Duration::zero();
  bool renewable = false;
};

struct Question {
  SecretRef ref;
  std::string known_version;  // "" = none; else the backend may answer `unchanged`
};

struct Answer {
  SecretBytes value;       // the raw answer, from which the dialect renders
  std::string version;     // the backend's own version; "" when it has none
  bool unchanged = false;  // known_version still holds; `value` is empty
  bool immutable = false;  // the answer to this ref can never change
  // How long the answer is valid (a lease, a certificate); zero = no limit of its own. Answers with
  // a limit are called minted; they are re-issued at two thirds of it, never by a refresh.
  Duration lifetime = Duration::zero();
  std::optional<Lease> lease;
};

// Renewal and revocation, for backends that support them. Thread-safe.
class LeaseClient {
 public:
  virtual ~LeaseClient() = default;
  // Returns the same token with a later expiry. kDenied and kInvalid mean: log in again.
  virtual Result<Credential> RenewCredential(const Context& context, const ProviderOptions& options,
                                             const Credential& credential) = 0;
  // The backend also ends the leases that were obtained with it.
  virtual Status RevokeCredential(const Context& context, const ProviderOptions& options,
                                  const Credential& credential) = 0;
  // Returns the lease with its new lifetime. A shorter one than before means: its maximum is near.
  virtual Result<Lease> RenewLease(const Context& context, const ProviderOptions& options,
                                   const Credential& credential, const Lease& lease) = 0;
  virtual Status RevokeLease(const Context& context, const ProviderOptions& options,
                             const Credential& credential, const Lease& lease) = 0;
};

// Stateless from the caller's point of view, and thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;

  // Logs in once, without retries. Errors: classified by ErrorCode; the text names the request, the
  // mount and the role.
  virtual Result<Credential> Authenticate(const Context& context, const ProviderOptions& options,
                                          const Identity& identity) = 0;

  // Reads all refs, batched or concurrently, without retries. The i-th result answers the i-th
  // question.
  virtual std::vector<Result<Answer>> Fetch(const Context& context, const ProviderOptions& options,
                                            const Credential& credential,
                                            std::span<const Question> questions) = 0;

  virtual LeaseClient* lease_client() { return nullptr; }
};

}  // namespace nodekeep
