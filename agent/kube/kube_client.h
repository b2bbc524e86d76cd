#pragma once

// The Kubernetes API, as far as the agent needs it: JSON requests, errors by taxonomy, retries.

#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/http/http_client.h"
#include "agent/http/retry.h"
#include "agent/kube/kubeconfig.h"

namespace nodekeep {

// Thread-safe. `http`, `clock` and `rng` outlive the client.
class KubeClient {
 public:
  struct Options {
    RetryPolicy retry;
    Duration request_timeout = std::chrono::seconds(10);
  };

  KubeClient(HttpClient& http, KubeConnection connection, const Clock& clock, Rng& rng,
             Options options);

  // The object at `path` ("/api/v1/namespaces/shop/pods/web-0"), whose segments are
  // percent-encoded. Retried while the error is transient and the context lasts.
  //
  // Errors read `kubernetes: GET <path>: 403 Forbidden: <the API server's message>`. Codes: kDenied
  // (403), kAuthExpired (401), kNotFound (404), kConflict (409, 410), kThrottled (429, with the
  // server's Retry-After), kTransient (5xx, network), kTooLarge (413), kInvalid (other 4xx; a
  // connection that cannot be used), kInternal (an answer that is no JSON).
  Result<Json> Get(const Context& context, const std::string& path);
  // Creates. For objects that nobody minds if there are two of (tokens, reviews): it is retried
  // just as Get is, although a request that was cut may have had its effect.
  Result<Json> PostRepeatable(const Context& context, const std::string& path, const Json& body);

  const std::string& source() const { return connection_.source; }

 private:
  Result<Json> Send(const Context& context, std::string_view method, const std::string& path,
                    const SecretBytes& body);
  Result<Json> SendOnce(const Context& context, std::string_view method, const std::string& path,
                        const SecretBytes& body);
  Result<SecretBytes> BearerToken() const;

  HttpClient& http_;
  const KubeConnection connection_;
  const Clock& clock_;
  const Options options_;
  const RetryLoop retry_;
};

}  // namespace nodekeep
