#pragma once

// HTTP client on libcurl: one loop thread owns every connection.
//
// Connections are kept alive, multiplex HTTP/2 requests, and are closed after `idle_timeout`
// without use, so that an idle agent uses little memory. All callers share them, but only if the
// TLS settings are equal; their files are read again for each request. Redirects are not followed.
// The proxy variables of the environment are honoured. When a request times out and its connection
// has received nothing for at least `hung_after`, the connection is closed and all its requests
// fail, because curl would reuse it for the next requests.
//
// Thread-safe. Destruction ends every request in flight with kShuttingDown; SendAll and Open must
// not be called once it has begun.

#include <memory>
#include <thread>
#include <vector>

#include "agent/base/thread_guard.h"
#include "agent/http/http_client.h"
#include "agent/http/http_stream.h"

namespace nodekeep {

class CurlClient final : public HttpClient, public HttpStreamClient {
 public:
  struct Options {
    std::size_t max_connections_per_host = 16;
    std::size_t max_connections = 128;
    Duration connect_timeout = std::chrono::seconds(3);  // including name lookup and TLS
    Duration idle_timeout = std::chrono::seconds(60);
    Duration hung_after = std::chrono::seconds(5);
    ExceptionReporter on_exception{};  // for the loop thread, "http"
  };

  explicit CurlClient(Options options);
  ~CurlClient() override;

  // When the context ends, its requests are aborted at once. Deadlines are compared with
  // steady_clock.
  std::vector<Result<HttpResponse>> SendAll(const Context& context,
                                            std::vector<HttpRequest> requests) override;
  void Open(const Context& context, HttpRequest request,
            std::shared_ptr<HttpReceiver> receiver) override;

 private:
  class Loop;

  std::shared_ptr<Loop> loop_;  // shared with calls in flight
  std::jthread thread_;
};

}  // namespace nodekeep
