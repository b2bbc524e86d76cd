#pragma once

// The taint that keeps pods off a new node until the driver is there (csi.md 5, row 11).

#include <string>

#include "agent/base/context.h"
#include "agent/kube/kube_client.h"

namespace nodekeep {

// Removes every taint of that key from the node, others stay. False: there was none. Errors as
// KubeClient's; kDenied names the permission.
Result<bool> RemoveStartupTaint(const Context& context, KubeClient& kube, const std::string& node,
                                const std::string& key);

}  // namespace nodekeep
