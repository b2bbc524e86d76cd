#include "providers/vault/node_paths.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

namespace nodekeep::vault {
namespace {

// "<namespace>:<path> ..." or the error.
std::string Read(std::string_view list, std::string_view node_namespace = "") {
  Result<std::vector<VaultNodePath>> paths = ReadNodePaths(list, node_namespace);
  if (!paths.ok()) return paths.error().message();
  std::string text;
  for (const VaultNodePath& path : *paths) text += path.namespace_name + ":" + path.path + " ";
  return text;
}

}  // namespace

TEST_CASE("vault node paths: the setting is a list of paths with or without a namespace") {
  struct Row {
    std::string name, list, node_namespace, want;
  };
  const Row rows[] = {
      {"nothing", "", "", ""},
      {"one", "secret/data/shared/", "", ":/v1/secret/data/shared "},
      {"as requests write it", "/v1/secret/data/shared", "", ":/v1/secret/data/shared "},
      {"several", "a/b, c/d", "", ":/v1/a/b :/v1/c/d "},
      {"the node's namespace", "a/b", "/team/", "team:/v1/a/b "},
      {"a namespace of its own", "admin/x/:a/b", "team", "admin/x:/v1/a/b "},
      {"the root namespace", ":a/b", "team", ":/v1/a/b "},
      {"a folder with the same prefix", "secret/data/authors", "", ":/v1/secret/data/authors "},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Read(row.list, row.node_namespace) == row.want);
  }
}

TEST_CASE("vault node paths: an entry that can never be listed is refused by name") {
  for (const std::string part :
       {"auth", "auth/", "/v1/auth/token", "sys/", "sys/policies", "identity/", "cubbyhole/",
        "AUTH/token", "team/auth/", "team:auth/token", "secret/data/auth", "secret/../sys"}) {
    INFO(part);
    const std::string error = Read("secret/data/a, " + part);
    CHECK(error.starts_with("nodeCredentialPaths: \"" + part + "\": "));
    CHECK(error.find("never read") != std::string::npos);
  }
  CHECK(Read("/").starts_with("nodeCredentialPaths: \"/\": the path is empty"));
  CHECK(Read("../x").find("leaves the API") != std::string::npos);
  CHECK(Read("secret/*").find("patterns are not supported") != std::string::npos);
  CHECK(Read("secret/a?list=true").find("without a query") != std::string::npos);
}

TEST_CASE("vault node paths: only GETs at or below a listed path are allowed") {
  const std::vector<VaultNodePath> allowed = *ReadNodePaths("secret/data/shared, team:kv/app/", "");
  struct Row {
    std::string name, method, path, in;
    NodeAccess want;
  };
  using enum NodeAccess;
  const Row rows[] = {
      {"below", "", "/v1/secret/data/shared/db", "", kAllowed},
      {"itself", "GET", "/v1/secret/data/shared", "", kAllowed},
      {"with a query", "GET", "/v1/secret/data/shared/db?version=2", "", kAllowed},
      {"of the other namespace", "GET", "/v1/kv/app/x", "team", kAllowed},
      {"its slashes do not count", "GET", "/v1/kv/app/x", "/team/", kAllowed},
      {"a name that only begins so", "", "/v1/secret/data/shared-not", "", kUnlisted},
      {"the folder above", "", "/v1/secret/data", "", kUnlisted},
      {"a query is not a path", "", "/v1/x?/v1/secret/data/shared", "", kUnlisted},
      {"another namespace", "", "/v1/secret/data/shared/db", "team", kUnlisted},
      {"no namespace where one is listed", "", "/v1/kv/app/x", "", kUnlisted},
      {"a namespace in the path", "", "/v1/team/kv/app/x", "", kUnlisted},
      {"a namespace below the listed one", "", "/v1/kv/app/x", "team/sub", kUnlisted},
      {"a write", "PUT", "/v1/secret/data/shared/db", "", kNotGet},
      {"another write", "POST", "/v1/secret/data/shared/db", "", kNotGet},
      {"a list by its method", "LIST", "/v1/secret/data/shared", "", kNotGet},
      {"a method in small letters, which the server sees as another", "get",
       "/v1/secret/data/shared/db", "", kNotGet},
      {"the token itself", "", "/v1/auth/token/lookup-self", "", kSystem},
      {"in a namespace of the path", "", "/v1/team/auth/token/lookup-self", "", kSystem},
      {"below a listed path", "", "/v1/secret/data/shared/sys/x", "", kSystem},
      {"in capitals", "", "/v1/Sys/mounts", "", kSystem},
      {"the identity of the token", "", "/v1/identity/oidc/token/x", "", kSystem},
      {"what only the token may see", "", "/v1/cubbyhole/x", "", kSystem},
      {"a secret of that name", "", "/v1/secret/data/shared/auth", "", kAllowed},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(NodeAccessTo(row.method, row.path, row.in, allowed) == row.want);
  }
  CHECK(NodeAccessTo("", "/v1/secret/data/shared/db", "", {}) == kUnlisted);
}

TEST_CASE("vault node paths: a login path is recognised at any mount") {
  for (const std::string path :
       {"/v1/auth/cert/login", "/v1/auth/a/b/login", "/v1/team/auth/c/login",
        "/v1/auth/cert/login?x=y", "/v1/AUTH/cert/Login"}) {
    INFO(path);
    CHECK(IsLoginPath(path));
  }
  for (const std::string path : {"/v1/secret/data/login", "/v1/auth/token/create",
                                 "/v1/login/auth/x", "/v1/x?/auth/cert/login"}) {
    INFO(path);
    CHECK_FALSE(IsLoginPath(path));
  }
}

}  // namespace nodekeep::vault
