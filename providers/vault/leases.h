#pragma once

// Renewal and revocation of tokens and of the leases of dynamic credentials.

#include "agent/base/clock.h"
#include "agent/secrets/backend.h"
#include "providers/vault/wire.h"

namespace nodekeep::vault {

// Tokens are renewed in the login namespace, leases in the namespace of their engine (the read
// namespace). A configured token (`nodekeep/auth: token`) is never revoked, because we did not
// create it. Revoking a token revokes its leases too. Thread-safe.
class VaultLeases final : public LeaseClient {
 public:
  // Both must outlive this object.
  VaultLeases(ApiClient& api, const Clock& clock) : api_(api), clock_(clock) {}

  Result<Credential> RenewCredential(const Context& context, const ProviderOptions& options,
                                     const Credential& credential) override;
  Status RevokeCredential(const Context& context, const ProviderOptions& options,
                          const Credential& credential) override;
  // Errors: kNotFound when the server no longer has the lease, kDenied when the role's policies
  // do not allow sys/leases/renew (Vault's default policy does).
  Result<Lease> RenewLease(const Context& context, const ProviderOptions& options,
                           const Credential& credential, const Lease& lease) override;
  // kDenied unless the role's policies allow sys/leases/revoke (Vault's default policy does not).
  Status RevokeLease(const Context& context, const ProviderOptions& options,
                     const Credential& credential, const Lease& lease) override;

 private:
  ApiClient& api_;
  const Clock& clock_;
};

}  // namespace nodekeep::vault
