#pragma once

// HashiCorp Vault and OpenBao: the SecretProviderClass dialect of the `vault` provider, its logins
// and its reads. README.md lists the parameters and the differences from the upstream provider.

#include <memory>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/secret_bytes.h"
#include "agent/http/http_client.h"
#include "agent/secrets/policy.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

// API paths that classes may read with a credential of the node.
struct VaultNodePath {
  std::string namespace_name;  // without slashes around it; "" = the root namespace
  std::string path;            // "/v1/secret/data/shared": that path and all paths below it
};

// Settings of the node's configuration; a SecretProviderClass overrides the first group.
struct VaultSettings {
  // http://, https:// (a path prefix is kept) or unix:///path/of/socket.
  std::string address = "https://127.0.0.1:8200";
  // Sent as X-Vault-Namespace with logins and reads; "" = none.
  std::string namespace_name;
  // Where the kubernetes auth method is mounted. Other methods default to their own name.
  std::string auth_mount = "kubernetes";
  // Sockets that classes may name as their address, besides that of `address`: absolute paths. Most
  // sockets that the agent can reach belong to others.
  std::vector<std::string> unix_sockets;
  // Hosts that a class's server may redirect to besides itself; "*.example.com" = all below it.
  std::vector<std::string> redirect_hosts;
  // Trust settings for the server, and an optional client certificate with key.
  TlsSettings tls;

  // Credentials of the node. A class can use them only if it selects their method with
  // `nodekeep/auth`, keeps the address and TLS trust set here, and reads only `node_paths`, with
  // GET: it must not be able to send them elsewhere, to read them, or to issue credentials with
  // them. The same holds for client certificates as login (method cert), which are files of the
  // node. Files are read at each login.
  std::string token_file;
  std::string approle_role_id;
  std::string approle_secret_id_file;
  std::vector<VaultNodePath> node_paths;

  // What becomes of a key whose value is null, unless a class says so.
  NullValues nulls = NullValues::kRefuse;

  // HMAC key for versions of answers that have none of their own; empty = random per process.
  SecretBytes version_key;
  // Of one request to the server (VAULT_CLIENT_TIMEOUT).
  Duration timeout = std::chrono::seconds(30);
  // How long answers are fresh, unless a class overrides it.
  Policy policy;
};

// `http` and `clock` must outlive the provider.
Provider MakeVaultProvider(VaultSettings settings, HttpClient& http, const Clock& clock);

}  // namespace nodekeep
