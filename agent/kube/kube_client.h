#pragma once

// The Kubernetes API, as far as the agent needs it: JSON requests, errors by taxonomy, retries.
//
// Paths are those of the API ("/api/v1/namespaces/shop/pods/web-0"), their segments
// percent-encoded. A request is retried while its error is transient, the attempts of the policy
// last and the context does; a 429 is retried no sooner than the server asks (Retry-After, which
// is also how its priority and fairness speaks).
//
// Errors read `kubernetes: GET <path>: 403 Forbidden: <the API server's message>`. Codes: kDenied
// (403), kAuthExpired (401), kNotFound (404), kConflict (409, 410), kThrottled (429, with the
// server's Retry-After), kTransient (5xx, network), kTooLarge (413), kInvalid (other 4xx; a
// connection that cannot be used), kInternal (an answer that is no JSON).

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

// Thread-safe. `http`, `clock` and `rng` outlive the client.
class KubeClient {
 public:
  struct Options {
    RetryPolicy retry;
    Duration request_timeout = std::chrono::seconds(10);
    std::string user_agent = "nodekeep";  // with the version behind a slash
  };

  KubeClient(HttpClient& http, KubeConnection connection, const Clock& clock, Rng& rng,
             Options options);

  Result<Json> Get(const Context& context, const std::string& path);
  // All objects of the selection, read in pages. A list that outlives the server's memory of it
  // (410) is begun again, once.
  Result<std::vector<Json>> List(const Context& context, const KubeSelection& selection);

  // Creates. For objects that nobody minds if there are two of (tokens, reviews): it is retried
  // just as Get is, although a request that was cut may have had its effect.
  Result<Json> PostRepeatable(const Context& context, const std::string& path, const Json& body);

  // The writes below answer with the object's metadata only (uid, resourceVersion, ...): what was
  // in a Secret does not come back.

  // Creates a named object below the collection `path`. kConflict: there is one of that name; after
  // a cut connection this may be the one just created, so read it before believing in a stranger.
  Result<Json> Create(const Context& context, const std::string& path, const Json& body);
  // Replaces the object at `path`. kConflict: it is no longer of metadata.resourceVersion in
  // `body`, after a cut connection perhaps by our own doing: read it, decide again. A body without
  // resourceVersion overwrites whatever is there.
  Result<Json> Update(const Context& context, const std::string& path, const Json& body);
  // Server-side apply: the object at `path` is created or made to hold what `body` (with
  // apiVersion, kind and metadata.name) says; a field that an earlier Apply of this manager set
  // and this one lacks is removed. kConflict: another manager owns a field, and `force` is not set.
  Result<Json> Apply(const Context& context, const std::string& path, const Json& body,
                     std::string_view field_manager, bool force);
  // Merges `body` into the object (RFC 7386: null removes). With metadata.resourceVersion in it,
  // kConflict as Update.
  Result<Json> MergePatch(const Context& context, const std::string& path, const Json& body);
  // Deletes the object; its dependents go in the background. One that is gone already is no error.
  // kConflict: the object of that name has another uid than `uid`, or has changed since
  // `resource_version` ("" = whatever it has).
  Status Delete(const Context& context, const std::string& path, std::string_view uid,
                std::string_view resource_version = "");

  const std::string& source() const { return connection_.source; }
  // For the watches, which are of the same server under the same name.
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
