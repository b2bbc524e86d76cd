#pragma once

// Logins: a pod's identity, or a credential it was given, for a token of the server.

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/secrets/provider.h"
#include "providers/vault/options.h"
#include "providers/vault/wire.h"

namespace nodekeep::vault {

// One login by `options.method`. Errors begin with "failed to login", "failed to parse login
// response" or "failed to create a service account token".
//
// The credential may be shared by the pods of the service account only when the reply of the
// kubernetes method proves that it looked no further; see SharingOf in auth.cc.
Result<Credential> LogIn(const Context& context, ApiClient& api, const Options& options,
                         const Identity& identity, const Clock& clock);

// The credential in a reply that has `auth`: a login or a renewal.
Result<Credential> CredentialOf(const HttpResponse& response, const Clock& clock);

}  // namespace nodekeep::vault
