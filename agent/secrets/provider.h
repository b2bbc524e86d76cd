#pragma once

// The seam between the heart and a backend. providers/README.md tells how to write one.
//
// A provider is stateless towards its callers and thread-safe: it knows its backend's protocol and
// nothing about caching, sharing, retrying or pods that come and go. All policy is the Fetcher's.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/secrets/pod_identity.h"
#include "agent/secrets/policy.h"
#include "agent/secrets/secret_ref.h"

namespace nodekeep {

// A mount request as the dialect sees it (csi.md 1.2, 1.4). The token attribute has been taken out
// of `attributes`.
struct MountInput {
  std::map<std::string, std::string> attributes;
  SecretBytes tokens;       // text of csi.storage.k8s.io/serviceAccount.tokens; empty = absent
  std::string permission;   // raw text, normally "420"
  std::string target_path;
};

// A setting of the node without which logins of a class are refused, because a credential of the
// node goes only where its operator has said.
struct NeededSetting {
  std::string key;             // below providers.<name>, such as "nodeIdentityGateways"
  std::string value;           // what the comma list has to hold; "" = the operator has to choose
  bool unless_secret = false;  // not needed where nodePublishSecretRef brings a credential
};

// What a provider's own Parse learnt and only it understands. Immutable once parsed.
class ProviderOptions {
 public:
  virtual ~ProviderOptions() = default;

  // Everything but the pod that decides what a login is worth: endpoint, namespace, auth mount,
  // role, audience, TLS trust. Canonical, printable, without secrets; part of every cache key.
  // Options with equal texts stand in for each other: refreshes and renewals use those of the plan
  // that logged in, for refs of any. So whatever else shapes a call must be here or in the ref.
  virtual std::string LoginText() const = 0;
  // Digest (hex) of credentials that came from the configuration or from PodIdentity::secrets, ""
  // when the login uses only the pod's token. Two logins with different digests never share.
  virtual std::string CredentialDigest(const PodIdentity& identity) const { return ""; }
  // False when the backend is shown nothing of the pod: the login belongs to the credentials alone
  // (those of CredentialDigest, or the node's own), and whoever brings the same ones shares it.
  virtual bool ShowsPod() const { return true; }
  // One line per setting for `get --explain`: name, value. No secrets.
  virtual std::vector<std::pair<std::string, std::string>> Explain() const = 0;
  // For `validate`: which settings of the node the class needs besides those that are in force.
  virtual std::vector<NeededSetting> NeededSettings() const { return {}; }
};

// For LoginText: appends " name=<size>:value". The size comes first, so that no choice of values
// reads like another.
void AppendLoginPart(std::string& text, std::string_view name, std::string_view value);

// One file of the volume and how it comes from the backend's answer.
struct Projection {
  std::string object;       // the user's name for it; used in messages and as version id
  SecretRef ref;
  std::string path;         // of the file, relative to the volume; checked by CheckVolumePath
  std::uint32_t mode = 0644;
  std::string field;        // key inside the answer; "" = whole
  std::string encoding;     // "", "utf-8", "base64", "hex", "json": what the backend's value is in
  bool optional = false;    // left out, not failed, when the backend says not found
  std::string version_seed; // bound into the object's version besides the contents
  std::string read_error;   // put before an error of login or read: `couldn't read secret "db"`
};

// A file as a projection makes it of an answer.
struct RenderedFile {
  std::string path;     // relative to the volume; checked by CheckVolumePath
  SecretBytes contents;
  std::string object;   // id of its version; "" = the projection's object
  std::string version;  // the version to report; "" = a keyed hash of the contents
};

// The result of Parse. Pure data; equal input gives equal output.
struct ParsedMount {
  std::shared_ptr<const ProviderOptions> options;
  std::vector<Projection> projections;  // list order of the manifest; never empty
  // Audiences whose pod token the login takes, best first; empty = the login needs none. When none of
  // them came with the mount, a token for the last is asked of the API server ("" = its default).
  std::vector<std::string> audiences;
  // Parameters that hold a credential in clear text. Nothing made by Parse holds it, because that
  // outlives the mount: TakeCredentials hands it to the login.
  std::vector<std::string> credential_parameters;
  // Put before every error that arises after parsing: "error making mount request".
  std::string mount_error;
  Policy policy;
};

// Puts what `mount` calls credentials among the pod's secrets, by the parameter's name; they win
// over those of nodePublishSecretRef, as the class's word does everywhere.
void TakeCredentials(const ParsedMount& mount, const MountInput& input, PodIdentity& identity);

// Who may use a login besides the pod that made it.
enum class Sharing {
  kPod,             // its rules may have looked at the pod, or nobody can tell
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
  SecretBytes value;             // the raw answer, from which Render extracts
  std::string version;           // the backend's own version; "" when it has none
  bool unchanged = false;        // known_version still holds; `value` is empty
  bool immutable = false;        // this ref can never answer differently
  // After this the answer is worthless (a lease, a certificate); zero = no end of its own. Minted
  // answers are re-issued at two thirds of it, never on a refresh.
  Duration lifetime = Duration::zero();
  std::optional<Lease> lease;
};

// Renewal and revocation, for backends that have them.
class Leases {
 public:
  virtual ~Leases() = default;
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

class Provider {
 public:
  virtual ~Provider() = default;

  // The dialect: parameters to refs and typed options. Pure and total: any input gives a value or
  // an error that names the parameter and the fix. Checks every path (CheckVolumePath), duplicate
  // names and permissions, so that an error names the object.
  virtual Result<ParsedMount> Parse(const MountInput& input) const = 0;

  // One login. Not retried here. Errors by taxonomy; the text says which request, mount and role.
  virtual Result<Credential> Authenticate(const Context& context, const ProviderOptions& options,
                                          const PodIdentity& identity) = 0;

  // Reads all refs, batched or concurrently; the i-th result answers the i-th question. One try.
  virtual std::vector<Result<Answer>> Fetch(const Context& context, const ProviderOptions& options,
                                            const Credential& credential,
                                            std::span<const Question> questions) = 0;

  // Pure: file contents from the raw answer. Errors: kNotFound (no such key), kInvalid (decoding).
  virtual Result<SecretBytes> Render(const Projection& projection,
                                     const SecretBytes& answer) const = 0;

  // Pure: all files of a projection. One, of Render, unless the provider makes several of an answer
  // (a folder, below a path that no other projection of the mount uses) or reports versions of the
  // backend's own.
  virtual Result<std::vector<RenderedFile>> RenderFiles(const Projection& projection,
                                                        const SecretBytes& answer) const {
    Result<SecretBytes> contents = Render(projection, answer);
    if (!contents.ok()) return contents.error();
    std::vector<RenderedFile> files;
    files.push_back({projection.path, *std::move(contents), "", ""});
    return files;
  }

  // The ability to renew and revoke, or null.
  virtual Leases* leases() { return nullptr; }
};

}  // namespace nodekeep
