#pragma once

// Parses the attributes in which kubelet and the Secrets Store CSI driver pass the pod, its tokens
// and the class. The names of these attributes are defined in no other place.
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

// The pod and its volume as described by the attributes; "" = not set.
struct VolumeFacts {
  std::string class_name;
  std::string namespace_name;
  std::string service_account;
  std::string pod;
  std::string pod_uid;
};
VolumeFacts ReadVolumeFacts(const std::map<std::string, std::string>& attributes);

// The pod's namespace in the unparsed attributes of the provider protocol, to choose whose share of
// the node parses them. "(unknown)", which is a share like any other, if it is not found. For that
// only: the text is searched, not parsed.
std::string NamespaceForShares(std::string_view attributes);

// The inverse, for a volume that kubelet has not sent; fields that are "" are omitted.
std::map<std::string, std::string> AttributesOf(const VolumeFacts& facts);

// The attributes that are parameters of a dialect: all but kubelet's own and the class name.
std::map<std::string, std::string> ParametersAmong(
    const std::map<std::string, std::string>& attributes);

// Parses the provider protocol's MountRequest. Tokens among `secrets` are ignored. Errors:
// kInvalid, with Go's texts where upstream has them ("unexpected end of JSON input"); they never
// quote content.
Result<MountRequest> ReadMountRequest(std::string provider, std::string_view attributes,
                                      std::string_view secrets, std::string_view permission,
                                      std::string target_path);

// Parses kubelet's tokens (the value of kTokensAttribute), by audience. Errors: upstream's text.
Result<std::map<std::string, ServiceAccountToken>> ReadTokens(const SecretBytes& text);

// Parses "420" as 0644. Errors: kInvalid, also for a number that is not a file mode.
Result<std::uint32_t> ReadPermission(std::string_view text);

}  // namespace nodekeep
