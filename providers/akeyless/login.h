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
  // All must outlive it.
  Logins(GatewayClient& api, const CloudIds& cloud_ids, const Clock& clock,
         ExceptionReporter on_exception = {})
      : api_(api),
        cloud_ids_(cloud_ids),
        clock_(clock),
        guard_(clock),
        uid_tokens_(api, guard_, clock, std::move(on_exception)) {}

  // By the first method of `options.login_order` that works. Errors begin with "authentication
  // failed <url>", or with "failed to detect access type of <id>" when no method has what it needs.
  // Where several were tried and the server refused one, it is kDenied, unless another that the
  // server was shown or that is no probed cloud may still pass.
  //
  // A login with a pod's token is the pod's alone, because the rules of an auth method may look at
  // the pod's name, unless the operator says that those of the account do not.
  Result<Credential> LogIn(const Context& context, const Options& options,
                           const Identity& identity);

 private:
  // What is sent to /auth besides the access id and type, and a digest of the credential in it.
  struct Proof {
    RequestBody body;
    std::string credential;
    std::string remark;            // for the message of a refusal
    std::string_view first_token;  // of a universal identity, which shows its newest
  };

  // `shown`: whether the server was asked.
  Result<Credential> LogInBy(AccessType type, const Context& context, const Options& options,
                             const Identity& identity, bool& shown);
  Result<Proof> ProofOf(AccessType type, const Context& context, const Options& options,
                        const Identity& identity);
  Result<Proof> CloudProof(AccessType type, const Context& context, const Options& options,
                           const Identity& identity);
  Result<Proof> CertificateProof(const Context& context, const Options& options,
                                 const Identity& identity);
  Result<Proof> UniversalIdentityProof(const Options& options, const Identity& identity);
  // What the guard has let through.
  Result<Credential> Show(const Context& context, AccessType type, const Options& options,
                          Proof& proof);
  Result<Credential> CredentialOf(const Json& reply) const;

  GatewayClient& api_;
  const CloudIds& cloud_ids_;
  const Clock& clock_;
  LoginGuard guard_;
  UidTokens uid_tokens_;
};

// How long a token is good that /auth says ends at `expiration`, in any of the spellings that are
// known ("2025-12-09 21:35:00 +0000 UTC", RFC 3339 with and without fractions); fifteen minutes
// when the text says nothing that can be believed: as long as upstream takes for granted.
Duration TokenLifetime(std::string_view expiration, WallTime now);

}  // namespace nodekeep::akeyless
