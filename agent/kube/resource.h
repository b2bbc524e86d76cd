#pragma once

// API paths of resources, collections and objects.

#include <string>
#include <string_view>

namespace nodekeep {

// One resource of the API, named as in API discovery. Does not own its strings, which are
// constants. Namespaces, names and subresources are percent-encoded in the paths, so that external
// input with a slash or a question mark cannot address another object.
struct KubeResource {
  std::string_view group;    // "" = the core group
  std::string_view version;  // "v1"
  std::string_view plural;   // "pods"

  // The apiVersion of its objects: "v1", "apps/v1".
  std::string ApiVersion() const;

  // All namespaces, or a cluster-scoped resource: "/api/v1/pods".
  std::string CollectionPath() const;
  // One namespace: "/apis/apps/v1/namespaces/shop/deployments".
  std::string CollectionPath(std::string_view namespace_name) const;

  // One object: "/api/v1/namespaces/shop/pods/web-0".
  std::string ObjectPath(std::string_view namespace_name, std::string_view name) const;
  // A subresource of one object: "/api/v1/namespaces/shop/serviceaccounts/web/token".
  std::string SubresourcePath(std::string_view namespace_name, std::string_view name,
                              std::string_view subresource) const;
  // One object of a cluster-scoped resource: "/api/v1/nodes/n1".
  std::string ClusterObjectPath(std::string_view name) const;
};

// Built-in resources. Custom resources are declared where they are used.
inline constexpr KubeResource kEventResource{"", "v1", "events"};
inline constexpr KubeResource kNodeResource{"", "v1", "nodes"};
inline constexpr KubeResource kPodResource{"", "v1", "pods"};
inline constexpr KubeResource kSecretResource{"", "v1", "secrets"};
inline constexpr KubeResource kServiceAccountResource{"", "v1", "serviceaccounts"};

}  // namespace nodekeep
