#pragma once

// Logins: what proves an identity, for a token of the account (docs/protocol/akeyless-api.md,
// "Login methods").

#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/base/thread_guard.h"
#include "agent/secrets/provider.h"
#include "providers/akeyless/cloud_id.h"
#include "providers/akeyless/gateway_client.h"
#include "providers/akeyless/login_guard.h"
#include "providers/akeyless/options.h"
#include "providers/akeyless/uid_tokens.h"

namespace nodekeep::akeyless {

// Thread-safe; remembers refused logins and the tokens of universal identities.
class Logins {
 public:
  // All must outlive this object.
  Logins(GatewayClient& api, const CloudIds& cloud_ids, const Clock& clock,
         UidTokens::Settings uid_tokens = {})
      : api_(api),
        cloud_ids_(cloud_ids),
        clock_(clock),
        guard_(clock),
        uid_tokens_(api, guard_, clock, std::move(uid_tokens)) {}

  // Tries the methods of `options.login_order` in turn; the first that works is the result. When
  // all fail, one error holds all messages. Its code and its first message are those of the failure
  // with the highest rank (the first one of several):
  //
  //   rank  failure
  //    4    transient: the login may work later
  //    3    refused (kDenied, kAuthExpired)
  //    2    transient, of a cloud identity that neither class nor node names, before /auth
  //    1    refused, of a cloud identity, before /auth (so by the cloud)
  //    0    any other, such as a missing input
  //
  // So a cloud that is only probed and does not answer does not hide a refusal by the server.
  // Errors begin with "authentication failed <url>" or, when several methods were tried and all
  // have rank 0, with "failed to detect access type of <id>".
  //
  // A login with a pod's token serves that pod only, because access rules may depend on the pod's
  // name; with Options::share_by_service_account it serves the whole service account.
  Result<Credential> LogIn(const Context& context, const Options& options,
                           const Identity& identity);

 private:
  // The members of an /auth request besides access id and type, and a digest of the credential.
  struct Proof {
    RequestBody body;
    std::string credential;
    std::string remark;            // added to the error message when the login fails
    std::string_view first_token;  // of a universal identity, whose newest token is sent
    bool of_node = false;          // that token is the node's
  };

  // `sent`: set to true when the /auth request is sent.
  Result<Credential> LogInBy(AccessType type, const Context& context, const Options& options,
                             const Identity& identity, bool& sent);
  Result<Proof> ProofOf(AccessType type, const Context& context, const Options& options,
                        const Identity& identity);
  Result<Proof> CloudProof(AccessType type, const Context& context, const Options& options,
                           const Identity& identity);
  Result<Proof> CertificateProof(const Context& context, const Options& options,
                                 const Identity& identity);
  Result<Proof> UniversalIdentityProof(const Options& options, const Identity& identity);
  // Sends the /auth request that the guard has admitted.
  Result<Credential> Send(const Context& context, AccessType type, const Options& options,
                          const Identity& identity, Proof& proof);
  Result<Credential> CredentialOf(const Json& reply) const;

  GatewayClient& api_;
  const CloudIds& cloud_ids_;
  const Clock& clock_;
  LoginGuard guard_;
  UidTokens uid_tokens_;
};

// Lifetime of a token for which /auth returned `expiration`, in any of the known formats
// ("2025-12-09 21:35:00 +0000 UTC", RFC 3339 with and without fractions). Fifteen minutes, which
// is upstream's assumption, when the text cannot be parsed or is not in the future.
Duration TokenLifetime(std::string_view expiration, WallTime now);

}  // namespace nodekeep::akeyless
