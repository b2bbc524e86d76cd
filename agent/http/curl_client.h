#pragma once

// HTTP client on libcurl: one loop thread owns every connection.
//
// Connections are kept alive, multiplex HTTP/2 requests, and are closed after `idle_timeout`
// without use, so that an idle agent uses little memory. All callers share them, but only if the
// TLS settings are equal; their files are read again for each request. Unix sockets are connected
// to for each request. Redirects are not followed.
// The proxy variables of the environment are honoured (proxy_rules.h). When a request times out and
// its connection has received nothing for at least `hung_after`, the connection is closed and all
// its requests fail, because curl would reuse it for the next requests.
//
// Bodies of responses take from `answer_bytes` while they are received and for as long as their
// HttpResponse lives, in the share of the context's namespace.
//
// Thread-safe. Destruction ends every request in flight with kShuttingDown; SendAll and Open must
// not be called once it has begun.

#include <memory>
#include <thread>
#include <vector>

#include "agent/base/environment.h"
#include "agent/base/shared_resource.h"
#include "agent/base/thread_guard.h"
#include "agent/http/http_client.h"
#include "agent/http/http_stream.h"
#include "agent/http/proxy_rules.h"

namespace nodekeep {

class CurlClient final : public HttpClient, public HttpStreamClient {
 public:
  struct Options {
    // Requests over these limits wait inside curl, in the order of their arrival, whosoever they
    // are. So the limits must not be below what the caller sends at once: see BackendGate, which
    // lets requests wait in turn.
    std::size_t max_connections_per_host = 128;
    std::size_t max_connections = 256;
    std::size_t max_idle_connections = 128;              // kept for reuse
    Duration connect_timeout = std::chrono::seconds(3);  // including name lookup and TLS
    Duration idle_timeout = std::chrono::seconds(60);
    Duration hung_after = std::chrono::seconds(5);
    // Charged with kBytesPerAnswerByte for each byte of a body. Requests of the node itself ("")
    // are not charged. Null = unbounded.
    SharedResource* answer_bytes = nullptr;
    Environment environment = ProcessEnvironment();  // of the proxies
    ExceptionReporter on_exception{};  // for the loop thread, "http"
  };

  explicit CurlClient(Options options);
  ~CurlClient() override;

  // When the context ends, its requests are aborted at once. Deadlines are compared with
  // steady_clock. Besides the errors of the interface: kThrottled when a body exceeds the share of
  // answer_bytes.
  std::vector<Result<HttpResponse>> SendAll(const Context& context,
                                            std::vector<HttpRequest> requests) override;
  void Open(const Context& context, HttpRequest request,
            std::shared_ptr<HttpReceiver> receiver) override;

 private:
  class Loop;

  const ProxyRules proxies_;
  SharedResource* answer_bytes_ = nullptr;
  std::shared_ptr<Loop> loop_;  // shared with calls in flight
  std::jthread thread_;
};

}  // namespace nodekeep
