#pragma once

// What classes may read with a credential of the node: its token, its AppRole, a client
// certificate.
//
// Whoever may write a class could otherwise have that credential put into a file of a pod
// (auth/token/lookup-self), or have it issue others (auth/token/create). Pure.

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "providers/vault/vault.h"

namespace nodekeep::vault {

// The setting nodeCredentialPaths: a comma list of [NAMESPACE:]PATH. Without a namespace it is
// `node_namespace`; with an empty one the root namespace. Errors: kInvalid, naming the part: no
// path of the API, or one that is never read with a credential of the node.
Result<std::vector<VaultNodePath>> ReadNodePaths(std::string_view list,
                                                 std::string_view node_namespace);

// A namespace in the one spelling that is compared: without slashes around it.
std::string NamespaceName(std::string_view text);

// Whether `path` ("/v1/...", cleaned by ApiPath) has an element auth, sys, identity or cubbyhole
// before its last one, wherever it stands: a namespace may be written into the path before it.
bool IsSystemPath(std::string_view path);

// Whether `path` is a login, whose reply is a token: .../auth/<mount>/login.
bool IsLoginPath(std::string_view path);

enum class NodeAccess {
  kAllowed,
  kNotGet,    // another method than GET
  kSystem,    // IsSystemPath
  kUnlisted,  // none of `allowed`
};

// `path` as ApiPath makes it, with or without a query; `method` "" is GET.
NodeAccess NodeAccessTo(std::string_view method, std::string_view path,
                        std::string_view namespace_name, const std::vector<VaultNodePath>& allowed);

}  // namespace nodekeep::vault
