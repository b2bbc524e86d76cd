#include "providers/vault/node_paths.h"

#include <algorithm>

#include "agent/base/ascii.h"
#include "agent/base/comma_list.h"
#include "agent/base/utf8.h"
#include "providers/vault/options.h"

namespace nodekeep::vault {
namespace {

constexpr std::string_view kSystem[] = {"auth", "sys", "identity", "cubbyhole"};

// The elements of "/v1/a/b?query" after "/v1/".
std::vector<std::string_view> ElementsOf(std::string_view path) {
  path = path.substr(0, path.find('?'));
  std::vector<std::string_view> elements;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) elements.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  if (!elements.empty()) elements.erase(elements.begin());
  return elements;
}

bool IsBelow(std::string_view path, std::string_view root) {
  path = path.substr(0, path.find('?'));
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

Error Bad(std::string_view part, std::string_view why) {
  return Error::Format(ErrorCode::kInvalid, "nodeCredentialPaths: \"{}\": {}", Excerpt(part), why);
}

}  // namespace

std::string NamespaceName(std::string_view text) {
  while (text.starts_with('/')) text.remove_prefix(1);
  while (text.ends_with('/')) text.remove_suffix(1);
  return std::string(text);
}

bool IsSystemPath(std::string_view path) {
  std::vector<std::string_view> elements = ElementsOf(path);
  if (!elements.empty()) elements.pop_back();
  return std::any_of(elements.begin(), elements.end(), [](std::string_view element) {
    return std::any_of(std::begin(kSystem), std::end(kSystem),
                       [&](std::string_view word) { return EqualsIgnoreCase(element, word); });
  });
}

bool IsLoginPath(std::string_view path) {
  const std::vector<std::string_view> elements = ElementsOf(path);
  const auto is = [](std::string_view word) {
    return [word](std::string_view element) { return EqualsIgnoreCase(element, word); };
  };
  const auto auth = std::find_if(elements.begin(), elements.end(), is("auth"));
  return std::find_if(auth, elements.end(), is("login")) != elements.end();
}

NodeAccess NodeAccessTo(std::string_view method, std::string_view path,
                        std::string_view namespace_name,
                        const std::vector<VaultNodePath>& allowed) {
  if (!method.empty() && method != "GET") return NodeAccess::kNotGet;
  if (IsSystemPath(path)) return NodeAccess::kSystem;
  const std::string in = NamespaceName(namespace_name);
  const bool listed = std::any_of(allowed.begin(), allowed.end(), [&](const VaultNodePath& one) {
    return one.namespace_name == in && IsBelow(path, one.path);
  });
  return listed ? NodeAccess::kAllowed : NodeAccess::kUnlisted;
}

Result<std::vector<VaultNodePath>> ReadNodePaths(std::string_view list,
                                                 std::string_view node_namespace) {
  std::vector<VaultNodePath> paths;
  for (const std::string& part : SplitCommas(list)) {
    const std::size_t colon = part.find(':');
    const bool named = colon != std::string::npos;
    const std::string path = named ? part.substr(colon + 1) : part;
    if (path.find('?') != std::string::npos) return Bad(part, "a path without a query");
    if (path.find('*') != std::string::npos) {
      return Bad(part, "patterns are not supported: a path stands for all below it");
    }
    Result<std::string> cleaned = ApiPath(path, "the path");
    if (!cleaned.ok()) return Bad(part, cleaned.error().message());
    // An entry includes all paths below it, so one of those is checked.
    if (IsSystemPath(*cleaned + "/any")) {
      return Bad(part,
                 "auth, sys, identity and cubbyhole are never read with a credential of the node");
    }
    paths.push_back(
        {NamespaceName(named ? std::string_view(part).substr(0, colon) : node_namespace),
         *std::move(cleaned)});
  }
  return paths;
}

}  // namespace nodekeep::vault
