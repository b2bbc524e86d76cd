#pragma once

// Health and metrics over HTTP, for kubelet and Prometheus.
//
// /healthz returns 200 while the process runs; /readyz calls `ready` and returns 503 with the
// reason while it fails; /metrics is Prometheus text. The health paths of the upstream providers
// (/health/ready, /live) are aliases of /readyz and /healthz, so that probes of a replaced
// DaemonSet keep working. No secret is served, and a client's request is its only input.
//
// One thread serves all connections without ever waiting for one of them, so slow clients do not
// delay others. A connection serves one request and is closed at its deadline, whatever its state.
// Above the maximum of connections, a new one closes the oldest. Health paths are answered before
// /metrics, of which at most four responses are in memory at once.

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/thread_guard.h"

namespace nodekeep {

class HttpEndpoint {
 public:
  struct Handlers {
    // Both are called on the endpoint's thread and delay all other requests while they run.
    std::function<std::string()> metrics;
    std::function<Status()> ready;
    ExceptionReporter on_exception{};  // for its thread, as "http-endpoint"
  };

  struct Options {
    Duration deadline = std::chrono::seconds(10);  // from the accept to the end of the response
    std::size_t max_connections = 256;
  };

  // `address`: host:port, [v6]:port or :port (all addresses); port 0 = any free one. Errors name
  // the address and what to do.
  static Result<std::unique_ptr<HttpEndpoint>> Start(const std::string& address, Handlers handlers,
                                                     Options options);
  static Result<std::unique_ptr<HttpEndpoint>> Start(const std::string& address,
                                                     Handlers handlers) {
    return Start(address, std::move(handlers), Options());
  }
  virtual ~HttpEndpoint() = default;  // closes all connections

  virtual int port() const = 0;
};

}  // namespace nodekeep
