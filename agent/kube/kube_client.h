#pragma once

// The part of the Kubernetes API that the agent needs: JSON requests, error codes, retries.
//
// Paths are API paths made by KubeResource, with percent-encoded segments. A request with a
// transient error is retried as often as the policy allows and until the context ends; after a 429
// not before the server's Retry-After (also sent by API priority and fairness).
//
// Errors read `kubernetes: GET <path>: 403 Forbidden: <the API server's message>`. Codes: kDenied
// (403), kAuthExpired (401), kNotFound (404), kConflict (409, 410), kThrottled (429, with the
// server's Retry-After), kTransient (5xx, network), kTooLarge (413), kInvalid (other 4xx; an
// unusable connection), kInternal (a response that is not JSON).

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/http/http_client.h"
#include "agent/http/retry.h"
#include "agent/kube/kube_request.h"
#include "agent/kube/kubeconfig.h"

namespace nodekeep {

// Thread-safe. `http`, `clock` and `rng` must outlive the client.
class KubeClient {
 public:
  struct Options {
    RetryPolicy retry;
    Duration request_timeout = std::chrono::seconds(10);
    std::string user_agent = "nodekeep";  // followed by "/" and the version
  };

  KubeClient(HttpClient& http, KubeConnection connection, const Clock& clock, Rng& rng,
             Options options);

  Result<Json> Get(const Context& context, const std::string& path);
  // Returns all objects of the selection, read in pages. If the version of the first page expires
  // on the server before the last page is read (410), reads the list again from the start, once.
  Result<std::vector<Json>> List(const Context& context, const KubeSelection& selection);

  // Creates an object that may safely be created twice (tokens, reviews): retried like Get,
  // although a request whose connection was cut may have taken effect.
  Result<Json> PostRepeatable(const Context& context, const std::string& path, const Json& body);

  // The writes below return the object's metadata only (uid, resourceVersion, ...), so that the
  // content of a Secret is not sent back.

  // Creates a named object in the collection `path`. kConflict: an object of that name exists.
  // After a cut connection it may be the one just created: read it back before assuming that
  // another client created it.
  Result<Json> Create(const Context& context, const std::string& path, const Json& body);
  // Replaces the object at `path`. kConflict: its version is no longer metadata.resourceVersion of
  // `body`, after a cut connection possibly because of this call: read it and decide again. A body
  // without resourceVersion overwrites any version.
  Result<Json> Update(const Context& context, const std::string& path, const Json& body);
  // Server-side apply: creates the object at `path`, or sets the fields of `body` (with apiVersion,
  // kind and metadata.name) on it; a field that an earlier Apply of this manager set and that is
  // not in `body` is removed. kConflict: another manager owns a field, and `force` is not set.
  Result<Json> Apply(const Context& context, const std::string& path, const Json& body,
                     std::string_view field_manager, bool force);
  // Merges `body` into the object (RFC 7386: null removes). If it has metadata.resourceVersion,
  // kConflict as for Update.
  Result<Json> MergePatch(const Context& context, const std::string& path, const Json& body);
  // Deletes the object; the garbage collector deletes its dependents in the background. An object
  // that does not exist is not an error. kConflict: its uid is not `uid`, or its version is not
  // `resource_version` ("" = any).
  Status Delete(const Context& context, const std::string& path, std::string_view uid,
                std::string_view resource_version = "");

  const std::string& source() const { return connection_.source; }
  // Watches use the same server and credential.
  const KubeConnection& connection() const { return connection_; }

 private:
  Result<Json> Send(const Context& context, const KubeCall& call);
  Result<Json> SendOnce(const Context& context, const KubeCall& call);
  // One pass over the pages.
  Result<std::vector<Json>> ListOnce(const Context& context, const KubeSelection& selection);

  HttpClient& http_;
  const KubeConnection connection_;
  const Clock& clock_;
  const Options options_;
  const RetryLoop retry_;
};

}  // namespace nodekeep
