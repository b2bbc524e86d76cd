#pragma once

// HashiCorp Vault and OpenBao: the SecretProviderClass dialect of the `vault` provider, its logins
// and its reads. README.md lists the parameters and where we differ from the upstream provider.

#include <memory>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/secret_bytes.h"
#include "agent/http/http_client.h"
#include "agent/secrets/policy.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

// Paths of the API that classes may read with a credential of the node.
struct VaultNodePath {
  std::string namespace_name;  // without slashes around it; "" = the root namespace
  std::string path;            // "/v1/secret/data/shared": it and all below it, in whole elements
};

// What the node's configuration says; a SecretProviderClass overrides the first group.
struct VaultSettings {
  // http://, https:// (a path prefix is kept) or unix:///path/of/socket.
  std::string address = "https://127.0.0.1:8200";
  // Sent as X-Vault-Namespace with logins and reads; "" = none.
  std::string namespace_name;
  // Where the kubernetes auth method is mounted. Other methods default to their own name.
  std::string auth_mount = "kubernetes";
  // How to trust the server and, with a client pair, prove ourselves to it.
  TlsSettings tls;

  // Credentials of the node, used only by classes that ask for that method with `nodekeep/auth`,
  // leave address and TLS trust as they are here, and read nothing but `node_paths` with GET: a
  // class must not be able to have them sent elsewhere, nor to get hold of them or of what they can
  // issue. So are client certificates, which are files of the node, as login (method cert). Files
  // are read at each login.
  std::string token_file;
  std::string approle_role_id;
  std::string approle_secret_id_file;
  std::vector<VaultNodePath> node_paths;

  // Key under which answers without a version of their own get one; empty = random per process.
  SecretBytes version_key;
  // Of one exchange with the server (VAULT_CLIENT_TIMEOUT).
  Duration timeout = std::chrono::seconds(30);
  // How long answers are good, unless a class says otherwise.
  Policy policy;
};

// `http` and `clock` must outlive the provider.
Provider MakeVaultProvider(VaultSettings settings, HttpClient& http, const Clock& clock);

}  // namespace nodekeep
