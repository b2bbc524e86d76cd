#include "agent/kube/resource.h"

#include <fmt/format.h>

#include "agent/base/codecs.h"

namespace nodekeep {
namespace {

std::string Segment(std::string_view text) { return "/" + PercentEncode(text, false); }

}  // namespace

std::string KubeResource::ApiVersion() const {
  if (group.empty()) return std::string(version);
  return fmt::format("{}/{}", group, version);
}

std::string KubeResource::CollectionPath() const {
  return fmt::format("/{}/{}/{}", group.empty() ? "api" : "apis", ApiVersion(), plural);
}

std::string KubeResource::CollectionPath(std::string_view namespace_name) const {
  return fmt::format("/{}/{}/namespaces{}/{}", group.empty() ? "api" : "apis", ApiVersion(),
                     Segment(namespace_name), plural);
}

std::string KubeResource::ObjectPath(std::string_view namespace_name, std::string_view name) const {
  return CollectionPath(namespace_name) + Segment(name);
}

std::string KubeResource::SubresourcePath(std::string_view namespace_name, std::string_view name,
                                          std::string_view subresource) const {
  return ObjectPath(namespace_name, name) + Segment(subresource);
}

std::string KubeResource::ClusterObjectPath(std::string_view name) const {
  return CollectionPath() + Segment(name);
}

}  // namespace nodekeep
