#pragma once

// The taint that keeps pods off a new node until the driver is ready.

#include <string>

#include "agent/base/context.h"
#include "agent/kube/kube_client.h"

namespace nodekeep {

// Removes all taints with that key from the node. False: there was none. Errors: those of
// KubeClient; kDenied names the missing permission.
Result<bool> RemoveStartupTaint(const Context& context, KubeClient& kube, const std::string& node,
                                const std::string& key);

}  // namespace nodekeep
