#include "agent/kube/resource.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {
namespace {

constexpr KubeResource kDeploymentResource{"apps", "v1", "deployments"};

TEST_CASE("resource: the core group and named groups have their own prefixes") {
  CHECK(kPodResource.ApiVersion() == "v1");
  CHECK(kDeploymentResource.ApiVersion() == "apps/v1");
  struct Row {
    std::string want, path;
  };
  const Row rows[] = {
      {"/api/v1/pods", kPodResource.CollectionPath()},
      {"/api/v1/namespaces/shop/pods", kPodResource.CollectionPath("shop")},
      {"/api/v1/namespaces/shop/pods/web-0", kPodResource.ObjectPath("shop", "web-0")},
      {"/api/v1/nodes/n1", kNodeResource.ClusterObjectPath("n1")},
      {"/api/v1/namespaces/shop/serviceaccounts/web/token",
       kServiceAccountResource.SubresourcePath("shop", "web", "token")},
      {"/apis/apps/v1/deployments", kDeploymentResource.CollectionPath()},
      {"/apis/apps/v1/namespaces/shop/deployments", kDeploymentResource.CollectionPath("shop")},
      {"/apis/apps/v1/namespaces/shop/deployments/web/scale",
       kDeploymentResource.SubresourcePath("shop", "web", "scale")},
  };
  for (const Row& row : rows) CHECK(row.path == row.want);
}

TEST_CASE("resource: external input stays within its segment of the path") {
  CHECK(kPodResource.ObjectPath("../../x", "a?b=c#d") ==
        "/api/v1/namespaces/..%2F..%2Fx/pods/a%3Fb%3Dc%23d");
  CHECK(kNodeResource.ClusterObjectPath("a/b %") == "/api/v1/nodes/a%2Fb%20%25");
  // An empty namespace does not turn one object into a collection of another scope.
  CHECK(kPodResource.ObjectPath("", "web") == "/api/v1/namespaces//pods/web");
  CHECK(kPodResource.ObjectPath("shop", "") == "/api/v1/namespaces/shop/pods/");
}

}  // namespace
}  // namespace nodekeep
