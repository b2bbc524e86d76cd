#pragma once

// Which path of the API a resource, a collection of it, or one object has.

#include <string>
#include <string_view>

namespace nodekeep {

// One resource of the API, as the server's discovery names it. A value without ownership: the texts
// are constants. Namespaces, names and subresources are percent-encoded in the paths, so that no
// text from outside, with a slash or a question mark in it, can reach another object.
struct KubeResource {
  std::string_view group;    // "" = the core group
  std::string_view version;  // "v1"
  std::string_view plural;   // "pods"

  // What objects of it say in apiVersion: "v1", "apps/v1".
  std::string ApiVersion() const;

  // All objects, of all namespaces or of a cluster-scoped resource: "/api/v1/pods".
  std::string CollectionPath() const;
  // Those of one namespace: "/apis/apps/v1/namespaces/shop/deployments".
  std::string CollectionPath(std::string_view namespace_name) const;

  // One object: "/api/v1/namespaces/shop/pods/web-0".
  std::string ObjectPath(std::string_view namespace_name, std::string_view name) const;
  // A part of it with a path of its own: "/api/v1/namespaces/shop/serviceaccounts/web/token".
  std::string SubresourcePath(std::string_view namespace_name, std::string_view name,
                              std::string_view subresource) const;
  // One object of a cluster-scoped resource: "/api/v1/nodes/n1".
  std::string ClusterObjectPath(std::string_view name) const;
};

// Resources of Kubernetes itself. Custom resources are declared where they are read.
inline constexpr KubeResource kEventResource{"", "v1", "events"};
inline constexpr KubeResource kNodeResource{"", "v1", "nodes"};
inline constexpr KubeResource kPodResource{"", "v1", "pods"};
inline constexpr KubeResource kSecretResource{"", "v1", "secrets"};
inline constexpr KubeResource kServiceAccountResource{"", "v1", "serviceaccounts"};

}  // namespace nodekeep
