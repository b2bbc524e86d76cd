#pragma once

// The seam between the core and a backend. providers/README.md says how to write one.
//
// A backend knows its protocol and nothing about caching, sharing, retries, volumes or pods that
// come and go: all policy is the Fetcher's. What a backend can do beyond reading is a small
// interface of its own, null where absent.

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

// A setting of the node without which logins of a class are refused, because a credential of the
// node goes only where its operator has said.
struct NeededSetting {
  std::string key;             // below providers.<name>, such as "nodeIdentityGateways"
  std::string value;           // what the comma list has to hold; "" = the operator has to choose
  bool unless_secret = false;  // not needed where nodePublishSecretRef brings a credential
};

// How a provider is to be called, as one of its dialects has read it; only the provider understands
// it. Immutable once parsed.
class ProviderOptions {
 public:
  virtual ~ProviderOptions() = default;

  // Everything but the pod that decides what a login is worth: endpoint, namespace, auth mount,
  // role, audience, TLS trust. Canonical, printable, without secrets; part of every cache key. Made
  // with LoginText (agent/secrets/login_text.h) where the login goes over the network.
  // Options with equal texts are interchangeable: refreshes and renewals use those of the plan that
  // logged in, for the refs of all. So whatever else shapes a call must be here or in the ref.
  virtual std::string LoginText() const = 0;
  // Digest (hex) of credentials that came from the configuration or from Identity::credentials, ""
  // when the login uses only the pod's token. Two logins with different digests never share.
  virtual std::string CredentialDigest(const Identity& identity) const { return ""; }
  // False when the backend is shown nothing of the pod: the login belongs to the credentials alone
  // (those of CredentialDigest, or the node's own), and whoever brings the same ones shares it.
  virtual bool ShowsPod() const { return true; }
  // One line per setting for `get --explain`: name, value. No secrets.
  virtual std::vector<std::pair<std::string, std::string>> Explain() const = 0;
  // For `validate`: which settings of the node the class needs besides those that are in force.
  virtual std::vector<NeededSetting> NeededSettings() const { return {}; }
};

// Who may use a login besides the pod that made it.
enum class Sharing {
  kPod,             // its rules may have looked at the pod, or that is not known
  kServiceAccount,  // the backend's reply proves that it looked at the service account only
};

// The right to read at a backend, for a while.
struct Credential {
  SecretBytes token;
  Sharing sharing = Sharing::kPod;
  // As the backend proved it; must equal the pod's own claim before another pod may share.
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
  std::string known_version;  // "" = nothing known; else the provider may answer `unchanged`
};

struct Answer {
  SecretBytes value;       // the raw answer, from which the dialect renders
  std::string version;     // the backend's own version; "" when it has none
  bool unchanged = false;  // known_version still holds; `value` is empty
  bool immutable = false;  // this ref can never answer differently
  // After this the answer is worthless (a lease, a certificate); zero = no end of its own. Minted
  // answers are re-issued at two thirds of it, never on a refresh.
  Duration lifetime = Duration::zero();
  std::optional<Lease> lease;
};

// Renewal and revocation, for backends that have them. Thread-safe.
class LeaseClient {
 public:
  virtual ~LeaseClient() = default;
  // The same token with a later expiry. Errors: kDenied/kInvalid: log in afresh.
  virtual Result<Credential> RenewCredential(const Context& context, const ProviderOptions& options,
                                             const Credential& credential) = 0;
  virtual Status RevokeCredential(const Context& context, const ProviderOptions& options,
                                  const Credential& credential) = 0;
  // The lease with its new lifetime, which may be shorter than before: its maximum is near.
  virtual Result<Lease> RenewLease(const Context& context, const ProviderOptions& options,
                                   const Credential& credential, const Lease& lease) = 0;
  virtual Status RevokeLease(const Context& context, const ProviderOptions& options,
                             const Credential& credential, const Lease& lease) = 0;
};

// Stateless towards its callers and thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;

  // One login. Not retried here. Errors by taxonomy; the text says which request, mount and role.
  virtual Result<Credential> Authenticate(const Context& context, const ProviderOptions& options,
                                          const Identity& identity) = 0;

  // Reads all refs, batched or concurrently; the i-th result answers the i-th question. One try.
  virtual std::vector<Result<Answer>> Fetch(const Context& context, const ProviderOptions& options,
                                            const Credential& credential,
                                            std::span<const Question> questions) = 0;

  virtual LeaseClient* lease_client() { return nullptr; }
};

}  // namespace nodekeep
