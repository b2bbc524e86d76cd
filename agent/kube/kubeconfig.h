#pragma once

// The API server and its credential, from a kubeconfig file or from inside a pod.

#include <memory>
#include <string>

#include "agent/base/environment.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/http/http_client.h"

namespace nodekeep {

// How to reach an API server. Certificates and keys are read once; a token file is read for each
// request, because kubelet replaces it.
struct KubeConnection {
  std::string server;  // "https://10.0.0.1:443", without "/" at its end
  std::shared_ptr<const TlsSettings> tls;
  SecretBytes token;       // used if there is no token_file; empty = none
  std::string token_file;  // "" = none
  std::string source;      // for messages: "kubeconfig /etc/nodekeep/kubeconfig"

  KubeConnection Clone() const { return {server, tls, token.Clone(), token_file, source}; }
};

// Reads the current context of the kubeconfig at `path`; relative paths in it are relative to its
// directory. Inline data takes precedence over a path, and a tokenFile over a token, as in kubectl.
// Errors: kInvalid, naming the file and the field. Unsupported fields (exec, auth-provider,
// username, proxy-url, and impersonation by as...) are an error, never ignored.
Result<KubeConnection> ReadKubeconfig(const std::string& path);

// The in-cluster connection of a pod: KUBERNETES_SERVICE_HOST and _PORT, with `token` and `ca.crt`
// in `folder`. kPrecondition if this process does not run in a pod.
Result<KubeConnection> InClusterConnection(
    const Environment& environment,
    const std::string& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

}  // namespace nodekeep
