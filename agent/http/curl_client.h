#pragma once

// The network, through libcurl: one loop thread owns every connection.
//
// Connections are kept alive, carry many HTTP/2 requests at once, and are closed after
// `idle_timeout` without use, so that an idle agent is small. They are shared between all callers,
// but only where the TLS settings, read from their files anew for each request, are equal.
// Redirects are not followed. The proxy variables of the environment are honoured. A connection
// over which nothing came while a request ran out of time (`hung_after` at least) is closed with
// everything on it, because the next requests would be put on it as well.
//
// Thread-safe. Destruction ends every request in flight with kShuttingDown; nobody may call
// SendAll or Open once it has begun.

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
    Duration connect_timeout = std::chrono::seconds(3);  // name lookup and TLS included
    Duration idle_timeout = std::chrono::seconds(60);
    Duration hung_after = std::chrono::seconds(5);
    ExceptionReporter on_exception{};  // of the loop's thread, "http"
  };

  explicit CurlClient(Options options);
  ~CurlClient() override;

  // A caller that leaves (its context ends) has its requests taken off the wire at once. Deadlines
  // are those of the machine's monotonic clock.
  std::vector<Result<HttpResponse>> SendAll(const Context& context,
                                            std::vector<HttpRequest> requests) override;
  void Open(const Context& context, HttpRequest request,
            std::shared_ptr<HttpReceiver> receiver) override;

 private:
  class Loop;

  std::shared_ptr<Loop> loop_;  // callers in flight hold it too
  std::jthread thread_;
};

}  // namespace nodekeep
