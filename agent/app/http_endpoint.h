#pragma once

// Health and metrics over HTTP, for kubelet and Prometheus.
//
// /healthz returns 200 while the process runs; /readyz calls `ready` and returns 503 with the
// reason while it fails; /metrics is Prometheus text. The health paths of the upstream providers
// (/health/ready, /live) are aliases of /readyz and /healthz, so that probes of a replaced
// DaemonSet keep working. No secret is served, and a client's request is its only input.
//
// One listening thread and two workers. One request per connection.

#include <functional>
#include <memory>
#include <string>

#include "agent/base/result.h"
#include "agent/base/thread_guard.h"

namespace nodekeep {

class HttpEndpoint {
 public:
  struct Handlers {
    std::function<std::string()> metrics;  // both: thread-safe
    std::function<Status()> ready;
    ExceptionReporter on_exception{};  // for its threads, as "http-endpoint"
  };

  // `address`: host:port, [v6]:port or :port (all addresses); port 0 = any free one. Errors name
  // the address and what to do.
  static Result<std::unique_ptr<HttpEndpoint>> Start(const std::string& address, Handlers handlers);
  virtual ~HttpEndpoint() = default;  // waits for requests in flight

  virtual int port() const = 0;
};

}  // namespace nodekeep
