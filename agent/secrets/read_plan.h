#pragma once

// What is to be read, at which backend and in whose name: a value.
//
// Immutable once made and shared by everything that works on it, since a backend call may outlive
// the request that started it. Prints without secrets.

#include <memory>
#include <string>
#include <vector>

#include "agent/secrets/backend.h"
#include "agent/secrets/identity.h"
#include "agent/secrets/lease_holder.h"
#include "agent/secrets/policy.h"
#include "agent/secrets/secret_ref.h"

namespace nodekeep {

// The backend and the settings to call it with: the part of a plan that may outlive its request.
// Holds no token of a pod.
struct Route {
  std::string provider;              // its name: "vault"
  std::shared_ptr<Backend> backend;  // kept alive across a reload of the configuration
  std::shared_ptr<const ProviderOptions> options;
  Policy policy;
};

// The keys under which logins are looked for. No two identities or login settings give the same
// key: what comes after the settings is tagged and holds neither spaces nor '='.
struct LoginKeys {
  // Login settings + namespace + service account + its uid; "" when nothing can be shared: no
  // service account uid, or credentials other than the pod's token took part.
  std::string shared;
  // The above + this pod; + a digest of the credentials in use where the pod's uid, or other
  // credentials than its token, leave open whose they are. Of a login that shows nothing of the
  // pod: the login settings + that digest.
  std::string own;
};

LoginKeys LoginKeysOf(const std::string& provider, const ProviderOptions& options,
                      const Identity& identity);

// One ref of a plan.
struct PlannedRead {
  // Never null. Owned by the owner of the vector that holds this read.
  const SecretRef* ref = nullptr;
  // Whether kNotFound is a failure. An optional read that is not found is complete.
  bool required = true;
};

struct ReadPlan {
  Route route;
  Identity identity;
  // Those whose token the login takes, best first; empty = the login needs none.
  std::vector<std::string> audiences;
  // Distinct refs. Shared with the refs that it points at (a shared_ptr that aliases their owner),
  // because requests of one class differ in the identity only.
  std::shared_ptr<const std::vector<PlannedRead>> reads;
  LoginKeys login_keys;  // LoginKeysOf the above
  // Holds the leases of what is read.
  LeaseHolder holder;
};

using ReadPlanPtr = std::shared_ptr<const ReadPlan>;

}  // namespace nodekeep
