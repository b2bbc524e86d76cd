#pragma once

// The key that makes object versions opaque.
//
// Versions are keyed hashes of contents. With one key for all nodes and all starts, equal contents
// have equal versions everywhere, so that no version changes on a restart of the agent.

#include <string>

#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/kube/kube_client.h"

namespace nodekeep {

// The key in the Kubernetes Secret `where` ("namespace/name"): data key `key`, 32 random bytes,
// immutable, as the upstream vault provider makes it (docs/protocol/secret-provider-class.md,
// "vault object versions"). It is created when there is none; of several nodes that create it at
// once, all take the one that came first. Errors: those of KubeClient; kInvalid when the Secret
// holds no usable key, with what to do.
Result<SecretBytes> SharedVersionKey(const Context& context, KubeClient& kube,
                                     const std::string& where);

}  // namespace nodekeep
