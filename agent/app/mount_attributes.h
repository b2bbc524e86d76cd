#pragma once

// The text that the Secrets Store CSI driver would send for a pod: for `nodekeep get` and the test
// clients, which stand in for it.

#include <map>
#include <string>

#include "agent/app/spc_manifest.h"
#include "agent/base/clock.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// In whose name a class is mounted. What is empty is left out of the attributes.
struct PodArguments {
  std::string namespace_name;
  std::string pod;
  std::string pod_uid;
  std::string service_account;
  std::map<std::string, SecretBytes> tokens;  // by audience
};

// MountRequest.attributes (csi.md 1.4): the parameters of the class, overlaid with the volume
// context, as compact JSON with sorted keys. Tokens get the expiry that they claim, else one hour
// from `now`.
SecretBytes MountAttributes(const SpcManifest& manifest, const PodArguments& pod, WallTime now);

}  // namespace nodekeep
