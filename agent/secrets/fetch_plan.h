#pragma once

// What a mount asks for, worked out in full before anything is called: a value.
//
// Immutable once made and shared by everybody who works on it, since a backend call may outlive the
// mount that started it. Prints without secrets.

#include <memory>
#include <string>
#include <vector>

#include "agent/secrets/pod_identity.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

// Whom to ask, and how: what of a plan may outlive the mount. Holds no token of a pod.
struct Route {
  std::string provider;               // the socket's name: "vault"
  std::shared_ptr<Provider> backend;  // kept alive across a reload of the configuration
  std::shared_ptr<const ProviderOptions> options;
  Policy policy;
};

struct FetchPlan {
  std::string provider;
  std::shared_ptr<Provider> backend;
  ParsedMount mount;
  PodIdentity identity;
  std::string target_path;  // the pod's volume as kubelet names it; "" outside Kubernetes

  Route route() const { return {provider, backend, mount.options, mount.policy}; }
  // Distinct refs in the order of the projections.
  std::vector<SecretRef> Refs() const;
  // For `nodekeep get --explain`: one fact per line.
  std::string Explain() const;
};

using PlanPtr = std::shared_ptr<const FetchPlan>;

// The keys under which logins are looked for. No two identities or login settings give the same key:
// what comes after the settings is tagged and holds neither spaces nor '='.
struct LoginKeys {
  // Login settings + namespace + service account + its uid; "" when nothing can be shared: no
  // service account uid, or credentials other than the pod's token took part.
  std::string shared;
  // The above + this pod; + a digest of the credentials in use where the pod's uid, or other
  // credentials than its token, leave open whose they are. Of a login that shows nothing of the pod:
  // the login settings + that digest.
  std::string own;
};

LoginKeys LoginKeysOf(const FetchPlan& plan);

}  // namespace nodekeep
