#pragma once

// Logins: exchange a pod's identity, or a configured credential, for a token of the server.

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/secrets/provider.h"
#include "providers/vault/options.h"
#include "providers/vault/wire.h"

namespace nodekeep::vault {

// Logs in with `options.method`. Errors begin with "failed to login", "failed to parse login
// response" or "failed to create a service account token".
//
// The credential is shared by the pods of the service account only when the reply of the kubernetes
// method proves that it depends on nothing else; see SharingOf in auth.cc.
Result<Credential> LogIn(const Context& context, ApiClient& api, const Options& options,
                         const Identity& identity, const Clock& clock);

// The credential in a reply with an `auth` member: a login or a renewal.
Result<Credential> CredentialOf(const HttpResponse& response, const Clock& clock);

}  // namespace nodekeep::vault
