#pragma once

// The names under which kubelet and the Secrets Store CSI driver pass pod, tokens and class, and
// the reading of what they pass. The only place that knows these names.
//
// Sources: Kubernetes pkg/volume/csi (podInfoOnMount, TokenRequests); secrets-store-csi-driver
// pkg/secrets-store/nodeserver.go and provider/v1alpha1/service.proto.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/mount/mount_request.h"

namespace nodekeep {

inline constexpr std::string_view kClassAttribute = "secretProviderClass";
inline constexpr std::string_view kTokensAttribute = "csi.storage.k8s.io/serviceAccount.tokens";

// MountRequest.permission as every driver sends it: 0644 in decimal.
inline constexpr std::string_view kDriverPermission = "420";
inline constexpr std::uint32_t kDriverMode = 0644;

// What kubelet and the driver say of the pod and its volume among the attributes; "" = not said.
struct VolumeFacts {
  std::string class_name;
  std::string namespace_name;
  std::string service_account;
  std::string pod;
  std::string pod_uid;
};
VolumeFacts ReadVolumeFacts(const std::map<std::string, std::string>& attributes);

// The opposite, for a volume that kubelet has not sent: facts that are "" are left out.
std::map<std::string, std::string> AttributesOf(const VolumeFacts& facts);

// The attributes that are parameters of a dialect: neither kubelet's nor the class's name.
std::map<std::string, std::string> ParametersAmong(
    const std::map<std::string, std::string>& attributes);

// The provider protocol's MountRequest as values. Tokens among `secrets` are ignored. Errors:
// kInvalid, in Go's words where upstream's are ("unexpected end of JSON input"); never quotes
// content.
Result<MountRequest> ReadMountRequest(std::string provider, std::string_view attributes,
                                      std::string_view secrets, std::string_view permission,
                                      std::string target_path);

// Kubelet's tokens (text of kTokensAttribute) by audience, with the error that upstream prints.
Result<std::map<std::string, ServiceAccountToken>> ReadTokens(const SecretBytes& text);

// "420" to 0644. Errors: kInvalid, also for what is not a file mode.
Result<std::uint32_t> ReadPermission(std::string_view text);

}  // namespace nodekeep
