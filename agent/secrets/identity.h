#pragma once

// In whose name secrets are read: a service account, and the pod where there is one. Data, handed
// to providers.

#include <map>
#include <optional>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// A service account token for one audience.
struct ServiceAccountToken {
  SecretBytes token;
  WallTime expires = WallTime::max();
};

struct PodRef {
  std::string name;
  std::string uid;
};

struct Identity {
  std::string namespace_name;
  std::string service_account;
  // From the token's own claims, unverified; "" when there is no token. Distinguishes a re-created
  // service account from its predecessor of the same name.
  std::string service_account_uid;
  // Of the service account object; empty unless the provider's logins read them.
  std::map<std::string, std::string> service_account_annotations;
  // Nothing for a request that no pod has made; then tokens are not bound to a pod either.
  std::optional<PodRef> pod;
  std::map<std::string, ServiceAccountToken> tokens;  // by audience
  // Credentials that came with the request (nodePublishSecretRef), by key. Often empty.
  std::map<std::string, SecretBytes> credentials;

  Identity Clone() const;
  // The token of `audience`, or null.
  const ServiceAccountToken* Token(const std::string& audience) const;
  // "" without a pod.
  std::string PodName() const { return pod ? pod->name : ""; }
  std::string PodUid() const { return pod ? pod->uid : ""; }
  // "namespace/pod" for messages; "(no pod)" when neither is known.
  std::string Text() const;
};

// Reads the tokens that kubelet sends with a volume (Kubernetes, TokenRequests of CSIDriver):
// {"<audience>": {"token": "<jwt>", "expirationTimestamp": "<RFC3339>"}}. Empty text: no tokens.
// The error never quotes the text.
Result<std::map<std::string, ServiceAccountToken>> ParseServiceAccountTokens(
    const SecretBytes& text);

}  // namespace nodekeep
