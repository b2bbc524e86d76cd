#pragma once

// How one exchange with an API server is spelled and read. Pure but for the token file.

#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/http/http_client.h"
#include "agent/kube/kubeconfig.h"

namespace nodekeep {

// What the answer shall hold. Metadata-only answers keep the content of Secrets off the wire and
// large objects out of memory.
enum class KubeAnswer { kObject, kMetadata, kMetadataList };

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

// The object of a 2xx answer, else the error of a Status (kinds: see KubeClient), with the delay
// that the server asks for. kInternal when the answer is no JSON.
Result<Json> ReadKubeAnswer(const HttpResponse& response, WallTime now);

// Adds "name=value" to the query of `path`; the value is percent-encoded here.
void AddQuery(std::string& path, std::string_view name, std::string_view value);

// Which objects below one resource path.
struct KubeSelection {
  std::string path;              // "/api/v1/namespaces/shop/pods", "/api/v1/pods"
  std::string label_selector{};  // "app=web,tier!=db"; "" = all
  std::string field_selector{};  // "spec.nodeName=node1"; "" = all
  bool metadata_only = false;

  std::string PathWithQuery() const;
};

}  // namespace nodekeep
