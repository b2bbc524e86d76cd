#pragma once

// In whose name a request is made. Data, handed to providers; built by agent/identity.

#include <map>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// A service account token for one audience, bound to the pod.
struct ServiceAccountToken {
  SecretBytes token;
  WallTime expires = WallTime::max();
};

struct PodIdentity {
  std::string namespace_name;
  std::string pod;
  std::string pod_uid;
  std::string service_account;
  // From the token's own claims, unverified; "" when the pod has no token. Tells a re-created
  // service account from its predecessor of the same name.
  std::string service_account_uid;
  std::string node;
  std::map<std::string, ServiceAccountToken> tokens;  // by audience
  // nodePublishSecretRef: credentials the pod's author handed along, by key. Often empty.
  std::map<std::string, SecretBytes> secrets;

  PodIdentity Clone() const;
  // The token of `audience`, or null.
  const ServiceAccountToken* Token(const std::string& audience) const;
  // "namespace/pod" for messages; "(no pod)" outside Kubernetes.
  std::string Text() const;
};

// Reads the attribute csi.storage.k8s.io/serviceAccount.tokens (csi.md 1.4):
// {"<audience>": {"token": "<jwt>", "expirationTimestamp": "<RFC3339>"}}. Empty text: no tokens.
// The error never quotes the text.
Result<std::map<std::string, ServiceAccountToken>> ParseServiceAccountTokens(
    const SecretBytes& text);

}  // namespace nodekeep
