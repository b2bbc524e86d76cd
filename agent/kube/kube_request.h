#pragma once

// HTTP requests and responses of the Kubernetes API. Pure, except for reading the token file.

#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/http/http_client.h"
#include "agent/kube/kubeconfig.h"

namespace nodekeep {

// What the response contains. kMetadata avoids sending the content of Secrets over the network.
enum class KubeAnswer { kObject, kMetadata };

struct KubeCall {
  std::string_view method = "GET";
  std::string path;  // with its query, percent-encoded
  KubeAnswer answer = KubeAnswer::kObject;
  std::string_view content_type = "application/json";  // of the body, if there is one
  SecretBytes body;
};

// Errors: the token file cannot be read or is empty.
Result<HttpRequest> MakeKubeRequest(const KubeConnection& connection, std::string_view user_agent,
                                    const KubeCall& call);

// Returns the object of a 2xx response, else the error from its Status (codes: see KubeClient) with
// the server's retry delay, at most 30 seconds: the node depends on the API server, so it asks
// again soon after an overload is over. kInternal if the response is not JSON.
Result<Json> ReadKubeAnswer(const HttpResponse& response, WallTime now);

// Appends "name=value" to the query of `path`; percent-encodes the value.
void AddQuery(std::string& path, std::string_view name, std::string_view value);

// A selection of the objects below one resource path.
struct KubeSelection {
  std::string path;              // KubeResource::CollectionPath
  std::string field_selector{};  // "spec.nodeName=node1"; "" = all

  std::string PathWithQuery() const;
};

}  // namespace nodekeep
