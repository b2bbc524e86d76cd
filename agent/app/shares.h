#pragma once

// What the namespaces of this node share, and how much there is of it: the one place where the
// capacities are decided. Each resource is divided as agent/base/shared_resource.h describes, so
// one namespace gets at most half. SECURITY.md has the same table for users.

#include "agent/app/config.h"
#include "agent/base/shared_resource.h"

namespace nodekeep {

// Threads for calls to backends and for mounts. A mount waits for its calls, so there are more.
inline constexpr std::size_t kBackendThreads = 128;
inline constexpr std::size_t kMountThreads = 256;

// Watches of SecretProviderClasses. A class without one is read again for each mount and refresh.
inline constexpr std::size_t kClassWatches = 256;

// Threads that renew and revoke leases and logins: apart from the mounts, which never delay them.
inline constexpr std::size_t kLeaseThreads = 32;
inline constexpr std::size_t kLeases = 8192;

// Requests in flight to all backend hosts together; one host has fetch.concurrency.
inline constexpr std::size_t kBackendRequests = 256;

struct Shares {
  Shares(const Config& config, const RefusalReporter& on_refusal);

  SharedResource class_watches;
  SharedResource leases;       // of dynamic credentials
  SharedResource class_bytes;  // parsed SecretProviderClasses, and parsing them
  // Requests over a share wait, so none is refused.
  SharedResource backend_requests;
  // Memory for answers of backends, from their first byte until they are parsed; an answer is
  // charged with a multiple of its size (curl_transfer.h).
  SharedResource answer_bytes;
  // Memory of the driver's volumes: their tmpfs files are charged to the agent.
  SharedResource volume_bytes;
  // For the new sets of rotations, which exist beside the old ones for a moment.
  SharedResource rotation_bytes;
  // Identities that providers keep alive between logins (universal identities of Akeyless): each
  // costs some requests an hour. A class needs one, or shares it with others.
  SharedResource identities;
};

}  // namespace nodekeep
