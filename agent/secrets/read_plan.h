#pragma once

// Which refs to read, from which backend, with which identity.
//
// Immutable once created, and shared, because a backend call may outlive the request that started
// it. Prints without secrets.

#include <memory>
#include <string>
#include <vector>

#include "agent/secrets/backend.h"
#include "agent/secrets/identity.h"
#include "agent/secrets/lease_holder.h"
#include "agent/secrets/policy.h"
#include "agent/secrets/secret_ref.h"

namespace nodekeep {

// The backend and its call options: the part of a plan that may outlive the request. Contains no
// token of a pod.
struct Route {
  std::string provider;              // name, such as "vault"
  std::shared_ptr<Backend> backend;  // kept alive across a configuration reload
  std::shared_ptr<const ProviderOptions> options;
  Policy policy;
  std::size_t options_bytes = 0;  // about what `options` occupies, for tables of routes
};

// The keys under which logins are looked up. Different identities or login settings never have the
// same key: each part after the settings is tagged and contains neither spaces nor '='. Long parts
// are replaced by digests, so a key has a few KiB at most.
//
//   login                                 shared
//   with the pod's token only             account
//   the same, service account uid unknown ""
//   with other credentials                ""
//   sends nothing of the pod              ""; own = settings + digest of the credentials
//
// account = login settings + namespace + service account + its uid if known. Otherwise own =
// account + pod, + a digest of its tokens if the pod's uid is unknown, + a digest of the
// credentials if any.
struct LoginKeys {
  std::string shared;  // "" = the login cannot be shared
  std::string own;
};

LoginKeys LoginKeysOf(const std::string& provider, const ProviderOptions& options,
                      const Identity& identity);

// One ref of a plan.
struct PlannedRead {
  // Never null. Owned by the owner of the vector that holds this read.
  const SecretRef* ref = nullptr;
  // Whether kNotFound is a failure. Otherwise a read that is not found is complete.
  bool required = true;
};

struct ReadPlan {
  Route route;
  Identity identity;
  // Audiences whose token the login accepts, best first; empty = the login needs none.
  std::vector<std::string> audiences;
  // Distinct refs. Shared with the refs that it points at (a shared_ptr that aliases their owner),
  // because requests of one class differ in the identity only.
  std::shared_ptr<const std::vector<PlannedRead>> reads;
  LoginKeys login_keys;  // LoginKeysOf the above
  // Age of a value from which the backend is asked although the policy's refresh_after is longer.
  // What is read after this read began is new enough. Minted answers and those that can never
  // change are not affected.
  Duration max_age = kLongestAge;
  // Holds the leases that the reads obtain.
  LeaseHolder holder;
};

using ReadPlanPtr = std::shared_ptr<const ReadPlan>;

}  // namespace nodekeep
