#pragma once

// What classes may read with a credential of the node: its token, its AppRole, a client
// certificate.
//
// Otherwise, the author of a class could have that credential written into a file of a pod
// (auth/token/lookup-self), or issue others with it (auth/token/create). Pure.

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "providers/vault/vault.h"

namespace nodekeep::vault {

// Parses the setting nodeCredentialPaths: a comma list of [NAMESPACE:]PATH. The default namespace
// is `node_namespace`; an empty one is the root namespace. Errors: kInvalid, naming an entry that
// is not an API path or is never read with a credential of the node.
Result<std::vector<VaultNodePath>> ReadNodePaths(std::string_view list,
                                                 std::string_view node_namespace);

// A namespace in canonical form: without leading and trailing slashes.
std::string NamespaceName(std::string_view text);

// Whether `path` ("/v1/...", cleaned by ApiPath) has an element auth, sys, identity or cubbyhole
// before its last one, at any position, because a path may begin with a namespace.
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
