#pragma once

// The identity that reads secrets: a service account, and a pod if there is one. Plain data, passed
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
  // From the token's claims, unverified; "" without a token. Distinguishes a re-created service
  // account from its predecessor of the same name.
  std::string service_account_uid;
  // Annotations of the ServiceAccount; empty unless the provider's logins need them.
  std::map<std::string, std::string> service_account_annotations;
  // nullopt for a request not made for a pod; its tokens are not bound to a pod either.
  std::optional<PodRef> pod;
  std::map<std::string, ServiceAccountToken> tokens;  // by audience
  // Credentials of the request (nodePublishSecretRef), by key. Often empty.
  std::map<std::string, SecretBytes> credentials;

  Identity Clone() const;
  // The token for `audience`, or null.
  const ServiceAccountToken* Token(const std::string& audience) const;
  // "" without a pod.
  std::string PodName() const { return pod ? pod->name : ""; }
  std::string PodUid() const { return pod ? pod->uid : ""; }
  // "namespace/pod" for messages; "(no pod)" if neither is known.
  std::string Text() const;
};

// Parses the tokens that kubelet sends with a volume (Kubernetes, CSIDriver tokenRequests):
// {"<audience>": {"token": "<jwt>", "expirationTimestamp": "<RFC3339>"}}. Empty text: no tokens.
// Errors never quote the text.
Result<std::map<std::string, ServiceAccountToken>> ParseServiceAccountTokens(
    const SecretBytes& text);

}  // namespace nodekeep
