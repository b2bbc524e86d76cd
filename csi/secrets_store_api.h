#pragma once

// The custom resources of the Secrets Store CSI driver's API that this driver reads and writes.

#include "agent/kube/resource.h"

namespace nodekeep {

inline constexpr KubeResource kSecretProviderClassResource{"secrets-store.csi.x-k8s.io", "v1",
                                                           "secretproviderclasses"};
inline constexpr KubeResource kSecretProviderClassPodStatusResource{
    "secrets-store.csi.x-k8s.io", "v1", "secretproviderclasspodstatuses"};

}  // namespace nodekeep
