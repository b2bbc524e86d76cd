#pragma once

// Which API server, and who we are there: from a kubeconfig file or from inside a pod.

#include <memory>
#include <string>

#include "agent/base/environment.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/http/http_client.h"

namespace nodekeep {

// How to reach an API server. Certificates and keys are what they were when it was read; a token
// file is read anew for each request, because kubelet replaces it.
struct KubeConnection {
  std::string server;  // "https://10.0.0.1:443", without "/" at its end
  std::shared_ptr<const TlsSettings> tls;
  SecretBytes token;       // used when there is no token_file; empty = none
  std::string token_file;  // "" = none
  std::string source;      // for messages: "kubeconfig /etc/nodekeep/kubeconfig"

  KubeConnection Clone() const { return {server, tls, token.Clone(), token_file, source}; }
};

// Reads the current context of the kubeconfig at `path`; relative paths in it start at its own
// directory. Data in the file wins over a path, a tokenFile over a token, as with kubectl.
// Errors: kInvalid, naming the file and the field. What would need a program or a library that is
// not here (exec, auth-provider, username, proxy-url) or would ask for other rights than the
// user's (as...) is refused by name, never skipped.
Result<KubeConnection> ReadKubeconfig(const std::string& path);

// The connection that Kubernetes gives every pod: KUBERNETES_SERVICE_HOST and _PORT, with `token`
// and `ca.crt` in `folder`. kPrecondition when this is no pod.
Result<KubeConnection> InClusterConnection(
    const Environment& environment,
    const std::string& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

}  // namespace nodekeep
